// SPDX-License-Identifier: MIT OR Apache-2.0
//! Broker and QEMU by one command, where a script plays QEMU; the runner's tests have a real one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-ivshmem"));
    command.args(["run", "--memory", "2097152", "--vcpus", "2", "--messages", "8", "--"]).args(words);
    command.stdin(Stdio::null()).output().expect("it is built")
}

#[test]
fn a_command_that_ends_by_itself_gives_its_code() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)] {
        let output = run(&["sh", "-c", script, "{socket}"]);
        assert_eq!(output.status.code(), Some(code), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_cannot_be_run_is_one_line() {
    for (words, why) in [(&["true"][..], "nowhere {socket}"), (&["/nowhere", "{socket}"], "cannot be run")] {
        let output = run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default();
        assert!(output.status.code() == Some(2) && last.contains(why), "{said}");
    }
}

#[test]
fn commas_of_the_path_are_doubled_within_an_option() {
    let folder = std::env::temp_dir().join(format!("tenon,{}", std::process::id()));
    fs::create_dir(&folder).expect("it is new");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-ivshmem"));
    command.args(["run", "--memory", "2097152", "--vcpus", "2", "--messages", "8", "--"]);
    command.args(["sh", "-c", r#"test -S "$0" && echo "$0 $1""#, "{socket}", "socket,path={socket},id=t"]);
    let output = command.env("TMPDIR", &folder).stdin(Stdio::null()).output().expect("it is built");
    fs::remove_dir_all(&folder).expect("it is there");
    let said = String::from_utf8_lossy(&output.stdout);
    let (path, option) = said.trim().split_once(' ').unwrap_or_default();
    assert!(output.status.success() && path.contains(','), "{output:?}");
    assert_eq!(option, format!("socket,path={},id=t", path.replace(',', ",,")));
}

#[test]
fn the_socket_is_the_commands_alone_and_goes() {
    let told = std::env::temp_dir().join(format!("tenon-run-{}", std::process::id()));
    let script = format!("stat -c %a \"$0\" \"$(dirname \"$0\")\" >{0}; echo \"$0\" >>{0}", told.display());
    let output = run(&["sh", "-c", &script, "{socket}"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = fs::read_to_string(&told).expect("the script ran");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..2], ["600", "700"]);
    assert!(!Path::new(lines[2]).parent().is_some_and(Path::exists), "{said}");
    fs::remove_file(told).expect("it is there");
}
