// SPDX-License-Identifier: MIT OR Apache-2.0
//! The image on machines of QEMU's that are not as the rows' are: devices beside Tenon's and behind bridges,
//! memory that does not fit, a reset in the midst of a session.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tenon_guest_images::{Arch, image};

/// A broker and a QEMU, in a folder that goes with them.
struct Machine {
    folder: PathBuf,
    broker: Child,
    qemu: Child,
    serial: BufReader<ChildStdout>,
    is_over: Arc<AtomicBool>,
}

/// Longer than any of these machines takes, however busy this one is; then its pipe ends.
const LIMIT: Duration = Duration::from_secs(240);

/// What differs between machines.
struct Kind {
    arch: Arch,
    qemu: &'static str,
    machine: &'static [&'static str],
    line: &'static str,
    messages: u32,
}

const KINDS: [Kind; 3] = [
    Kind {
        arch: Arch::X86_64,
        qemu: "qemu-system-x86_64",
        machine: &["-M", "q35", "-cpu", "max"],
        line: "ecam=0xb0000000 mmio=0xc0000000",
        messages: 16,
    },
    Kind {
        arch: Arch::Aarch64,
        qemu: "qemu-system-aarch64",
        machine: &["-M", "virt,gic-version=3,highmem=off", "-cpu", "max,pauth-impdef=on"],
        line: "",
        messages: 0,
    },
    Kind {
        arch: Arch::Riscv64,
        qemu: "qemu-system-riscv64",
        machine: &["-M", "virt", "-bios", "default"],
        line: "",
        messages: 0,
    },
];

/// The image, where it can be built and booted; else the test says why it is skipped.
fn image_for(kind: &Kind) -> Option<Vec<u8>> {
    if Command::new(kind.qemu).arg("--version").output().is_err() {
        println!("skipped: there is no {} here", kind.qemu);
        return None;
    }
    image("conformance", kind.arch).map_err(|why| println!("skipped: {why}")).ok()
}

impl Machine {
    /// Boots the image with these cases; `devices` come before Tenon's, which has `place` in its words.
    fn boot(
        name: &str,
        kind: &Kind,
        cases: &str,
        memory: &str,
        devices: &[&str],
        place: &str,
    ) -> Option<Self> {
        let image = image_for(kind)?;
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("tenon-machine-{id}-{name}-{}", kind.arch.name()));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        let [socket, file, qmp] = ["socket", "image", "qmp"].map(|name| folder.join(name));
        fs::write(&file, image).expect("the folder is the test's own");
        let messages = kind.messages.to_string();
        let mut broker = Command::new(env!("CARGO_BIN_EXE_tenon-conformance"));
        broker.args(["ivshmem", "broker", "--once", "--echo", "--messages", &messages, "--memory", memory]);
        broker
            .arg("--socket")
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut broker = broker.spawn().expect("the runner runs");
        let mut said = BufReader::new(broker.stderr.take().expect("it was asked for")).lines();
        assert!(said.any(|line| line.is_ok_and(|line| line == "~READY")), "the broker does not serve");
        std::thread::spawn(move || said.for_each(drop));
        let mut qemu = Command::new(kind.qemu);
        qemu.args(kind.machine).args(["-accel", "tcg", "-m", "64", "-nodefaults", "-no-user-config"]);
        qemu.args(["-display", "none", "-serial", "stdio", "-kernel"]).arg(&file).args(devices);
        qemu.args(["-append", &format!("seed=5 console=echo {cases} {}", kind.line)]);
        qemu.args(["-chardev", &format!("socket,path={},id=t", socket.display())]);
        qemu.args(["-device", &format!("ivshmem-doorbell,vectors=16,chardev=t{place}")]);
        qemu.args(["-qmp", &format!("unix:{},server=on,wait=off", qmp.display())]);
        let mut qemu = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it is there");
        let serial = BufReader::new(qemu.stdout.take().expect("it was asked for"));
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, qemu_id, begun) = (Arc::clone(&is_over), qemu.id().to_string(), Instant::now());
        std::thread::spawn(move || {
            while !over.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(100));
                if begun.elapsed() > LIMIT {
                    // It was not waited for yet, so the number is still its own.
                    let _ = Command::new("kill").args(["-9", &qemu_id]).status();
                    return;
                }
            }
        });
        Some(Self { folder, broker, qemu, serial, is_over })
    }

    /// What the image says, up to a line that ends so.
    fn until(&mut self, end: &str) -> String {
        let mut all = String::new();
        while !all.trim_end().ends_with(end) {
            let mut line = Vec::new();
            let len = self.serial.read_until(b'\n', &mut line).expect("it is a pipe");
            assert_ne!(len, 0, "the machine has ended: {all}");
            all.push_str(&String::from_utf8_lossy(&line));
        }
        all
    }

    /// Resets the machine as its button would.
    fn reset(&self) {
        let mut control = UnixStream::connect(self.folder.join("qmp")).expect("QEMU listens");
        let mut answers = BufReader::new(control.try_clone().expect("a second handle")).lines();
        for command in ["qmp_capabilities", "system_reset"] {
            answers.next().expect("it greets, and answers").expect("it is a socket");
            writeln!(control, "{{\"execute\":\"{command}\"}}").expect("it is a socket");
        }
        answers.next();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        drop(self.broker.stdin.take());
        let _ = self.broker.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn memory_that_has_no_room_in_the_bridges_window_is_absent() {
    for kind in &KINDS {
        let Some(mut machine) = Machine::boot("big", kind, "filter=call", "1073741824", &[], "") else {
            continue;
        };
        let report = machine.until(" done");
        let why = "absent no Tenon: a device whose memory has no room in the window of its bridge";
        assert!(report.contains(why), "{}: {report}", kind.arch.name());
    }
}

#[test]
fn each_device_is_looked_at_also_behind_a_bridge() {
    const PLAIN: [&str; 4] =
        ["-object", "memory-backend-ram,id=m,size=1M", "-device", "ivshmem-plain,memdev=m,addr=2"];
    const BRIDGE: [&str; 2] = ["-device", "pcie-root-port,id=behind,chassis=1,addr=4"];
    let both = [&PLAIN[..], &BRIDGE[..]].concat();
    let machines = [(&PLAIN[..], ",addr=3"), (&BRIDGE[..], ",bus=behind"), (&both[..], ",bus=behind")];
    for (number, (devices, place)) in machines.into_iter().enumerate() {
        let [kind, ..] = &KINDS;
        let cases = "only=event.halt-wakes";
        let name = format!("first{number}");
        let Some(mut machine) = Machine::boot(&name, kind, cases, "33554432", devices, place) else { return };
        let report = machine.until(" done");
        assert!(report.contains("verdict event.halt-wakes pass"), "{devices:?}: {report}");
    }
}

#[test]
fn a_machine_that_was_reset_passes_as_before() {
    let [kind, ..] = &KINDS;
    for (number, (cases, when)) in
        [("only=event.taken-beyond-written", " done"), ("filter=event", "begin event.storm")]
            .into_iter()
            .enumerate()
    {
        let name = format!("reset{number}");
        let Some(mut machine) = Machine::boot(&name, kind, cases, "33554432", &[], "") else { return };
        machine.until(when);
        machine.reset();
        // What the first boot had still said comes first.
        let mut report = machine.until(" done");
        if !report.contains(" hello ") {
            report = machine.until(" done");
        }
        let (_, second) = report.rsplit_once(" hello ").expect("it booted once more");
        assert!(second.contains(" pass ") && !second.contains(" fail "), "{second}");
    }
}
