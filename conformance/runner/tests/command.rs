// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypervisors by their command line: what they say is judged, and nothing of them is left.
#![cfg(target_os = "linux")]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const RUNNER: &str = env!("CARGO_BIN_EXE_tenon-conformance");

fn runner(line: &str, more: &[&str]) -> Command {
    let mut command = Command::new(RUNNER);
    command.args(["--command", line, "--seed", "7"]).args(more).stdin(Stdio::null());
    command
}

fn run(line: &str, more: &[&str]) -> Output {
    runner(line, more).output().expect("the runner runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn row(output: &Output) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    report["results"][0].clone()
}

/// A command that is a machine: the runner's own loopback, whose standard input has to stay open.
fn loopback(test: &str) -> String {
    let fifo = scratch(test);
    let _ = fs::remove_file(&fifo);
    assert!(Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()), "mkfifo");
    let machine = format!("exec {RUNNER} --child loopback --command-line \"$0\" --image \"$1\"");
    format!("sh -c 'exec 0<>{}; {machine}' {{params}} {{image}}", fifo.display())
}

/// What did not pass, in a few words.
fn bad(row: &Value) -> Vec<String> {
    let cases = row["cases"].as_array().expect("cases");
    let bad = cases.iter().filter(|case| case["verdict"] != "pass" && case["verdict"] != "skip");
    bad.map(|case| format!("{} {}", case["name"], case["detail"])).collect()
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Processes that have this in their command line.
fn processes_with(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("processes").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

#[test]
fn a_machine_by_its_command_line_is_judged_like_any_other() {
    let output = run(&loopback("stdin"), &["--name", "mine", "--format", "json"]);
    let row = row(&output);
    assert_eq!((row["host"].as_str(), output.status.code()), (Some("mine"), Some(0)), "{:?}", bad(&row));
    assert_eq!((&row["failed"], &row["errored"]), (&0.into(), &0.into()), "{:?}", bad(&row));
    // A late machine may make a case warn; that this host says how machines end is another matter.
    let silent = bad(&row).into_iter().filter(|bad| bad.contains("does not say how the machine ended"));
    assert_eq!(silent.collect::<Vec<_>>(), [""; 0]);
    assert!(row["passed"].as_u64() >= Some(60), "{:?}", bad(&row));
}

#[test]
fn a_host_that_does_not_say_how_machines_end_gets_warnings_for_that() {
    let line = loopback("stdin-of-a-silent-host").replace("\"$1\"'", "\"$1\" 2>/dev/null'");
    let row = row(&run(&line, &["--filter", "lifecycle.", "--format", "json"]));
    let cases = row["cases"].as_array().expect("cases");
    let warned: Vec<_> = cases.iter().filter(|case| case["verdict"] == "warn").collect();
    assert!(!warned.is_empty() && row["failed"] == 0 && row["errored"] == 0, "{:?}", bad(&row));
    for case in warned {
        let detail = case["detail"].as_str().expect("a reason");
        assert!(detail.starts_with("this host does not say how the machine ended"), "{case}");
    }
}

#[test]
fn a_command_that_is_no_hypervisor_is_one_line() {
    for (line, expected) in [
        ("/nowhere/at-all {image} {params}", "`/nowhere/at-all` cannot be run"),
        ("sh -c 'exit 0' {nothing}", "none of {image}"),
        ("true", "nowhere {image}"),
        ("'true {image}", "quotes"),
        ("", "empty"),
    ] {
        let output = run(line, &["--name", "mine"]);
        let why = text(&output.stderr);
        assert_eq!(
            (output.status.code(), why.lines().count(), &*output.stdout),
            (Some(2), 1, &b""[..]),
            "{line}: {why}"
        );
        assert!(why.contains("host mine: ") && why.contains(expected), "{line}: {why}");
    }
    let output = run("true {image}", &["--image", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert_eq!((output.status.code(), text(&output.stderr).contains("no place")), (Some(2), true));
}

#[test]
fn a_command_that_never_says_hello_is_an_error_for_each_case_and_one_line() {
    for (script, expected) in [
        ("exit 7", "exit status: 7"),
        ("echo no such option >&2; exit 2", "exit status: 2: no such option"),
        ("kill -9 $$", "ended by signal 9"),
        ("echo BIOS 1; echo booting; sleep 1000", "did not say hello within 0.5 s; it printed last: booting"),
        ("exec >&- 2>&-; sleep 1000", "did not say hello within 0.5 s"),
        ("sleep 1000", "did not say hello within 0.5 s"),
        ("sleep 1000 & exit 3", "exit status: 3"),
        ("exec cat /dev/urandom", "did not say hello within 0.5 s"),
        ("while :; do echo '~TN 000000 00000000 hello 1'; done", "did not say hello within 0.5 s"),
    ] {
        let start = Instant::now();
        let line = format!("sh -c \"{script}\" {{image}} {{params}}");
        let output = run(&line, &["--timeout-scale", "0.1"]);
        let report = text(&output.stdout);
        let errors: Vec<_> = report.lines().filter(|line| line.trim_start().starts_with("error")).collect();
        assert_eq!((output.status.code(), errors.len()), (Some(1), 1), "{script}: {report}");
        assert!(errors[0].contains(expected), "{script}: {}", errors[0]);
        assert!(report.contains("\n0 passed, "), "{script}: {report}");
        assert!(start.elapsed() < Duration::from_secs(10), "{script}: {:?}", start.elapsed());
    }
}

#[test]
fn its_files_lie_where_temporary_things_do_for_this_user_alone() {
    // Beside the program nobody may be able to write: it is installed, or another user's.
    let (place, told) = (scratch("temporary files"), scratch("where-the-image-was"));
    let _ = (fs::remove_dir_all(&place), fs::remove_file(&told));
    fs::create_dir_all(&place).expect("the folder is the test's own");
    let script = format!("echo \\\"$0\\\" $(stat -c %a \\\"$(dirname \\\"$0\\\")\\\") >{}", told.display());
    let line = format!("sh -c \"{script}\" {{image}} {{params}}");
    let output = runner(&line, &["--filter", "call.nop"]).env("TMPDIR", &place).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = fs::read_to_string(&told).expect("the command ran");
    assert!(said.starts_with(&format!("{}/tenon-command-", place.display())), "{said}");
    assert!(said.ends_with(" 700\n"), "{said}");
    assert_eq!(fs::read_dir(&place).expect("it is there").count(), 0, "left behind");
    // Where there is no such place, that is said.
    let output = runner(&line, &[]).env("TMPDIR", "/nowhere").output().expect("it runs");
    let why = text(&output.stderr);
    assert_eq!((output.status.code(), why.lines().count()), (Some(2), 1), "{why}");
    assert!(why.contains("no folder in /nowhere"), "{why}");
}

#[test]
fn nothing_of_a_command_is_left() {
    // Its child ignores what can be ignored, and holds on to the pipes.
    let mark = format!("{}", 1_000_000 + std::process::id());
    let line = format!("sh -c 'trap \"\" HUP INT TERM; sleep {mark} & sleep {mark}' {{image}} {{params}}");
    let output = run(&line, &["--timeout-scale", "0.1", "--filter", "call.nop"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(processes_with(&mark), Vec::<String>::new());
}

#[test]
fn a_runner_that_is_killed_takes_its_command_along() {
    let mark = format!("{}", 2_000_000 + std::process::id());
    let told = scratch("image-of-a-killed-runner");
    let _ = fs::remove_file(&told);
    let line =
        format!("sh -c 'echo \"$0\" >{}; sleep {mark} & sleep {mark}' {{image}} {{params}}", told.display());
    let mut child = runner(&line, &["--timeout-scale", "10"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the runner runs");
    let image = || fs::read_to_string(&told).unwrap_or_default();
    wait_for("the command runs", || image().ends_with('\n'));
    let image = image();
    assert!(Path::new(image.trim()).exists(), "{image}");
    child.kill().expect("it runs");
    child.wait().expect("it ran");
    wait_for("the command ends", || processes_with(&mark).is_empty());
    wait_for("its folder goes", || Path::new(image.trim()).parent().is_some_and(|folder| !folder.exists()));
}

/// What the C host is called with, or why there is none here.
fn c_host() -> Result<PathBuf, String> {
    fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .map_err(|error| format!("/dev/kvm: {error}"))?;
    let bindings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bindings/c");
    let program = scratch("c-host-by-command");
    let compiled = Command::new("cc")
        .args(["-std=gnu11", "-O2", "-I", ".", "-o"])
        .arg(&program)
        .arg("examples/host.c")
        .current_dir(bindings)
        .output()
        .map_err(|error| format!("cc: {error}"))?;
    if compiled.status.success() { Ok(program) } else { Err(text(&compiled.stderr)) }
}

#[test]
fn the_host_in_c_is_green_by_command_with_parameters_on_the_line_and_in_the_image() {
    let host = match c_host() {
        Ok(host) => host,
        Err(why) => {
            println!("skipped: the_host_in_c_is_green_by_command: {why}");
            return;
        }
    };
    let host = host.display();
    for line in [
        format!("{host} -e -t 60 -s {{seed}} {{image}} {{params}} serial=burst mode=native"),
        format!("{host} -e -t 60 -s {{seed}} {{image}}"),
    ] {
        let output = run(&line, &["--format", "json", "--timeout-scale", "4", "--filter", "l"]);
        let row = row(&output);
        assert_eq!(
            (&row["failed"], &row["errored"], output.status.code()),
            (&0.into(), &0.into(), Some(0)),
            "{:?}",
            bad(&row)
        );
        assert!(row["passed"].as_u64() >= Some(60), "{line}: {:?}", bad(&row));
    }
}

#[test]
fn a_qemu_without_tenon_says_so() {
    let line = "qemu-system-x86_64 -accel tcg -M microvm -m 64 -nodefaults -display none -no-reboot -serial stdio -kernel {image} -append {params}";
    if let Err(why) = Command::new("qemu-system-x86_64").arg("--version").output() {
        println!("skipped: a_qemu_without_tenon_says_so: {why}");
        return;
    }
    let output = run(line, &["--timeout-scale", "2", "--filter", "call.nop"]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("the guest found no host: no Tenon: no discovery record"), "{report}");
}

#[test]
fn an_image_of_another_architecture_boots_by_command() {
    let line = "qemu-system-aarch64 -accel tcg -M virt,gic-version=3 -cpu cortex-a57 -m 128 -nodefaults -display none -no-reboot -serial stdio -kernel {image} -append {params}";
    let output = run(line, &["--arch", "aarch64", "--timeout-scale", "4", "--filter", "call.nop"]);
    let (report, why) = (text(&output.stdout), text(&output.stderr));
    // Neither the image nor its machine can be had everywhere; what is missing is one line.
    if output.status.code() == Some(2) {
        println!("skipped: an_image_of_another_architecture_boots_by_command: {why}");
        assert!(why.lines().count() >= 1 && report.is_empty(), "{why}{report}");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("aarch64") && report.contains("the guest found no host"), "{report}");
}
