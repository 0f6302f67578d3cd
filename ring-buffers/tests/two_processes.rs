// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rings between two processes that share a memfd and nothing else: each test runs itself again as the
//! child.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "each process says which side of a data ring is its own")]

mod ends;
#[path = "../examples/two_processes/memfd.rs"]
mod memfd;

use memfd::Memory;
use std::collections::VecDeque;
use std::env;
use std::process::{Child, Command, Stdio};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};
use tenon_abi::{Op, Status, Submission};
use tenon_rings::{Error, Mapping, RingMemory, Site, Words};

/// Set in the child.
const CHILD: &str = "TENON_TWO_PROCESSES";
/// For what takes milliseconds, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(30);
const SEED: u32 = 7;
const PAGE: usize = 512;
const PAGES: usize = 12;
const DEPTH: usize = 8;

/// The words from `first` on.
fn part(memory: Mapping, first: usize, len: usize) -> Mapping {
    memory.slice(first, len).expect("it is inside")
}

/// Runs `parent` here, and `child` in a process of its own, over the same cleared memory.
fn two(test: &str, parent: impl FnOnce(&Memory, &mut Other), child: impl FnOnce(Mapping)) {
    if env::var_os(CHILD).is_some() {
        return child(Memory::inherited().expect("shared memory").mapping());
    }
    let memory = Memory::create(8 * (PAGE * PAGES) as u64).expect("shared memory");
    let mut other = Other::start(test, &memory);
    parent(&memory, &mut other);
}

/// The other process. It does not outlive this one's interest in it.
struct Other(Child);

