// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lies one by one: records that promise too much, completions that nobody waits for, events of ports that do
//! not exist.

use tenon_abi::vcpu::{Sizes, host as area};
use tenon_abi::{Entry, Op, Reason, Status, Submission, Tail, turn};
use tenon_guest::{Error, Session, Vcpu, Wish};
use tenon_rings::Corrupt;

use crate::host::{GRANULE, Host, Shared, WINDOW};
use crate::session::{DEPTH, EVENTS};

pub(crate) fn host() -> Host {
    Host::new(Shared::new(), None)
}

pub(crate) fn open(host: &Host) -> Session<'_, Host> {
    Session::open(host, host.found().expect("it is there"), &mut host.scratch(), Wish::default())
        .expect("it opens")
}

pub(crate) fn bind<'h>(host: &'h Host, session: &Session<'h, Host>) -> Vcpu<'h, Host, DEPTH> {
    session.bind(0, &mut host.area(), EVENTS).expect("it binds")
}

fn seed(host: &Host) -> u32 {
    tenon_abi::discovery::Session::from_word(host.word(0x80)).seed
}

/// Writes the completion of a position as the host would.
fn complete(host: &Host, position: u32, id: u16, status: u16, value: u64) {
    let at = GRANULE as u64 + area::COMPLETIONS + u64::from(position % DEPTH as u32) * 16;
    host.spoil(at, value);
    host.spoil(at + 8, Tail { code: status, id, turn: turn(seed(host), position) }.to_word());
}

fn entry(host: &Host, class: u32, position: u32, port: u32) {
    let sizes = Sizes { depth: DEPTH as u32, events: EVENTS };
    let at = GRANULE as u64 + sizes.ring_offset(class) + u64::from(position % 4) * 8;
    host.spoil(at, Entry { port, turn: turn(seed(host), position) }.to_word());
}

fn nop(value: u64) -> Submission {
    Submission::new(Op::NOP, [value, 0, 0, 0, 0, 0])
}

const fn unknown_id(position: u32) -> Error {
    Error::Corrupt(Corrupt { reason: Reason::UNKNOWN_ID, position })
}

#[test]
fn a_completion_after_the_caller_gave_up_frees_the_id_and_nothing_else() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    host.deaf.set(true);
    for _ in 0..DEPTH {
        assert_eq!(vcpu.call(Op::NOP, [1]), Err(Error::Pending));
    }
    assert_eq!(vcpu.call(Op::NOP, [1]), Err(Error::Full), "an abandoned id was handed out");
    assert_eq!((vcpu.quarantined(), vcpu.in_flight()), (Ok(DEPTH), DEPTH));
    // The host wakes up: all four are completed late, in another order for the last two.
    for (position, id) in [(0, 0), (1, 1), (2, 3), (3, 2)] {
        complete(&host, position, id, Status::OK.0, u64::MAX);
    }
    assert_eq!((vcpu.quarantined(), vcpu.in_flight()), (Ok(0), 0));
    host.assert_contained();
}

#[test]
fn a_completion_that_comes_twice_is_a_breach() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    assert_eq!(vcpu.call(Op::NOP, [1]), Ok(1));
    host.deaf.set(true);
    complete(&host, 1, 0, Status::OK.0, 2);
    // Nothing is in flight under id 0 any more, until it is used again: a host that is ahead of its guest is
    // not noticed, but gains nothing.
    let mut pending = vcpu.request(nop(5)).expect("it fits");
    complete(&host, 2, 0, Status::OK.0, 2);
    assert_eq!(pending.poll(), Ok(2));
    assert_eq!(pending.poll(), Err(Error::Pending), "its result was taken");
    assert_eq!(vcpu.quarantined(), Err(unknown_id(2)));
    assert_eq!(vcpu.call(Op::NOP, [1]), Err(unknown_id(2)));
    assert_eq!(pending.poll(), Err(unknown_id(2)));
    assert_eq!(vcpu.quarantined(), Err(unknown_id(2)));
    host.assert_contained();
}

#[test]
fn ids_that_are_not_in_flight_are_a_breach_wherever_they_lie() {
    for id in [1, 2, 3, 4, 5, 255, 4096, u16::MAX] {
        let host = host();
        let session = open(&host);
        let vcpu = bind(&host, &session);
        host.deaf.set(true);
        let mut request = vcpu.request(nop(1)).expect("it fits");
        assert_eq!(request.id(), Some(0));
        complete(&host, 0, id, Status::OK.0, 2);
        assert_eq!(request.wait(), Err(unknown_id(0)), "id {id}");
        assert_eq!(request.wait(), Err(unknown_id(0)), "it is latched");
        // The lane beside it goes on.
        host.deaf.set(false);
        assert_eq!(vcpu.emergency(nop(9)), Ok(9));
    }
}

#[test]
fn a_read_on_a_queue_that_broke_says_so_each_time() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let read = vcpu.console().read(host.buffer()).expect("it fits");
    complete(&host, 0, 9, Status::OK.0, 2);
    let Err((error, Ok(read))) = read.wait() else { panic!("the read is over") };
    assert_eq!(error, unknown_id(0));
    let Err((error, _)) = read.wait() else { panic!("the read is over") };
    assert_eq!(error, unknown_id(0));
}

#[test]
fn a_read_longer_than_its_buffer_is_cut() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let read = vcpu.console().read(host.buffer()).expect("it fits");
    complete(&host, 0, 0, Status::OK.0, u64::MAX);
    let Ok((buffer, len)) = read.wait() else { panic!("it was completed") };
    assert_eq!((len, buffer.len()), (GRANULE, GRANULE));
}

