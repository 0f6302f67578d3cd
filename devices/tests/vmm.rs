// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `tenon-vmm`, as its users run it.
#![cfg(all(feature = "vmm", target_arch = "x86_64"))]

use std::process::{Command, Output, Stdio};
use tenon_guest_images::{CONFORMANCE, HELLO};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-vmm"));
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What came of a guest, or `None` (and a line that says why) where KVM cannot be used here.
fn boot(test: &str, arguments: &[&str]) -> Option<Output> {
    let output = run(arguments);
    let stderr = said(&output.stderr);
    if output.status.code() == Some(2) && (stderr.contains("/dev/kvm") || stderr.contains("this KVM")) {
        println!("skipped: {test}: {stderr}");
        return None;
    }
    Some(output)
}

#[test]
fn hello_boots_with_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("a,b");
    std::fs::write(&disk, vec![0; 1 << 20]).unwrap();
    let option = format!("{},ro", disk.display().to_string().replace(',', ",,"));
    let arguments = ["--disk", &option, "--vcpus", "2", "--seed", "7", "--limit", "300", HELLO.path];
    let Some(output) = boot("hello_boots_with_a_disk", &arguments) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    assert!(said(&output.stdout).contains("hello"), "{}", said(&output.stdout));
}

#[test]
fn the_conformance_image_boots() {
    let arguments = ["--limit", "300", CONFORMANCE.path, "serial=burst", "filter=session."];
    let Some(output) = boot("the_conformance_image_boots", &arguments) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    assert!(said(&output.stdout).contains("session."), "{}", said(&output.stdout));
}

#[test]
fn what_is_wrong_is_one_clear_line() {
    for (arguments, line) in [
        (["--disk", "/nowhere/disk", HELLO.path], "/nowhere/disk: there is no such file"),
        (["--net", "stream=/nowhere/socket", HELLO.path], "is passt or QEMU listening there?"),
    ] {
        let Some(output) = boot("what_is_wrong_is_one_clear_line", &arguments) else { return };
        let stderr = said(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(line) && stderr.lines().count() == 1, "{stderr}");
    }
    let output = run(&["/nowhere/image"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output.stderr).starts_with("tenon-vmm: /nowhere/image: "));
    assert_eq!(run(&["--net", "bridge", HELLO.path]).status.code(), Some(2));
}
