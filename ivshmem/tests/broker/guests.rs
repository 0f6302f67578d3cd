// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests and clients of a broker.

use crate::tools::{BELLS, Running, SHAPE, call, command, exit, path};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tenon_ivshmem::broker::{Broker, Options, Places};
use tenon_ivshmem::memory::map;
use tenon_ivshmem::protocol;
use tenon_rings::{Site, Words};

#[test]
fn a_process_is_a_guest_and_its_host_may_be_killed() {
    let mut broker = Running::new("guest", &[]);
    let (_client, attached) = broker.attach();
    let memory = map(&attached.memory, SHAPE).expect("its shape");
    for value in 1..4 {
        assert_eq!(call(memory, value), Ok(value));
        let workers = broker.workers();
        let [worker] = workers.as_slice() else { panic!("one worker: {workers:?}") };
        assert!(Command::new("kill").args(["-9", worker]).status().expect("kill").success());
        let next = broker.worker();
        assert_ne!(next.to_string(), *worker);
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
    let second = broker.connect();
    second.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let why = protocol::attach(&second, BELLS).expect_err("turned away").to_string();
    assert!(why.contains("has a client already"), "{why}");
    assert_eq!((&second).read(&mut [0; 8]).expect("turned away"), 0, "and nothing more");
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
    let workers = broker.workers();
    let [worker] = workers.as_slice() else { panic!("one worker: {workers:?}") };
    let worker = PathBuf::from(format!("/proc/{worker}"));
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

#[test]
fn the_end_of_its_guest_ends_a_broker_for_one() {
    let mut broker = Running::new("ended", &["--once"]);
    let (_client, attached) = broker.attach();
    let memory = map(&attached.memory, SHAPE).expect("its shape");
    assert!(exit(memory, 5).is_err(), "nobody ends this process");
    let mut said = Vec::new();
    while said.len() < 2
        && let Some(line) = broker.next_line()
    {
        said.push(line);
    }
    assert_eq!(said, ["~END exit=5"], "and no other worker");
    assert_eq!(broker.child.wait().expect("it ends").code(), Some(0));
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
        socket: Some(socket.clone()),
        shape: SHAPE,
        once: false,
        worker: ("/bin/false".into(), Vec::new()),
        seed: 1,
        places: Places::default(),
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
    assert!(talk(&[-16]).contains("has a client already"));
    assert!(talk(&[0, -5]).contains("peer's number"));
    assert!(talk(&[0, 0, -1]).contains("no memory"));
    assert!(talk(&[0, 0]).contains("half-way"));
}
