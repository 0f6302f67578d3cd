// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports on their way: to a reader that has gone, to a disk that is full, to `prove`.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

/// Everything that writes a report to standard output.
const REPORTS: &[&[&str]] = &[
    &["--host", "loopback", "--filter", "call.nop"],
    &["--host", "loopback", "--filter", "call.nop", "--format", "json"],
    &["--host", "loopback", "--filter", "call.nop", "--format", "tap"],
    &["--fault", "value-on-error", "--filter", "call.", "--format", "tap"],
    &["--host", "loopback", "--filter", "call.nop", "--format", "junit"],
    &["--host", "loopback", "--filter", "call.nop", "--format", "html"],
    &["--list"],
    &["--list", "--format", "json"],
    &["--list-faults"],
    &["--list-faults", "--format", "json"],
    &["--help"],
    &["image", "--help"],
    &["--version"],
];

fn runner(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-conformance"));
    command.args(args).stdin(Stdio::null());
    command
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("a disk that is full").into()
}

#[test]
fn a_report_that_cannot_be_written_is_one_line_and_code_2() {
    for args in REPORTS {
        let Output { status, stderr, .. } =
            runner(args).stdout(full()).stderr(Stdio::piped()).output().expect("it runs");
        let why = String::from_utf8(stderr).expect("text");
        assert_eq!((status.code(), why.lines().count()), (Some(2), 1), "{args:?}: {why}");
        assert!(why.contains("No space left on device"), "{args:?}: {why}");
    }
    // With nobody to tell why, the code says it.
    let status =
        runner(&["--host", "nowhere"]).stdout(Stdio::null()).stderr(full()).status().expect("it runs");
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_reader_that_has_gone_has_read_enough() {
    for args in REPORTS {
        let mut child = runner(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        drop(child.stdout.take());
        let Output { status, stderr, .. } = child.wait_with_output().expect("it ends");
        let expected = if args.contains(&"--fault") { 1 } else { 0 };
        assert_eq!(
            (status.code(), String::from_utf8_lossy(&stderr).as_ref()),
            (Some(expected), ""),
            "{args:?}"
        );
    }
    // As `| head -1`.
    let mut child = runner(&["--list"]).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut line = String::new();
    let mut reader = BufReader::with_capacity(16, child.stdout.take().expect("it was asked for"));
    assert!(reader.read_line(&mut line).is_ok_and(|len| len > 0));
    drop(reader);
    assert!(child.wait().expect("it ends").success());
}

/// What `prove` makes of a report: its exit code is 0 if it took that for a run in which all passed.
fn prove(report: &[u8]) -> Option<Output> {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{}.tap", report.len()));
    File::create(&path).and_then(|mut file| file.write_all(report)).expect("the file is the test's own");
    Command::new("prove").args(["--exec", "cat"]).arg(&path).stdin(Stdio::null()).output().ok()
}

#[test]
fn prove_takes_the_report() {
    for (args, good) in [
        (&["--host", "loopback", "--filter", "discovery.", "--format", "tap"][..], true),
        // Failures have details below them.
        (&["--fault", "value-on-error", "--filter", "call.", "--format", "tap"], false),
    ] {
        let report = runner(args).output().expect("it runs").stdout;
        let points = String::from_utf8_lossy(&report).lines().filter(|line| line.contains("ok ")).count();
        let Some(output) = prove(&report) else {
            println!("skipped: prove_takes_the_report: there is no `prove` (Debian: apt-get install perl)");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.success(), good, "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(&format!("Tests={points},")), "{points} points: {said}");
        assert!(!said.contains("Parse errors"), "{said}");
    }
}
