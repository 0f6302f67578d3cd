// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows of the host in C, where this machine can have them, and what they say where it cannot.

use serde_json::Value;
use std::process::{Command, Output};

fn runner(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-conformance"));
    command.args(args);
    command
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a row needs; the reasons that it may have where it is absent.
fn is_a_reason(text: &str) -> bool {
    text.lines().count() == 1
        && ["/dev/kvm", "no C compiler", "does not compile", "x86-64 Linux"]
            .iter()
            .any(|why| text.contains(why))
}

#[test]
fn the_native_row_is_green_or_says_why_it_is_absent() {
    let output = runner(&["--host", "c-host-native", "--format", "json"]).output().expect("the runner runs");
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        assert!(is_a_reason(&words(&output)), "{}", words(&output));
        assert_eq!(output.status.code(), Some(2));
        return;
    };
    let row = &report["results"][0];
    let cases = row["cases"].as_array().expect("cases");
    let bad: Vec<_> =
        cases.iter().filter(|case| case["verdict"] == "fail" || case["verdict"] == "error").collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(row["passed"].as_u64() >= Some(60), "{row}");
    // It offers one vCPU, ports, and of minor version 2 only time: these are the only reasons to leave a case
    // out.
    let missing =
        ["SMP", "ENTROPY", "GENERATION", "METER", "MEMORY", "CLOSED", "STOLEN", "DEVICES", "BLOCK", "NET"];
    let reasons = ["max_vcpus is too small", "the conduit is PORT_IO", "no hole in region 0"];
    for case in cases.iter().filter(|case| case["verdict"] == "skip") {
        let detail = case["detail"].as_str().expect("a reason");
        let is_missing = detail
            .strip_suffix(" not offered")
            .is_some_and(|names| names.split(", ").all(|name| missing.contains(&name)));
        assert!(is_missing || reasons.contains(&detail), "{case}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn without_a_compiler_the_row_says_so_in_one_line() {
    let output = runner(&["--host", "c-host"]).env("PATH", "/nowhere").output().expect("the runner runs");
    assert!(is_a_reason(&words(&output)), "{}", words(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_image_that_does_not_boot_is_the_reason() {
    let image = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = runner(&["--host", "c-host", "--image", image]).output().expect("the runner runs");
    let text = words(&output);
    assert!(is_a_reason(&text) || text.contains("no ELF file"), "{text}");
    assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1));
}

#[test]
fn the_source_has_no_warnings() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bindings/c");
    let strict =
        ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];
    let compiled = Command::new("cc")
        .args(strict)
        .args(["-fsyntax-only", "-I", ".", "examples/host.c"])
        .current_dir(folder)
        .output();
    // No compiler, or one without the kernel's headers: nothing to look at.
    let Ok(output) = compiled else { return };
    let text = words(&output);
    assert!(output.status.success() || text.contains("No such file or directory"), "{text}");
}
