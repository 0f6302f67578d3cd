// SPDX-License-Identifier: MIT OR Apache-2.0
//! Broker and QEMU by one command, where a script plays QEMU; the runner's tests have a real one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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

/// The names of what lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A `run` whose command waits, once it was told its socket.
fn waiting(place: &Path) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-ivshmem"));
    command.args(["run", "--memory", "2097152", "--vcpus", "2", "--messages", "8", "--"]);
    command.args(["sh", "-c", r#"echo "$0"; exec sleep 600"#, "{socket}"]).env("TMPDIR", place);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it is built");
    let mut said = String::new();
    let out = child.stdout.take().expect("it was piped");
    BufReader::new(out).read_line(&mut said).expect("it speaks text");
    let folder = Path::new(said.trim()).parent().and_then(Path::file_name).expect("a folder");
    (child, folder.to_string_lossy().into_owned())
}

#[test]
fn what_a_killed_run_has_left_goes_with_the_next_and_nothing_else() {
    let place = std::env::temp_dir().join(format!("tenon-left-{}", std::process::id()));
    fs::create_dir(&place).expect("it is new");
    // Folders that look alike: one with a file in the socket's place, one of everybody, one with more in it.
    let [file, open, more] = ["file", "open", "more"].map(|name| format!("tenon-ivshmem-{name}"));
    for (name, mode) in [(&file, 0o700), (&open, 0o755), (&more, 0o700)] {
        fs::create_dir(place.join(name)).expect("it is new");
        fs::set_permissions(place.join(name), fs::Permissions::from_mode(mode)).expect("it is the test's");
    }
    fs::write(place.join(&file).join("socket"), "precious").expect("it is the test's");
    drop(UnixListener::bind(place.join(&open).join("socket")).expect("a socket"));
    drop(UnixListener::bind(place.join(&more).join("socket")).expect("a socket"));
    fs::write(place.join(&more).join("precious"), "").expect("it is the test's");
    let (mut dead, left) = waiting(&place);
    dead.kill().expect("it runs");
    dead.wait().expect("it ends");
    assert!(names(&place).contains(&left), "it was killed too late to leave anything");
    let (mut alive, kept) = waiting(&place);
    let mut expected = vec![file, open, more, kept.clone()];
    expected.sort();
    assert_eq!(names(&place), expected);
    // The next one leaves the one alone that lives.
    let (mut next, other) = waiting(&place);
    assert!(names(&place).contains(&kept) && names(&place).contains(&other));
    assert_eq!(names(&place.join("tenon-ivshmem-file")), ["socket"]);
    assert_eq!(names(&place.join("tenon-ivshmem-more")), ["precious", "socket"]);
    for child in [&mut alive, &mut next] {
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    fs::remove_dir_all(&place).expect("it is the test's");
}
