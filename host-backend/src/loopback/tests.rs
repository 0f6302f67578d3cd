// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest of a few lines: control requests and NOPs by the shared types.

#[cfg(target_os = "linux")]
mod device;

use super::{Act, Loopback, Ram, Timing};
use crate::{Action, Conduit, Config, LifecycleAction, Memory};
use std::boxed::Box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;
use tenon_abi::control::MAGIC;
use tenon_abi::discovery::Session;
use tenon_abi::vcpu::{Sizes, guest, host};
use tenon_abi::{ControlOp, ControlRequest, Op, Record, Status, Submission, Tail, turn};
use tenon_rings::{Site, Words};
use zerocopy::{FromZeros, IntoBytes};

const FRAME: u32 = 1;
const AREA: u64 = 0x2_0000;

fn machine(timing: Timing, act: Act<Ram>) -> (Ram, Loopback<Ram>) {
    let config = Config::new(Conduit::call(timing == Timing::Synchronous), 2, 7);
    let config = config.with_devices(crate::Devices::default());
    let window = usize::try_from(config.window_len).unwrap_or(0);
    let ram = Ram::new(1 << 20, window).expect("a megabyte");
    let host = Loopback::new(config, ram.clone(), timing, act).expect("a host");
    (ram, host)
}

fn record(ram: &Ram, offset: usize) -> u64 {
    ram.window().load(offset / 8, Site::ControlTake)
}

fn wait(done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if done() {
            return true;
        }
        thread::yield_now();
    }
    false
}

/// Hands a request over and waits for its result.
fn control(ram: &Ram, host: &Loopback<Ram>, ticket: u32, fill: impl FnOnce(&mut ControlRequest)) {
    let mut request = ControlRequest::new_zeroed();
    request.magic.set(MAGIC);
    request.ticket.set(ticket);
    request.session.set(Session::from_word(record(ram, core::mem::offset_of!(Record, session))).number);
    fill(&mut request);
    assert!(ram.write(0, u64::from(FRAME) << 12, request.as_bytes()));
    host.bind(FRAME);
    let result = || Tail::from_word(record(ram, core::mem::offset_of!(Record, control_result)));
    assert!(wait(|| result().turn == ticket), "request {ticket} is answered");
    assert_eq!(Status(result().code), Status::OK);
}

/// Opens a session and binds vCPU 0; the two areas and the seed.
fn attach(ram: &Ram, host: &Loopback<Ram>) -> (super::Piece, super::Piece, u32) {
    control(ram, host, 1, |request| {
        request.op.set(ControlOp::NEGOTIATE.0);
        request.minor.set(tenon_abi::VERSION.minor);
        request.granule.set(12);
        request.features.set(record(ram, core::mem::offset_of!(Record, features)));
    });
    let sizes = Sizes::default();
    control(ram, host, 2, |request| {
        request.op.set(ControlOp::BIND.0);
        request.depth.set(sizes.depth);
        request.events0.set(256);
        request.events1.set(256);
        request.guest_area.set(AREA);
    });
    let offset = record(ram, core::mem::offset_of!(Record, control_value));
    let words = |bytes: u64| usize::try_from(bytes / 8).unwrap_or(0);
    let own = ram.words(0, AREA, sizes.guest_len()).expect("the area is inside");
    let theirs = ram.window().slice(words(offset), words(sizes.host_len())).expect("so is this one");
    let session = Session::from_word(record(ram, core::mem::offset_of!(Record, session)));
    (own, theirs, session.seed)
}

fn submit(own: &super::Piece, seed: u32, position: u16, op: Op, argument: u64) {
    let first = usize::try_from(guest::SUBMISSIONS / 8).unwrap_or(0);
    submit_at(own, first, (seed, position), op, [argument, 0, 0, 0, 0, 0]);
}

fn submit_at(own: &super::Piece, first: usize, at: (u32, u16), op: Op, arguments: [u64; 6]) {
    let (seed, position) = at;
    let mut submission = Submission::new_zeroed();
    submission.args = arguments.map(Into::into);
    let mut words = submission.to_words();
    words[7] = Tail { code: op.0, id: position, turn: turn(seed, u32::from(position)) }.to_word();
    let at = first + usize::from(position) * 8;
    for (index, word) in words.into_iter().enumerate() {
        own.store(at + index, word, Site::SubmissionPublish);
    }
}

fn completed(theirs: &super::Piece, seed: u32, position: u16) -> bool {
    let at = usize::try_from(host::COMPLETIONS / 8).unwrap_or(0) + usize::from(position) * 2;
    let tail = Tail::from_word(theirs.load(at + 1, Site::CompletionTake));
    tail.turn == turn(seed, u32::from(position)) && tail.code == Status::OK.0
}

