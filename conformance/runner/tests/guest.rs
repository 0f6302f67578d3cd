// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests on the stand: a sound one passes, and what is no guest is one clear line and never a pass.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tenon_conformance_runner::stand::machine;

fn guest(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-conformance"));
    command.args(["guest", "--seed", "7", "--format", "json"]).args(args).stdin(Stdio::null());
    command.output().expect("the runner runs")
}

fn judged(output: &Output) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    report["guests"].as_array().expect("guests").clone()
}

/// Whether there is no KVM here.
fn is_skipped(test: &str) -> bool {
    machine::probe().inspect_err(|why| println!("skipped: {test}: {why}")).is_err()
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

/// An image that PVH starts at its first byte, in 32-bit mode.
fn image(code: &[u8]) -> Vec<u8> {
    const AT: u32 = 0x10_0000;
    let note = [&[4_u32, 4, 18].map(u32::to_le_bytes).concat()[..], b"Xen\0", &AT.to_le_bytes()].concat();
    let mut file = vec![0; 64 + 2 * 56];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16..20].copy_from_slice(&[2, 0, 62, 0]);
    file[24..28].copy_from_slice(&AT.to_le_bytes());
    file[32] = 64;
    file[54] = 56;
    file[56] = 2;
    for (number, (kind, bytes)) in [(1_u32, code), (4, &note[..])].into_iter().enumerate() {
        let (offset, len) = (file.len() as u64, bytes.len() as u64);
        let header = &mut file[64 + 56 * number..][..56];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        let words = [offset, AT.into(), AT.into(), len, len, 4];
        header[8..].copy_from_slice(words.map(u64::to_le_bytes).as_flattened());
        file.extend_from_slice(bytes);
    }
    file
}

#[test]
fn what_is_no_guest_is_an_error_with_a_reason() {
    if is_skipped("what_is_no_guest_is_an_error_with_a_reason") {
        return;
    }
    let hello = tenon_guest_images::HELLO.bytes;
    let mut of_arm = hello.to_vec();
    of_arm[18] = 183;
    // hlt, again and again.
    let silent = image(&[0xf4, 0xeb, 0xfd]);
    // mov esi, 1 MiB; mov ecx, 1 MiB; mov dx, 0x3f8; rep outsb; again.
    let flood =
        image(&[0xbe, 0, 0, 0x10, 0, 0xb9, 0, 0, 0x10, 0, 0x66, 0xba, 0xf8, 3, 0xf3, 0x6e, 0xeb, 0xee]);
    // ud2 without anything that handles it: the vCPU shuts down.
    let dead = image(&[0x0f, 0x0b]);
    let rows: [(&str, &[u8], &str); 6] = [
        ("truncated", &hello[..hello.len() / 2], "no image for this machine"),
        ("text", b"this is no image", "no image for this machine"),
        ("of-arm", &of_arm, "no image for this machine"),
        ("silent", &silent, "no control request"),
        ("flood", &flood, "without an end"),
        ("dead", &dead, "no control request"),
    ];
    let files = rows.map(|(name, bytes, _)| file(name, bytes).display().to_string());
    let mut args = vec!["--bound", "2", "--serial", "4096"];
    args.extend(files.iter().map(String::as_str));
    let output = guest(&args);
    assert_eq!(output.status.code(), Some(1));
    let judged = judged(&output);
    assert_eq!(judged.len(), rows.len());
    for (judged, (name, _, why)) in judged.iter().zip(rows) {
        assert_eq!(judged["verdict"], "error", "{name}: {judged}");
        let reason = judged["reason"].as_str().expect("a reason");
        assert!(reason.contains(why) && !reason.contains('\n'), "{name}: {reason}");
    }
}

#[test]
fn a_guest_that_restarts_without_an_end_is_an_error() {
    if is_skipped("a_guest_that_restarts_without_an_end_is_an_error") {
        return;
    }
    let output = guest(&["--params", "only=lifecycle.restart", tenon_guest_images::CONFORMANCE.path]);
    let judged = judged(&output);
    assert_eq!((output.status.code(), &judged[0]["verdict"]), (Some(1), &"error".into()), "{judged:?}");
    assert!(judged[0]["reason"].as_str().is_some_and(|why| why.contains("fresh boot")), "{judged:?}");
}

#[test]
fn hello_keeps_what_it_is_held_to_under_every_host() {
    if is_skipped("hello_keeps_what_it_is_held_to_under_every_host") {
        return;
    }
    let output = guest(&["--lies", "8", tenon_guest_images::HELLO.path]);
    let judged = judged(&output);
    assert_eq!((output.status.code(), &judged[0]["verdict"]), (Some(0), &"pass".into()), "{judged:?}");
    let clauses = judged[0]["clauses"].as_array().expect("clauses");
    for id in ["SES-2", "CALL-4", "CALL-6", "CALL-8", "VCPU-10", "NEG-2", "GEN-8"] {
        let row = clauses.iter().find(|row| row["clause"] == id);
        assert_eq!(row.map(|row| &row["verdict"]), Some(&"held".into()), "{id}");
    }
    assert_eq!(judged[0]["boots"][2], 8);
}

#[test]
fn a_file_that_is_not_there_is_no_run() {
    let output = guest(&["/nowhere/at-all"]);
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{why}");
    assert!(why.contains("cannot be read") && why.lines().count() == 1, "{why}");
}
