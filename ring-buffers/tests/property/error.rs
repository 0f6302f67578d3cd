// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the rings say of a breach, to the peer and to people.

use crate::memory;
use std::collections::BTreeSet;
use tenon_abi::status::{QueueState, StateWord};
use tenon_abi::{Op, Reason, Status, Submission};
use tenon_rings::{Completer, Corrupt, Error, Submitter};

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
    let errors = [Error::Empty, Error::Full, Error::Corrupt(BREACH), Error::BadSize];
    let texts: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), errors.len(), "{texts:?}");
    assert!(texts.iter().all(|text| !text.is_empty() && !text.contains('\n')));
}

/// CALL-15: a breach that was seen elsewhere is latched like one of the queue's own, and what was latched first stands.
#[test]
fn a_breach_from_outside_is_latched_once() {
    let (submissions, completions) = (memory(16), memory(4));
    let mut submitter = Submitter::<_, 2>::new(&submissions[..], &completions[..], 7).unwrap();
    let mut completer = Completer::new(&submissions[..], &completions[..], 7, 2).unwrap();
    let first = submitter.submit(Submission::new(Op::NOP, [0; 6])).unwrap();
    let second = submitter.submit(Submission::new(Op::NOP, [0; 6])).unwrap();
    assert_eq!(completer.fetch().unwrap().id, first.id());
    completer.latch_corrupt(BREACH);
    assert_eq!(completer.fetch().err(), Some(Error::Corrupt(BREACH)));
    let run = completer.answer(2, Op::NOP, |_| Ok(0));
    assert_eq!((run.answered, run.next.unwrap().err()), (0, Some(Error::Corrupt(BREACH))));
    completer.latch_corrupt(Corrupt { reason: Reason::BAD_ID, position: 1 });
    assert_eq!(completer.state().corrupt, Some(BREACH));
    // What was fetched may still be completed.
    assert!(completer.complete(first.id(), Status::OK, 3) && !completer.complete(second.id(), Status::OK, 3));
    assert_eq!(submitter.poll(first).unwrap().unwrap().value, 3);
}
