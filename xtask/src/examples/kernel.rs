// SPDX-License-Identifier: MIT OR Apache-2.0
//! `first` and `kernel`: both run on the example monitor, and `kernel` runs behind QEMU's device while its
//! host is killed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::project;

pub(super) const QEMU: &str = "qemu-system-x86_64";
/// Far more than a boot takes.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn runs_on_kvm(kernel: &Path) -> Result<(), String> {
    says_on_kvm(kernel, "kernel: 1000 calls, 0 restarts")
}

pub(super) fn first_runs_on_kvm(kernel: &Path) -> Result<(), String> {
    says_on_kvm(kernel, "first: session 1")
}

/// It says so on the ready machine, and ends well.
fn says_on_kvm(kernel: &Path, says: &str) -> Result<(), String> {
    let mut cargo = project::cargo();
    cargo.args(["run", "--quiet", "--package", "tenon-host", "--example", "vmm", "--"]).arg(kernel);
    let output = cargo.stdin(Stdio::null()).output().map_err(|why| format!("cargo: {why}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && text.contains(says) {
        return Ok(());
    }
    Err(format!("{}, it said: {}\n{}", output.status, text.trim(), String::from_utf8_lossy(&output.stderr)))
}

/// The process of its host is killed once it has a session: the kernel opens another one and ends well.
pub(super) fn outlives_its_host(kernel: &Path) -> Result<(), String> {
    let mut cargo = project::cargo();
    cargo.args(["build", "--package", "tenon-ivshmem", "--bin", "tenon-ivshmem"]);
    let host = project::build(&mut cargo).map_err(|failure| format!("{failure:?}"))?;
    let device = "ivshmem-doorbell,vectors=16,chardev=t";
    let mut child = Command::new(host)
        .args([
            "run",
            "--",
            QEMU,
            "-M",
            "q35",
            "-accel",
            "tcg",
            "-m",
            "64",
            "-nodefaults",
            "-display",
            "none",
        ])
        .args([
            "-append",
            "restarts=1",
            "-chardev",
            "socket,path={socket},id=t",
            "-device",
            device,
            "-kernel",
        ])
        .arg(kernel)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Running)
        .map_err(|why| format!("tenon-ivshmem: {why}"))?;
    let (console, errors) = (lines(child.0.stdout.take()), lines(child.0.stderr.take()));
    let started = Instant::now();
    let worker = find(&errors, started, "~WORKER ")?;
    find(&console, started, "kernel: session ")?;
    let killed = Command::new("kill").args(["-9", worker.trim()]).status();
    if !killed.is_ok_and(|status| status.success()) {
        return Err(format!("the worker {worker} could not be killed"));
    }
    find(&console, started, "kernel: 1000 calls, ")
        .and_then(|rest| if rest.starts_with("1 ") { Ok(()) } else { Err(format!("it said: {rest}")) })?;
    find(&errors, started, "~END exit=0").map(drop)
}

/// A child that does not outlive its handle; what it started ends with it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // The host of a guest ends when its standard input does.
        drop(self.0.stdin.take());
        let started = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && started.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(20));
        }
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines(from: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(from) = from {
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// What stands behind `text` in the first line that begins so.
fn find(lines: &Receiver<String>, started: Instant, text: &str) -> Result<String, String> {
    let mut last = String::from("nothing");
    while let Ok(line) = lines.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
        if let Some(rest) = line.strip_prefix(text) {
            return Ok(rest.to_owned());
        }
        last = line;
    }
    Err(format!("it did not say `{text}`; it said last: {last}"))
}
