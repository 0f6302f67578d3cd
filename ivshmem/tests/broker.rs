// SPDX-License-Identifier: MIT OR Apache-2.0
//! The broker against clients that are none, and a process as its guest: no QEMU is needed for these.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "a process plays the guest of a device")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tenon_abi::Op;
use tenon_guest::shared::{self, Shared};
use tenon_guest::{Error as GuestError, Platform, Session, Vcpu, Wish};
use tenon_ivshmem::broker::{Broker, Options, READY, WORKER};
use tenon_ivshmem::memory::map;
use tenon_ivshmem::protocol;
use tenon_ivshmem::shape::Shape;
use tenon_rings::{Site, Words};

const SHAPE: Shape = Shape { len: 1 << 21, vcpus: 2, messages: 8, reference: false };
/// The host's doorbell and the guest's messages.
const BELLS: usize = 9;

struct Running {
    child: Child,
    errors: BufReader<ChildStderr>,
    socket: PathBuf,
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tenon-broker-{}-{name}", std::process::id()))
}

fn command(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-ivshmem"));
    command.args(["broker", "--vcpus", "2", "--messages", "8", "--memory", &SHAPE.len.to_string()]);
    command.arg("--socket").arg(socket);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Running {
    fn new(name: &str, more: &[&str]) -> Self {
        let socket = path(name);
        let mut child = command(&socket).args(more).spawn().expect("the broker is built");
        let errors = BufReader::new(child.stderr.take().expect("it was asked for"));
        let mut this = Self { child, errors, socket };
        while this.line() != READY {}
        this
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let len = self.errors.read_line(&mut line).expect("it speaks text");
        assert_ne!(len, 0, "the broker has ended");
        line.trim_end().to_owned()
    }

    /// The next worker's process.
    fn worker(&mut self) -> u32 {
        loop {
            if let Some(pid) = self.line().strip_prefix(WORKER) {
                return pid.parse().expect("a process id");
            }
        }
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).expect("it listens")
    }

    /// A client that is told everything, once the one before it was seen to go.
    fn attach(&self) -> (UnixStream, protocol::Attached) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let client = self.connect();
            match protocol::attach(&client, BELLS) {
                Ok(attached) => return (client, attached),
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
        }
    }

    fn descriptors(&self) -> usize {
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

/// Attaches as a guest and calls.
fn call(memory: tenon_rings::Mapping, value: u64) -> Result<u64, GuestError> {
    let doorbell = Box::leak(Box::new(0u32));
    // SAFETY: the memory stays mapped, and the doorbell is a word of this process's own.
    let mut attached = unsafe { shared::attach(memory, doorbell) }?;
    let scratch = attached.pages.split(1 << 16, tenon_abi::Granule::K64)?;
    let platform = Process(attached.conduit);
    let session = Session::open(&platform, attached.found, scratch, Wish::default())?;
    let vcpu: Vcpu<'_, Process> = session.bind(0, attached.pages, [16, 16])?;
    vcpu.call(Op::NOP, [value])
}

#[test]
fn a_process_is_a_guest_and_its_host_may_be_killed() {
    let mut broker = Running::new("guest", &[]);
    let (_client, attached) = broker.attach();
    let memory = map(&attached.memory, SHAPE).expect("its shape");
    for value in 1..4 {
        assert_eq!(call(memory, value), Ok(value));
        let worker = fs::read_to_string(format!("/proc/{0}/task/{0}/children", broker.child.id()));
        let worker = worker.expect("a worker").trim().to_owned();
        assert!(Command::new("kill").args(["-9", &worker]).status().expect("kill").success());
        let next = broker.worker();
        assert_ne!(next.to_string(), worker);
    }
    // A session of the last worker's, a bind word that was answered: the next guest goes on from there.
    assert_eq!(call(memory, 9), Ok(9));
}

#[test]
fn a_thousand_clients_leave_nothing() {
    let broker = Running::new("thousand", &[]);
    drop(broker.attach());
    drop(broker.attach());
    let before = broker.descriptors();
    for round in 0..1000 {
        let mut client = broker.connect();
        match round % 4 {
            // Gone at once; after a word; after a wrong word of its own.
            0 => {}
            1 => client.set_read_timeout(Some(Duration::from_millis(5))).expect("a socket"),
            2 => {
                let _ = client.write(&[0xff; 64]);
            }
            _ => {
                let _ = client.read(&mut [0; 3]);
            }
        }
    }
    let (_client, attached) = broker.attach();
    let memory = map(&attached.memory, SHAPE).expect("its shape");
    assert_eq!(call(memory, 5), Ok(5));
    assert!(broker.descriptors() <= before + 1, "{} descriptors, {before} before", broker.descriptors());
}

#[test]
fn there_is_one_guest_and_the_next_gets_fresh_memory() {
    let broker = Running::new("one", &[]);
    let (first, attached) = broker.attach();
    let memory = map(&attached.memory, SHAPE).expect("its shape");
    let last = memory.len() - 1;
    memory.store(last, 0x5ec2e7, Site::Status);
    // It says nothing, and stays: whoever comes meanwhile is turned away.
    let mut second = broker.connect();
    second.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    assert_eq!(second.read(&mut [0; 8]).expect("turned away"), 0);
    drop(first);
    let (mut third, attached) = broker.attach();
    let fresh = map(&attached.memory, SHAPE).expect("its shape");
    assert_eq!(fresh.load(last, Site::Status), 0, "memory of another guest's");
    fresh.store(last, 1, Site::Status);
    assert_eq!(memory.load(last, Site::Status), 0x5ec2e7, "the old memory is shared with the next guest");
    // A client that speaks is none.
    third.write_all(&7i64.to_le_bytes()).expect("it listens");
    let mut rest = Vec::new();
    let _ = third.read_to_end(&mut rest);
    let (_fourth, attached) = broker.attach();
    assert_eq!(call(map(&attached.memory, SHAPE).expect("its shape"), 3), Ok(3));
}

#[test]
fn the_end_of_the_broker_is_that_of_its_worker() {
    let mut broker = Running::new("end", &[]);
    let (client, _) = broker.attach();
    let worker =
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", broker.child.id())).expect("a worker");
    let worker = PathBuf::from(format!("/proc/{}", worker.trim()));
    assert!(worker.exists());
    broker.child.kill().expect("it runs");
    let _ = broker.child.wait();
    let end = Instant::now() + Duration::from_secs(5);
    while fs::read(worker.join("cmdline")).is_ok_and(|line| !line.is_empty()) {
        assert!(Instant::now() < end, "the worker has stayed");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The socket that was left does not keep the next broker away.
    let socket = broker.socket.clone();
    assert!(socket.exists());
    drop(client);
    std::mem::forget(broker);
    drop(Running::new("end", &[]));
    assert!(!socket.exists());
}

#[test]
fn once_is_for_one_guest() {
    let mut broker = Running::new("once", &["--once"]);
    drop(broker.attach());
    let status = broker.child.wait().expect("it ends");
    assert!(status.success() && !broker.socket.exists());
}

fn refused(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().expect("the broker is built");
    let why = String::from_utf8(stderr).expect("text");
    assert_eq!((status.code(), why.lines().count()), (Some(2), 1), "{why}");
    why
}

#[test]
fn what_cannot_be_served_is_one_line() {
    let broker = Running::new("taken", &[]);
    assert!(refused(&mut command(&broker.socket)).contains("in use"));
    assert!(refused(&mut command(Path::new("/nowhere/socket"))).contains("/nowhere/socket"));
    let socket = path("memory");
    for len in ["1000", "65536", "3000000", "0"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-ivshmem"));
        command.args(["broker", "--memory", len, "--socket"]).arg(&socket).stdin(Stdio::null());
        assert!(refused(&mut command).contains("a power of two"), "{len}");
    }
    // A worker without a broker, and one whose broker says something else.
    let mut worker = Command::new(env!("CARGO_BIN_EXE_tenon-ivshmem"));
    refused(worker.arg("worker").stdin(Stdio::null()));
    assert!(!socket.exists());
}

#[test]
fn a_worker_that_never_serves_ends_the_broker() {
    let socket = path("stillborn");
    let options = Options {
        socket: socket.clone(),
        shape: SHAPE,
        once: false,
        worker: ("/bin/false".into(), Vec::new()),
        seed: 1,
    };
    let error = Broker::new(options).expect_err("nobody serves").to_string();
    assert!(error.starts_with("5 workers in a row"), "{error}");
    assert!(!socket.exists());
}

#[test]
fn a_server_that_is_none_is_told_so() {
    let talk = |words: &[i64]| {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        words.iter().for_each(|word| theirs.write_all(&word.to_le_bytes()).expect("room"));
        drop(theirs);
        protocol::attach(&ours, BELLS).expect_err("it is none").to_string()
    };
    assert!(talk(&[]).contains("half-way"));
    assert!(talk(&[1, 0, -1]).contains("another version"));
    assert!(talk(&[0, -5]).contains("peer's number"));
    assert!(talk(&[0, 0, -1]).contains("no memory"));
    assert!(talk(&[0, 0]).contains("half-way"));
}
