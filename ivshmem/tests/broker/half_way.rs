// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clients that leave half-way through what they are told, at each step: nobody else gets what they have
//! (SHM-7).

use crate::tools::{BELLS, Running, SHAPE, call};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use tenon_ivshmem::broker::{Broker, Options, Places};
use tenon_ivshmem::memory::map;
use tenon_ivshmem::protocol;

/// What a client is told: version, number, memory, doorbells.
const STEPS: usize = 3 + BELLS;

/// A broker in this process.
fn broker() -> Broker {
    Broker::new(Options {
        socket: None,
        shape: SHAPE,
        once: false,
        worker: (env!("CARGO_BIN_EXE_tenon-ivshmem").into(), vec!["worker".into()]),
        seed: 1,
        places: Places::default(),
    })
    .expect("a broker")
}

/// Which file a descriptor is.
fn file(fd: impl AsFd) -> (u64, u64) {
    let found = rustix::fs::fstat(fd).expect("a file");
    (found.st_dev, found.st_ino)
}

/// Takes so many of the messages, with the descriptors beside them.
fn take(client: &UnixStream, messages: usize) -> Vec<Option<OwnedFd>> {
    (0..messages).map_while(|_| protocol::receive(client).ok().map(|(_, fd)| fd)).collect()
}

/// A client that has taken so many messages. While the one before it is still the guest, others are turned
/// away.
fn begin(broker: &Running, step: usize) -> (UnixStream, Vec<Option<OwnedFd>>) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let client = broker.connect();
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        if step == 0 {
            return (client, Vec::new());
        }
        if protocol::receive(&client).is_ok_and(|(version, _)| version == 0) {
            let rest = take(&client, step - 1);
            assert_eq!(rest.len(), step - 1, "it was told less");
            return (client, std::iter::once(None).chain(rest).collect());
        }
        assert!(Instant::now() < end, "the client before it stays");
    }
}

/// Two ends of a socket in which there is room for few messages.
fn narrow(width: usize) -> (UnixStream, UnixStream) {
    let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair.expect("a pair");
    sockopt::set_socket_send_buffer_size(&theirs, width).expect("a width");
    (ours.into(), theirs.into())
}

#[test]
fn what_a_client_got_that_was_told_half_is_nobody_elses() {
    let mut broker = broker();
    let (mut seen, mut memories) = (BTreeSet::new(), BTreeSet::new());
    // The more lies in the socket already, the fewer messages fit behind it.
    for (width, filled) in
        [1, 5000, 9000].into_iter().flat_map(|width| (0..32).map(move |filled| (width, filled)))
    {
        let (mut client, theirs) = narrow(width);
        client.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket");
        theirs.set_nonblocking(true).expect("a socket");
        if (0..filled).any(|_| (&theirs).write(&[0]).is_err()) {
            continue;
        }
        broker.take(theirs).expect("the next guest can be served");
        client.read_exact(&mut vec![0; filled]).expect("what lay there");
        let told = take(&client, STEPS);
        seen.insert(told.len());
        if let Some(memory) = told.get(2) {
            let memory = memory.as_ref().expect("the memory");
            assert!(memories.insert(file(memory)), "{} messages: memory of another client's", told.len());
        }
        if told.len() == STEPS {
            broker.client_left().expect("the next guest can be served");
        }
    }
    assert!((0..=STEPS).all(|step| seen.contains(&step)), "ended behind {seen:?} messages");
    // The broker has no client: the next one is served, with memory of its own.
    let (client, theirs) = UnixStream::pair().expect("a pair");
    broker.take(theirs).expect("the next guest can be served");
    let attached = protocol::attach(&client, BELLS).expect("it is told all");
    assert!(memories.insert(file(&attached.memory)), "memory of another client's");
    assert_eq!(
        call(map(&attached.memory, SHAPE).expect("its shape"), 5),
        Ok(5),
        "its worker has this memory"
    );
}

#[test]
fn a_client_that_leaves_at_any_step_takes_its_memory_and_doorbells_along() {
    let broker = Running::new("steps", &[]);
    drop(broker.attach());
    drop(broker.attach());
    let before = broker.descriptors();
    let mut memories = BTreeSet::new();
    for step in 0..=STEPS {
        let (client, told) = begin(&broker, step);
        if let Some(Some(memory)) = told.get(2) {
            assert!(memories.insert(file(memory)), "step {step}: memory of another client's");
        }
        drop(client);
        // Whoever comes next is served, by a worker that has the same memory.
        let (_client, attached) = broker.attach();
        assert!(memories.insert(file(&attached.memory)), "step {step}: memory of another client's");
        assert_eq!(call(map(&attached.memory, SHAPE).expect("its shape"), 7), Ok(7), "step {step}");
    }
    let end = Instant::now() + Duration::from_secs(10);
    while broker.descriptors() > before || broker.workers().len() != 1 {
        assert!(
            Instant::now() < end,
            "{} descriptors, {before} before; workers {:?}, one whoever came",
            broker.descriptors(),
            broker.workers()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_doorbell_of_one_that_left_rings_for_nobody() {
    let mut broker = broker();
    let bells = |broker: &mut Broker| {
        let (client, theirs) = UnixStream::pair().expect("a pair");
        broker.take(theirs).expect("it is served");
        (protocol::attach(&client, BELLS).expect("it is told all").bells, client)
    };
    let (first, client) = bells(&mut broker);
    drop(client);
    // What the broker does when it sees that.
    let (mut ours, theirs) = narrow(1);
    theirs.shutdown(std::net::Shutdown::Both).expect("a socket");
    broker.client_left().expect("the next guest can be served");
    broker.take(theirs).expect("the next guest can be served");
    assert_eq!(ours.read(&mut [0; 8]).expect("its end"), 0);
    let (second, _client) = bells(&mut broker);
    for (_, bell) in &first {
        rustix::io::write(bell, &1u64.to_ne_bytes()).expect("a doorbell");
    }
    for (peer, bell) in &second {
        let mut fds = [rustix::event::PollFd::new(bell, rustix::event::PollFlags::IN)];
        let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(rustix::event::poll(&mut fds, Some(&none)), Ok(0), "peer {peer}'s rings");
    }
}
