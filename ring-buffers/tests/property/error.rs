// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the rings say of a breach, to the peer and to people.

use crate::memory;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use tenon_abi::status::{QueueState, StateWord};
use tenon_abi::{Op, Reason, Status, Submission};
use tenon_rings::call::{Parts, Queue};
use tenon_rings::{Corrupt, Error};

const BREACH: Corrupt = Corrupt { reason: Reason::BAD_ARMED, position: 0xfedc_ba98 };

/// CALL-15: state, reason and position.
#[test]
fn the_state_word_says_what_and_where() {
    let word = StateWord::from_word(BREACH.to_word());
    assert_eq!(
        word,
        StateWord { state: QueueState::CORRUPT, reason: BREACH.reason, position: BREACH.position }
    );
}

#[test]
fn each_error_has_a_line_of_its_own() {
    let errors = [Error::Empty, Error::Full, Error::Corrupt(BREACH), Error::BadSize, Error::Taken];
    let texts: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), errors.len(), "{texts:?}");
    assert!(texts.iter().all(|text| !text.is_empty() && !text.contains('\n')));
}

/// CALL-15, CALL-16: a bad armed word is latched like a bad submission.
#[test]
fn a_bad_armed_word_is_latched() {
    let (submissions, completions) = (memory(16), memory(4));
    let armed = memory(1);
    armed[0].store(1 << 32, Ordering::Relaxed);
    let mut parts = Parts::bare(&submissions[..], &completions[..]).unwrap();
    parts.armed = &armed[..];
    let mut queue = Queue::new(parts, 7, 2).unwrap();
    let mut submitter = queue.submitter::<2>().unwrap();
    let mut completer = queue.completer().unwrap();
    let first = submitter.submit(Submission::new(Op::NOP, [0; 6])).unwrap();
    let second = submitter.submit(Submission::new(Op::NOP, [0; 6])).unwrap();
    assert_eq!(completer.fetch().unwrap().id, first.id());
    let breach = completer.owes_upcall().unwrap_err();
    assert_eq!(breach, Error::Corrupt(Corrupt { reason: Reason::BAD_ARMED, position: 1 }));
    assert_eq!(completer.fetch().err(), Some(breach));
    let run = completer.answer(2, Op::NOP, |_| Ok(0));
    assert_eq!((run.answered, run.next.err()), (0, Some(breach)));
    assert_eq!(completer.owes_upcall(), Err(breach));
    // What was fetched may still be completed.
    assert!(completer.complete(first.id(), Status::OK, 3) && !completer.complete(second.id(), Status::OK, 3));
    assert_eq!(submitter.poll(first).unwrap().unwrap().value, 3);
}