impl Other {
    fn start(test: &str, memory: &Memory) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
        command.stdin(memory.to_stdin().expect("shared memory")).stdout(Stdio::null());
        Self(command.spawn().expect("a child"))
    }

    /// It has to end by itself, and well.
    fn ends_well(&mut self) {
        let status = patiently(LIMIT, "the other process's end", || self.0.try_wait().expect("a child"));
        assert!(status.expect("an end").success(), "the other process failed");
    }

    fn dies(&mut self) {
        self.0.kill().expect("a child");
        self.0.wait().expect("a child");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nothing came within the limit.
#[derive(Debug, PartialEq, Eq)]
struct Silence(String);

/// Looks again and again until there is something, or the limit is over.
fn patiently<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Silence> {
    let begun = Instant::now();
    loop {
        for _ in 0..100 {
            if let Some(found) = look() {
                return Ok(found);
            }
        }
        if begun.elapsed() > limit {
            return Err(Silence(format!("no {what} within {limit:?}")));
        }
        yield_now();
    }
}

/// What a side asks for, and the answer to it.
fn request(side: u64, number: u64) -> Submission {
    Submission::new(Op::NOP, [side, number, number.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1, 2, 3])
}

fn answer(submission: &Submission) -> u64 {
    submission.args.iter().fold(1, |sum, word| sum.rotate_left(7) ^ word.get())
}

/// Both roles of one process: it submits to queue `side` and completes the other one, whose ends are the
/// other process's.
fn talk(memory: Mapping, side: usize) {
    const CALLS: u64 = 5000;
    let parts = |queue: usize| {
        let first = queue * PAGE;
        (part(memory, first, 8 * DEPTH), part(memory, first + 8 * DEPTH, 2 * DEPTH))
    };
    let ((ours, results), (theirs, answers)) = (parts(side), parts(1 - side));
    let mut submitter = ends::submitter::<_, DEPTH>(ours, results, SEED, 0);
    let mut completer = ends::completer(theirs, answers, SEED, DEPTH as u32, 0);
    let (mut tickets, mut held) = (VecDeque::new(), Vec::new());
    let (mut sent, mut done, mut served) = (0, 0, 0);
    let talked = patiently(LIMIT, "answers to all calls", || {
        if sent < CALLS {
            match submitter.submit(request(side as u64, sent)) {
                Ok(ticket) => {
                    tickets.push_back((ticket, sent));
                    sent += 1;
                }
                Err(error) => assert_eq!(error, Error::Full),
            }
        }
        if let Some((ticket, number)) = tickets.pop_front() {
            match submitter.poll(ticket).expect("an honest peer") {
                Ok(outcome) => {
                    let expected = answer(&request(side as u64, number));
                    assert_eq!((outcome.status, outcome.value), (Status::OK, expected), "call {number}");
                    done += 1;
                }
                Err(ticket) => tickets.push_back((ticket, number)),
            }
        }
        match completer.fetch() {
            Ok(fetched) => held.push(fetched),
            Err(error) => {
                assert!(matches!(error, Error::Empty | Error::Full), "{error}");
                // The youngest first: results come out of order.
                while let Some(fetched) = held.pop() {
                    assert!(completer.complete(fetched.id, Status::OK, answer(&fetched.submission)));
                    served += 1;
                }
            }
        }
        (done == CALLS && served == CALLS).then_some(())
    });
    assert_eq!(talked, Ok(()), "{done} done, {served} served");
}

#[test]
fn calls_go_both_ways() {
    let parent = |memory: &Memory, other: &mut Other| {
        talk(memory.mapping(), 0);
        other.ends_well();
    };
    two("calls_go_both_ways", parent, |memory| talk(memory, 1));
}

const PORTS: u32 = 5;
const CHANGES: u64 = 20_000;

/// The last value of what a port announces.
fn last_of(port: u32) -> u64 {
    (1..=CHANGES)
        .rev()
        .find(|change| change % u64::from(PORTS) == u64::from(port))
        .expect("more changes than ports")
}

/// The guest's area, the entries, what the ports announce, and what the child has seen of it.
fn event_parts(memory: Mapping) -> [Mapping; 4] {
    [
        part(memory, 0, 64),
        part(memory, PAGE, 8),
        part(memory, 2 * PAGE, PORTS as usize),
        part(memory, 3 * PAGE, PORTS as usize),
    ]
}

/// Changes what the ports announce, raises them, and waits until the other process has seen the last of each.
/// It is never told but by the ring.
fn raise(memory: &Memory, other: &mut Other) {
    let [guest, entries, announced, seen] = event_parts(memory.mapping());
    let mut raiser = ends::raiser(guest, entries, 0, SEED, 0);
    let mut last = [None; PORTS as usize];
    (0..PORTS).for_each(|_| raiser.reserve().unwrap());
    for change in 1..=CHANGES {
        let port = (change % u64::from(PORTS)) as usize;
        announced.store(port, change, Site::Status);
        raiser.raise(port as u32, &mut last[port]).expect("an honest peer");
    }
    let all = patiently(LIMIT, "last look", || {
        (0..PORTS).all(|port| seen.load(port as usize, Site::Status) == last_of(port)).then_some(())
    });
    assert_eq!(all, Ok(()), "an event was lost");
    other.ends_well();
}

fn look(memory: Mapping) {
    let [guest, entries, announced, seen] = event_parts(memory);
    let mut taker = ends::taker(guest, entries, 0, SEED, PORTS, 0);
    let (mut values, mut ports) = ([0; PORTS as usize], [0; 3]);
    let all = patiently(LIMIT, "events", || {
        let count = taker.take(&mut ports).expect("an honest peer");
        for &port in &ports[..count] {
            let value = announced.load(port as usize, Site::Status);
            assert!(value >= values[port as usize], "an old state");
            values[port as usize] = value;
            seen.store(port as usize, value, Site::Status);
        }
        (0..PORTS).all(|port| values[port as usize] == last_of(port)).then_some(())
    });
    assert_eq!(all, Ok(()), "an event was lost");
}

#[test]
fn no_event_is_lost() {
    two("no_event_is_lost", raise, look);
}

const RECORDS: usize = 3000;

/// A record's bytes: empty ones, and some of the longest.
fn record(number: usize, longest: usize) -> Vec<u8> {
    let len = if number.is_multiple_of(100) { longest } else { number * 7 % longest };
    (0..len).map(|at| (at * 31 + number) as u8).collect()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(bytes.len() as u64, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte))
}

/// Records one way, and the checksum of each as a message the other way.
fn data_rings(memory: Mapping) -> [RingMemory<Mapping>; 2] {
    // SAFETY: nobody else in this process uses the memory; the side that is the other process's is dropped by
    // who calls this.
    [0, 1].map(|ring| unsafe { RingMemory::new(part(memory, 4 * ring * PAGE, 3 * PAGE), 12) }.unwrap())
}

fn write(memory: &Memory, other: &mut Other) {
    let [records, sums] = data_rings(memory.mapping());
    let mut records = records.split().0.records(4096, SEED, ()).unwrap();
    let mut sums = sums.split().1.messages::<[u64; 2], _>(16, SEED, ()).unwrap();
    let longest = records.max_record() as usize;
    let (mut sent, mut checked) = (0, 0);
    let all = patiently(LIMIT, "checksums of all records", || {
        if sent < RECORDS {
            match records.write(&record(sent, longest)) {
                Ok(()) => sent += 1,
                Err(error) => assert_eq!(error, Error::Full),
            }
        } else {
            records.flush().expect("an honest peer");
        }
        match sums.pop() {
            Ok(message) => {
                assert_eq!(message, [checked as u64, sum(&record(checked, longest))]);
                checked += 1;
            }
            Err(error) => assert_eq!(error, Error::Empty),
        }
        (checked == RECORDS).then_some(())
    });
    assert_eq!(all, Ok(()), "{sent} sent, {checked} checked");
    other.ends_well();
}

