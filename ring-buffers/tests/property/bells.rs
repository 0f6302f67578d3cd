// SPDX-License-Identifier: MIT OR Apache-2.0
//! CALL-16, CALL-25, CALL-26: who is told of what, at each boundary, with one thread. What two do to each
//! other is a model's affair.

use crate::{memory, scribble};
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::{Op, Reason, Status, Submission};
use tenon_rings::call::{CompleterState, Parts, Queue};
use tenon_rings::{Completer, Error, Submitter, Words};

const SEED: u32 = 7;
/// The second position lies beyond the wrap.
const START: u32 = u32::MAX;
const DEPTH: usize = 4;
/// Words of the queue's parts: where the guest arms, and where the host says which kicks it wants.
const ARMED: usize = 8 * DEPTH;
const KICK: usize = ARMED + 1 + 2 * DEPTH;

type Half<'a> = &'a [AtomicU64];

fn ends(words: &[AtomicU64]) -> (Submitter<Half<'_>, DEPTH>, Completer<Half<'_>>) {
    let part = |first, len| words.slice(first, len).unwrap();
    let parts = Parts {
        submissions: part(0, 8 * DEPTH),
        armed: part(ARMED, 1),
        completions: part(ARMED + 1, 2 * DEPTH),
        kick: part(KICK, 1),
    };
    let mut queue = Queue::new(parts, SEED, 4).unwrap();
    (queue.submitter_at(START).unwrap(), queue.completer_at(CompleterState::at(START)).unwrap())
}

fn nop() -> Submission {
    Submission::new(Op::NOP, [0; 6])
}

fn word(words: &[AtomicU64], index: usize) -> u64 {
    words[index].load(Ordering::Relaxed)
}

/// A kick is wanted if, and only if, the position that the host waits for is among those that were published
/// since the last question.
#[test]
fn a_kick_is_wanted_for_what_the_host_waits_for() {
    for published in 0..=3u32 {
        for (offset, among) in
            [(-1, false), (0, published > 0), (1, published > 1), (2, published > 2), (3, false)]
        {
            let words = memory(KICK + 1);
            let (mut submitter, _) = ends(&words);
            for _ in 0..published {
                let _ = submitter.submit(nop()).unwrap();
            }
            let position = START.wrapping_add_signed(offset);
            scribble(&words, KICK, 1 << 32 | u64::from(position));
            assert_eq!(submitter.wants_kick(), among, "{published} published, position {offset}");
            assert!(!submitter.wants_kick(), "asked twice, told once");
        }
    }
    // Another high half says that all are wanted.
    for high in [0, 2, 3, u64::from(u32::MAX)] {
        let words = memory(KICK + 1);
        let (mut submitter, _) = ends(&words);
        scribble(&words, KICK, high << 32 | u64::from(START.wrapping_add(9)));
        let _ = submitter.submit(nop()).unwrap();
        assert!(submitter.wants_kick() && submitter.wants_kick(), "{high}");
    }
}

#[test]
fn a_host_that_rests_is_kicked_for_the_next_submission_and_no_other() {
    let words = memory(KICK + 1);
    let (mut submitter, mut completer) = ends(&words);
    assert!(submitter.wants_kick(), "cleared memory: every kick is wanted");
    assert!(completer.rest() && !completer.is_ready(), "nothing is there");
    assert_eq!(word(&words, KICK), 1 << 32 | u64::from(START));
    let first = submitter.submit(nop()).unwrap();
    assert!(submitter.wants_kick());
    assert!(completer.is_ready() && !completer.rest(), "it may have come without a kick");
    let second = submitter.submit(nop()).unwrap();
    assert!(!submitter.wants_kick(), "the host is at it");
    assert_eq!(completer.fetch().unwrap().id, first.id());
    assert_eq!(completer.fetch().unwrap().id, second.id());
    assert!(completer.rest());
    assert_eq!(word(&words, KICK), 1 << 32 | 1);
    let _ = [submitter.submit(nop()).unwrap(), submitter.submit(nop()).unwrap()];
    assert!(submitter.wants_kick(), "the first of two");
}

