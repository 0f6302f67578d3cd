// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `tenon-vmm`, as its users run it.
#![cfg(all(feature = "vmm", target_arch = "x86_64"))]

#[path = "block/failing.rs"]
mod failing;

use failing::{Failing, fail};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use tenon_guest_images::{Arch, CONFORMANCE, HELLO};

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

/// Longer than any boot takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The image that writes and flushes without end, or why there is none.
fn writer(folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join("writer");
    std::fs::write(&path, tenon_guest_images::image("writer", Arch::X86_64)?).unwrap();
    Ok(path)
}

#[test]
fn a_failed_disk_makes_nothing_durable_until_its_latch_is_deleted() {
    const NAME: &str = "a_failed_disk_makes_nothing_durable_until_its_latch_is_deleted";
    let folder = tempfile::tempdir().unwrap();
    let image = match writer(folder.path()) {
        Ok(image) => image,
        Err(why) => return println!("skipped: {NAME}: {why}"),
    };
    let (disk, latch) = (folder.path().join("disk"), folder.path().join("failed"));
    std::fs::write(&disk, vec![0; 1 << 20]).unwrap();
    std::fs::write(&latch, "").unwrap();
    let option = format!("{},latch={}", disk.display(), latch.display());
    let arguments = ["--disk", &option, "--limit", "300", image.to_str().unwrap()];
    let Some(output) = boot(NAME, &arguments) else { return };
    let console = said(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output.stderr));
    assert!(console.contains("failed") && console.contains("IO_ERROR"), "{console}");
    assert!(!console.contains("flushed") && latch.exists(), "{console}");
}

/// A guest that runs until this goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_guest_that_boots_anew_finds_its_disk_failed() {
    const NAME: &str = "a_guest_that_boots_anew_finds_its_disk_failed";
    let folder = tempfile::tempdir().unwrap();
    let (image, device) = match (writer(folder.path()), Failing::new()) {
        (Ok(image), Ok(device)) => (image, device),
        (Err(why), _) | (_, Err(why)) => return println!("skipped: {NAME}: {why}"),
    };
    // Is KVM there?
    if boot(NAME, &["--limit", "300", HELLO.path]).is_none() {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-vmm"));
    command.args(["--limit", "300", "--disk"]).arg(&device.path).arg(&image).arg("again=1");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let _running = Running(child);
    let (say, says) = channel();
    thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
    let next = || says.recv_timeout(PATIENCE).expect("a line of the guest's");
    while !next().starts_with("flushed") {}
    fail(&device.memory);
    // The boot that fails ends with its error, and the next one has it from the start.
    while !next().contains("IO_ERROR") {}
    let first = next();
    assert_eq!(first, "failed");
    drop(device.witness);
}