/// What a slot's completion says, once it is there.
#[cfg(target_os = "linux")]
fn answer(theirs: &super::Piece, first: u64, (seed, position): (u32, u16)) -> Option<(Status, u64)> {
    let at = usize::try_from(first / 8).unwrap_or(0) + usize::from(position) * 2;
    let tail = Tail::from_word(theirs.load(at + 1, Site::CompletionTake));
    let is_there = tail.turn == turn(seed, u32::from(position));
    is_there.then(|| (Status(tail.code), theirs.load(at, Site::CompletionTake)))
}

fn nothing() -> Act<Ram> {
    Box::new(|_, _| {})
}

#[test]
fn a_synchronous_host_is_done_when_the_call_returns() {
    let (ram, host) = machine(Timing::Synchronous, nothing());
    let (own, theirs, seed) = attach(&ram, &host);
    for position in 0..20 {
        submit(&own, seed, position, Op::NOP, 1);
        assert!(!completed(&theirs, seed, position), "a submission alone is no doorbell");
        host.kick(0);
        assert!(completed(&theirs, seed, position));
    }
}

#[test]
fn an_asynchronous_host_serves_every_queue_for_any_kick() {
    let (ram, host) = machine(Timing::Asynchronous, nothing());
    let (own, theirs, seed) = attach(&ram, &host);
    for position in 0..20 {
        submit(&own, seed, position, Op::NOP, 1);
    }
    // Of another queue, and before and after it many that find nothing.
    for _ in 0..100 {
        host.kick(3);
    }
    assert!(wait(|| completed(&theirs, seed, 19)));
}

#[test]
fn the_end_of_a_domain_is_told_once() {
    let seen = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&seen);
    let act: Act<Ram> = Box::new(move |_, action| {
        if let Action::Lifecycle(LifecycleAction::Exit { code }) = action {
            count.store(code, Ordering::Release);
        }
    });
    let (ram, host) = machine(Timing::Asynchronous, act);
    let (own, _, seed) = attach(&ram, &host);
    submit(&own, seed, 0, Op::EXIT, 77);
    host.kick(0);
    assert!(wait(|| seen.load(Ordering::Acquire) == 77));
    // An ended domain serves nothing more, and its doorbells go on being harmless.
    submit(&own, seed, 1, Op::EXIT, 78);
    host.kick(0);
    host.bind(FRAME);
    drop(host);
    assert_eq!(seen.load(Ordering::Acquire), 77);
}

#[test]
fn nothing_of_a_host_outlives_it() {
    let alive = Arc::new(());
    for timing in [Timing::Synchronous, Timing::Asynchronous] {
        let held = Arc::clone(&alive);
        let (_ram, host) = machine(timing, Box::new(move |_, _| drop(Arc::clone(&held))));
        host.kick(0);
        assert_eq!(Arc::strong_count(&alive), 2);
        drop(host);
        assert_eq!(Arc::strong_count(&alive), 1, "{timing:?}: neither its actions nor its thread are left");
    }
}

#[test]
fn frames_are_kept_each_and_in_order() {
    let (ram, host) = machine(Timing::Asynchronous, nothing());
    // More than wait at once: whoever hands them over waits.
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..200).for_each(|_| host.bind(u32::MAX)))).collect();
        for thread in threads {
            thread.join().expect("a frame outside of memory does no harm");
        }
    });
    attach(&ram, &host);
}

#[test]
fn memory_refuses_what_is_outside() {
    let ram = Ram::new(1, 1).expect("a granule each");
    let len = ram.region_len(0).expect("region 0");
    assert_eq!((len, ram.region_len(1)), (1 << 16, None));
    assert!(ram.words(0, len - 8, 8).is_some() && ram.words(0, len - 8, 16).is_none());
    assert!(ram.words(0, 4, 8).is_none() && ram.words(1, 0, 8).is_none());
    assert!(ram.write(0, len - 1, &[1]) && !ram.write(0, len, &[1]) && !ram.write(1, 0, &[1]));
    let mut byte = [0];
    assert!(ram.read(0, len - 1, &mut byte) && byte == [1]);
    assert!(!ram.read(0, u64::MAX, &mut byte) && !ram.read(1, 0, &mut byte));
    // A piece keeps its memory.
    let piece = ram.words(0, 0, 8).expect("inside");
    drop(ram);
    piece.store(0, 9, Site::Status);
    assert_eq!(piece.load(0, Site::Status), 9);
    assert!(Ram::new(usize::MAX, 0).is_err());
}