#[test]
fn a_write_is_never_longer_than_what_was_given() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    host.deaf.set(true);
    complete(&host, 0, 0, Status::OK.0, u64::MAX);
    assert_eq!(vcpu.console().write(b"short"), Ok(5));
    complete(&host, 1, 0, Status::OK.0, u64::MAX);
    assert_eq!(vcpu.console().write_buffer(&host.buffer(), 7), Ok(7));
    // A status that does not exist is an error and no breach (CALL-13).
    complete(&host, 2, 0, 0xfffe, 5);
    assert_eq!(vcpu.call(Op::NOP, [0]), Err(Error::Refused(Status(0xfffe))));
}

#[test]
fn a_port_that_cannot_be_silences_its_ring_and_no_other() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let corrupt = |position| Error::Corrupt(Corrupt { reason: Reason::BAD_PORT, position });
    entry(&host, 0, 0, 5);
    entry(&host, 0, 1, 64);
    let mut seen = Vec::new();
    assert_eq!(vcpu.take_events(|port| seen.push(port)), Ok(1));
    assert_eq!(vcpu.take_events(|port| seen.push(port)), Err(corrupt(1)));
    // The urgent ring works on, and nothing that it announces is lost on the way.
    entry(&host, 1, 0, 6);
    assert_eq!(vcpu.arm(), Ok(false));
    assert_eq!(vcpu.take_events(|port| seen.push(port)), Ok(1));
    assert_eq!(seen, [5, 6]);
    assert_eq!(vcpu.take_events(|port| seen.push(port)), Err(corrupt(1)));
    // A bad entry does not keep its vCPU from halting.
    assert_eq!(vcpu.arm(), Ok(true));
}

#[test]
fn a_broken_urgent_ring_does_not_hide_the_ordinary_one() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    entry(&host, 1, 0, u32::MAX);
    entry(&host, 0, 0, 5);
    let mut seen = Vec::new();
    assert_eq!(vcpu.take_events(|port| seen.push(port)), Ok(1));
    assert_eq!(seen, [5]);
}

#[test]
fn a_storm_is_taken_in_bounded_batches() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    // A host that always has one more entry.
    let mut position = 0;
    for _ in 0..100 {
        (0..4).for_each(|ahead| entry(&host, 0, position + ahead, 1));
        let mut seen = 0;
        let taken = vcpu.take_events(|_| seen += 1).expect("the ring is in order");
        assert!(taken == seen && taken <= 4);
        position += taken as u32;
    }
}

/// Opens and binds under a record with one word changed, and uses what comes of it.
fn with_record(offset: u64, value: u64) -> Result<(), Error> {
    let host = host();
    host.spoil(offset, value);
    let found = host.found()?;
    let session = Session::open(&host, found, &mut host.scratch(), Wish::default())?;
    let vcpu = session.bind::<DEPTH>(0, &mut host.area(), EVENTS)?;
    vcpu.call(Op::NOP, [1])?;
    host.enter(|domain| drop(domain.raise(1)));
    vcpu.take_events(|_| {})?;
    host.assert_contained();
    Ok(())
}

#[test]
fn a_record_that_promises_too_much_gains_nothing() {
    for (offset, value) in [
        (0x38, u64::MAX),
        (0x38, 0),
        (0x40, u64::MAX),
        (0x40, 0),
        (0x48, u64::MAX),
        (0x48, 0),
        (0x50, u64::MAX),
        (0x58, 0),
        (0x20, u64::MAX),
        (0x28, u64::MAX),
        (0x30, u64::MAX),
    ] {
        assert_eq!(with_record(offset, value), Ok(()), "{offset:#x}: {value:#x}");
    }
}

#[test]
fn a_record_that_cannot_be_is_refused() {
    for (offset, value, error) in [
        (0x00, 0, Error::NotPresent),
        (0x08, 255 << 32, Error::NotPresent),
        (0x18, 0, Error::NoMatch),
        (0x18, 1 << 13, Error::NoMatch),
        (0x18, 1 << 12 | 1, Error::NotPresent),
        // An open session with a granule that there is not.
        (0x88, 1 << 48 | 63 << 32, Error::NotPresent),
        (0x88, 1 << 48, Error::NotPresent),
        // More than the host has: it says so itself.
        (0x18, 1 << 16, Error::Refused(Status::BAD_ARGUMENT)),
    ] {
        assert_eq!(with_record(offset, value), Err(error), "{offset:#x}: {value:#x}");
    }
}

#[test]
fn an_area_outside_the_window_is_refused() {
    let len = Sizes { depth: DEPTH as u32, events: EVENTS }.host_len();
    for place in [WINDOW as u64 - len + 8, WINDOW as u64, u64::MAX, u64::MAX - 7, 1 << 63] {
        let host = host();
        let session = open(&host);
        // The next request is answered before it is made.
        let ticket = Tail::from_word(host.word(0xa0)).turn + 1;
        host.spoil(0x98, place);
        host.spoil(0xa0, Tail { code: 0, id: 0, turn: ticket }.to_word());
        host.deaf.set(true);
        assert_eq!(
            session.bind::<DEPTH>(0, &mut host.area(), EVENTS).err(),
            Some(Error::BadMemory),
            "{place:#x}"
        );
        host.assert_contained();
    }
}