fn read(memory: Mapping) {
    let [records, sums] = data_rings(memory);
    let mut records = records.split().1.records(4096, SEED, ()).unwrap();
    let mut sums = sums.split().0.messages::<[u64; 2], _>(16, SEED, ()).unwrap();
    let (mut next, mut waiting) = (0, None);
    let mut bytes = [0; 4096];
    let all = patiently(LIMIT, "records", || {
        if waiting.is_none() && next < RECORDS {
            match records.read(|record| record.copy_into(&mut bytes).map(|bytes| sum(bytes))) {
                Ok(sum) => {
                    waiting = Some([next as u64, sum.expect("it fits")]);
                    next += 1;
                }
                Err(error) => assert_eq!(error, Error::Empty),
            }
        }
        if let Some(message) = waiting.take() {
            match sums.push(message) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error, Error::Full);
                    waiting = Some(message);
                }
            }
        }
        sums.flush().expect("an honest peer");
        (next == RECORDS && waiting.is_none()).then_some(())
    });
    assert_eq!(all, Ok(()), "{next} read");
}

#[test]
fn records_and_messages_arrive() {
    two("records_and_messages_arrive", write, read);
}

/// Where the parent says which session it is, in the last word.
const SESSION: usize = PAGE * PAGES - 1;
/// The child answers so many calls and no more.
const ANSWERED: usize = 3;

fn serve_a_few(memory: Mapping) {
    let seed = memory.load(SESSION, Site::ControlTake) as u32;
    let (submissions, completions) = (part(memory, 0, 8 * DEPTH), part(memory, PAGE, 2 * DEPTH));
    let mut completer = ends::completer(submissions, completions, seed, DEPTH as u32, 0);
    for _ in 0..ANSWERED {
        let fetched = patiently(LIMIT, "calls", || completer.fetch().ok()).unwrap();
        assert!(completer.complete(fetched.id, Status::OK, answer(&fetched.submission)));
    }
    // One is fetched and never answered.
    let _ = patiently(LIMIT, "calls", || completer.fetch().ok());
    sleep(LIMIT);
}

/// The other process is killed: waiting for it ends by its own bound, says so, and leaves a queue that knows
/// what is missing. Another process and another session go on in the same memory.
fn outlive(memory: &Memory, other: &mut Other) {
    const BOUND: Duration = Duration::from_millis(200);
    for seed in [SEED, SEED + 0x1001] {
        let mapping = memory.mapping();
        if seed != SEED {
            // Nobody else is there any more: the new session begins with cleared memory.
            (0..mapping.len()).for_each(|word| mapping.store(word, 0, Site::Status));
        }
        mapping.store(SESSION, u64::from(seed), Site::ControlPublish);
        if seed != SEED {
            *other = Other::start("a_dead_peer_is_survived", memory);
        }
        let (submissions, completions) = (part(mapping, 0, 8 * DEPTH), part(mapping, PAGE, 2 * DEPTH));
        let mut submitter = ends::submitter::<_, DEPTH>(submissions, completions, seed, 0);
        let mut missing = 0;
        for number in 0..ANSWERED as u64 + 2 {
            let mut ticket = Some(submitter.submit(request(0, number)).unwrap());
            let limit = if number < ANSWERED as u64 { LIMIT } else { BOUND };
            let begun = Instant::now();
            let outcome = patiently(limit, "answer", || {
                match submitter.poll(ticket.take()?).expect("a peer that is dead breaks no rule") {
                    Ok(outcome) => Some(outcome),
                    Err(back) => {
                        ticket = Some(back);
                        None
                    }
                }
            });
            match outcome {
                Ok(outcome) => assert_eq!(outcome.value, answer(&request(0, number))),
                Err(silence) => {
                    assert_eq!(silence, Silence(format!("no answer within {BOUND:?}")));
                    assert!(begun.elapsed() < LIMIT, "a wait without an end");
                    submitter.abandon(ticket.expect("it came back"));
                    missing += 1;
                }
            }
            if number == ANSWERED as u64 - 1 {
                other.dies();
            }
        }
        assert_eq!((missing, submitter.quarantined(), submitter.in_flight()), (2, 2, 2));
        assert_eq!(submitter.corrupt(), None);
    }
}

#[test]
fn a_dead_peer_is_survived() {
    // The first child may be faster than its session's number: it waits for that.
    let child = |memory: Mapping| {
        let there = || (memory.load(SESSION, Site::ControlTake) != 0).then_some(());
        patiently(LIMIT, "a session", there).unwrap();
        serve_a_few(memory);
    };
    two("a_dead_peer_is_survived", outlive, child);
}
