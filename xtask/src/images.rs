// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask images`: every image that is not x86-64's alone, for every architecture, boots on a plain
//! QEMU and says what it should.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Context, Failure};
use crate::{Outcome, project};

/// Arguments of `images`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only for this architecture; may be given several times.
    #[arg(long, value_name = "NAME", value_parser = ["x86_64", "aarch64", "riscv64"])]
    arch: Vec<String>,
}

/// A machine has come to its end by itself after so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What images are booted on: program, Debian package, machine.
const MACHINES: [(&str, &str, &str, &[&str]); 6] = [
    (
        "x86_64",
        "qemu-system-x86_64",
        "qemu-system-x86",
        &["-M", "microvm", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
    ),
    ("aarch64", "qemu-system-aarch64", "qemu-system-arm", &["-M", "virt,gic-version=3", "-cpu", "max"]),
    (
        "aarch64",
        "qemu-system-aarch64",
        "qemu-system-arm",
        &["-M", "virt,virtualization=on,gic-version=3", "-cpu", "max"],
    ),
    (
        "aarch64",
        "qemu-system-aarch64",
        "qemu-system-arm",
        &["-M", "virt,gic-version=2", "-cpu", "cortex-a57"],
    ),
    ("riscv64", "qemu-system-riscv64", "qemu-system-misc", &["-M", "virt"]),
    ("riscv64", "qemu-system-riscv64", "qemu-system-misc", &["-M", "virt,aclint=on", "-cpu", "rv64,v=off"]),
];

/// Image, boot parameters, and what has to stand somewhere in a line of its output.
const IMAGES: [(&str, &str, &[&str]); 2] = [
    ("smoke", "smoke=yes number=0x1234", &["smoke: passed", "smoke: interrupts were taken"]),
    ("conformance", "seed=5eed", &["seed=5eed cases=0", "absent no Tenon: no discovery record", " done"]),
];

/// Builds and boots.
pub(crate) fn run(args: &Args) -> Outcome {
    let folder = tempfile::tempdir_in(project::target()).context("a folder for images")?;
    let mut problems = Vec::new();
    for (arch, program, package, machine) in MACHINES {
        if !args.arch.is_empty() && !args.arch.iter().any(|name| name == arch) {
            continue;
        }
        for (name, parameters, wanted) in IMAGES {
            let title = format!("{name:12} {:8} {}", arch, machine[1]);
            if project::find_program(program).is_none() {
                println!("skip  {title}: no {program}: apt-get install {package}");
                continue;
            }
            let file = folder.path().join("image");
            if let Some(missing) = build(name, arch, &file)? {
                println!("skip  {title}: {missing}");
                continue;
            }
            let started = Instant::now();
            // GICv2 is not known here.
            let wanted = if machine.contains(&"virt,gic-version=2") { &wanted[..1] } else { wanted };
            match boot(program, machine, &file, parameters, wanted) {
                Ok(()) => println!("pass  {title} {:5.1} s", started.elapsed().as_secs_f64()),
                Err(why) => {
                    println!("FAIL  {title}: {why}");
                    problems.push(format!("images: {name} for {arch}: {why}"));
                }
            }
        }
    }
    if problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::Verdict(problems)) }
}

/// Writes an image to a file; what is missing on this machine, if that is why there is none.
fn build(name: &str, arch: &str, file: &Path) -> Result<Option<String>, Failure> {
    let output = project::suite()
        .args(["image", "--name", name, "--arch", arch, "--out"])
        .arg(file)
        .output()
        .context("cannot start cargo for an image")?;
    if output.status.success() {
        return Ok(None);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().last().unwrap_or_default();
    // Whatever would bring what is missing is named.
    if last.contains("rustup target add") {
        Ok(Some(last.trim_start_matches("tenon-conformance: ").to_owned()))
    } else {
        Err(Failure::Environment(format!("the image {name} for {arch}: {}", errors.trim())))
    }
}

/// A child that does not outlive its handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots the image; it has to say all that is wanted, and to switch its machine off.
fn boot(
    program: &str,
    machine: &[&str],
    file: &Path,
    parameters: &str,
    wanted: &[&str],
) -> Result<(), String> {
    let mut child = Command::new(program)
        .args(machine)
        .args([
            "-accel",
            "tcg",
            "-m",
            "128",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-serial",
            "stdio",
        ])
        .arg("-kernel")
        .arg(file)
        .args(["-append", parameters])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Running)
        .map_err(|why| format!("{program}: {why}"))?;
    let output = child.0.stdout.take().ok_or("its output is not to be had")?;
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + PATIENCE;
    let mut lines = Vec::new();
    let ended = loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => lines.push(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => break true,
            Err(mpsc::RecvTimeoutError::Timeout) => break false,
        }
    };
    drop(child);
    let _ = reader.join();
    let last = lines.iter().rev().find(|line| !line.is_empty()).map_or("nothing", String::as_str);
    if let Some(missing) = wanted.iter().find(|text| !lines.iter().any(|line| line.contains(**text))) {
        return Err(format!("it did not say `{missing}`; it said last: {last}"));
    }
    if ended { Ok(()) } else { Err(format!("it did not end within {} s", PATIENCE.as_secs())) }
}
