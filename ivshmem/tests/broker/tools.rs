// SPDX-License-Identifier: MIT OR Apache-2.0
//! A broker that runs, its clients, and a process as a guest.
#![allow(unsafe_code, reason = "a process plays the guest of a device")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};
use tenon_abi::Op;
use tenon_guest::shared::{self, Shared};
use tenon_guest::{Error as GuestError, Platform, Session, Vcpu, Wish};
use tenon_ivshmem::broker::{READY, WORKER};
use tenon_ivshmem::protocol;
use tenon_ivshmem::shape::Shape;

pub(crate) const SHAPE: Shape = Shape { len: 1 << 21, vcpus: 2, messages: 8, reference: false };
/// The host's doorbell and the guest's messages.
pub(crate) const BELLS: usize = 9;

pub(crate) struct Running {
    pub(crate) child: Child,
    errors: BufReader<ChildStderr>,
    pub(crate) socket: PathBuf,
    /// What it said before it was ready.
    pub(crate) before: Vec<String>,
}

pub(crate) fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tenon-broker-{}-{name}", std::process::id()))
}

pub(crate) fn command(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-ivshmem"));
    command.args(["broker", "--vcpus", "2", "--messages", "8", "--memory", &SHAPE.len.to_string()]);
    command.arg("--socket").arg(socket);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Running {
    pub(crate) fn new(name: &str, more: &[&str]) -> Self {
        let socket = path(name);
        let mut child = command(&socket).args(more).spawn().expect("the broker is built");
        let errors = BufReader::new(child.stderr.take().expect("it was asked for"));
        let mut this = Self { child, errors, socket, before: Vec::new() };
        loop {
            match this.line() {
                line if line == READY => return this,
                line => this.before.push(line),
            }
        }
    }

    /// What it says next, until it ends.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let len = self.errors.read_line(&mut line).expect("it speaks text");
        (len != 0).then(|| line.trim_end().to_owned())
    }

    fn line(&mut self) -> String {
        self.next_line().expect("the broker has ended")
    }

    /// The next worker's process.
    pub(crate) fn worker(&mut self) -> u32 {
        loop {
            if let Some(pid) = self.line().strip_prefix(WORKER) {
                return pid.parse().expect("a process id");
            }
        }
    }

    pub(crate) fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).expect("it listens")
    }

    /// A client that is told everything, once the one before it was seen to go.
    pub(crate) fn attach(&self) -> (UnixStream, protocol::Attached) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let client = self.connect();
            match protocol::attach(&client, BELLS) {
                Ok(attached) => return (client, attached),
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
        }
    }

    /// The processes of workers that there are now. When a guest leaves, its worker is replaced, and for a
    /// moment there is none.
    pub(crate) fn workers(&self) -> Vec<String> {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id()));
        children.expect("a process").split_whitespace().map(str::to_owned).collect()
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("it ends");
        assert!(std::thread::panicking() || status.success() && !self.socket.exists(), "{status}");
    }
}

/// A process as a guest: its doorbell is lost each time, and the host looks by itself (SHM-2).
struct Process(Shared);

// SAFETY: there are no interrupts, and one thread; the bind word is the host's, and the doorbell a word of
// this process's.
unsafe impl Platform for Process {
    type Conduit = Shared;

    fn conduit(&self) -> &Shared {
        &self.0
    }

    fn enter(&self) -> usize {
        0
    }

    fn leave(&self, _: usize) {}

    fn relax(&self) {
        std::thread::sleep(Duration::from_micros(100));
    }

    fn patience(&self) -> u32 {
        50_000
    }
}

/// Attaches as a guest, opens a session and does something with its first vCPU.
fn attached<R>(
    memory: tenon_rings::Mapping,
    run: impl FnOnce(&Vcpu<'_, Process>) -> Result<R, GuestError>,
) -> Result<R, GuestError> {
    let doorbell = Box::leak(Box::new(0u32));
    // SAFETY: the memory stays mapped, and the doorbell is a word of this process's own.
    let mut attached = unsafe { shared::attach(memory, doorbell) }?;
    let platform = Process(attached.conduit);
    let session = Session::open(&platform, attached.found, &mut attached.pages, Wish::default())?;
    run(&session.bind(0, &mut attached.pages, [16, 16])?)
}

/// Attaches as a guest and calls.
pub(crate) fn call(memory: tenon_rings::Mapping, value: u64) -> Result<u64, GuestError> {
    attached(memory, |vcpu| vcpu.call(Op::NOP, [value]))
}

/// Attaches as a guest and ends itself.
pub(crate) fn exit(memory: tenon_rings::Mapping, code: u32) -> Result<(), GuestError> {
    attached(memory, |vcpu| Err(vcpu.lifecycle().exit(code)))
}