/// What may not be fetched is nothing to stay awake for.
#[test]
fn a_full_or_corrupt_queue_is_not_ready() {
    let words = memory(KICK + 1);
    let (mut submitter, mut completer) = ends(&words);
    for _ in 0..DEPTH {
        let _ = submitter.submit(nop()).unwrap();
        completer.fetch().unwrap();
    }
    // A guest that writes more than it may.
    let tail =
        tenon_abi::Tail { code: 0x100, id: 0, turn: tenon_abi::turn(SEED, START.wrapping_add(4)) }.to_word();
    scribble(&words, 31, tail);
    assert!(!completer.is_ready() && completer.rest());
    assert_eq!(completer.fetch().err(), Some(Error::Full));
    assert!(completer.complete(1, Status::OK, 0));
    assert!(completer.is_ready() && !completer.rest());
    assert!(
        matches!(completer.fetch(), Err(Error::Corrupt(corrupt)) if corrupt.reason == Reason::DUPLICATE_ID)
    );
    assert!(!completer.is_ready() && completer.rest());
}

#[test]
fn an_upcall_is_owed_for_what_the_guest_waits_for() {
    let words = memory(KICK + 1);
    let (mut submitter, mut completer) = ends(&words);
    submitter.disarm();
    assert_eq!(word(&words, ARMED), u64::from(START.wrapping_add(u32::MAX >> 1)));
    let tickets = [submitter.submit(nop()).unwrap(), submitter.submit(nop()).unwrap()];
    let ids = [completer.fetch().unwrap().id, completer.fetch().unwrap().id];
    assert_eq!(completer.owes_upcall(), Ok(false));
    assert!(completer.complete(ids[0], Status::OK, 0));
    assert_eq!(completer.owes_upcall(), Ok(false), "disarmed");
    assert!(!submitter.arm(), "it is there");
    assert_eq!(word(&words, ARMED), u64::from(START));
    assert_eq!((completer.owes_upcall(), completer.owes_upcall()), (Ok(true), Ok(false)), "once");
    let [first, second] = tickets;
    assert!(submitter.poll(first).unwrap().is_ok());
    assert!(submitter.arm(), "the caller may sleep");
    assert_eq!((word(&words, ARMED), completer.owes_upcall()), (0, Ok(false)));
    assert!(completer.complete(ids[1], Status::OK, 0));
    assert_eq!(completer.owes_upcall(), Ok(true));
    assert!(submitter.poll(second).unwrap().is_ok());
    scribble(&words, ARMED, 1 << 32);
    let Err(Error::Corrupt(corrupt)) = completer.owes_upcall() else { panic!("not an armed word") };
    assert_eq!((corrupt.reason, completer.state().corrupt), (Reason::BAD_ARMED, Some(corrupt)));
}

/// Without the words everybody is told everything, and nobody is sent an upcall.
#[test]
fn a_queue_without_control_words_has_no_wishes() {
    let (submissions, completions) = (memory(16), memory(4));
    let parts = Parts::bare(&submissions[..], &completions[..]).unwrap();
    let mut queue = Queue::new(parts, SEED, 2).unwrap();
    let (mut submitter, mut completer) = (queue.submitter::<2>().unwrap(), queue.completer().unwrap());
    assert!(completer.rest() && submitter.arm());
    let ticket = submitter.submit(nop()).unwrap();
    assert!(submitter.wants_kick() && submitter.wants_kick());
    let id = completer.fetch().unwrap().id;
    assert!(completer.complete(id, Status::OK, 1));
    assert_eq!(completer.owes_upcall(), Ok(false));
    assert_eq!(submitter.poll(ticket).unwrap().unwrap().value, 1);
}
