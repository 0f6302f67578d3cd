// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emergency lane's end of the guest (CALL-23): one at a time, its own positions, its only id.

use core::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::{Op, Reason, Status, Submission, Tail, turn};
use tenon_rings::call::{Lane, Outcome};
use tenon_rings::{Corrupt, Error};

const SEED: u32 = u32::MAX - 2;

struct Slots([AtomicU64; 10]);

impl Slots {
    fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 10])
    }

    fn lane(&self) -> Lane<&[AtomicU64]> {
        let (submission, completion) = self.0.split_at(8);
        Lane::new(submission, completion, SEED).expect("the slots are large enough")
    }

    /// The tail of what was submitted.
    fn submitted(&self) -> Tail {
        Tail::from_word(self.0[7].load(Ordering::Acquire))
    }

    fn complete(&self, position: u32, id: u16, status: Status, value: u64) {
        self.0[8].store(value, Ordering::Relaxed);
        let tail = Tail { code: status.0, id, turn: turn(SEED, position) };
        self.0[9].store(tail.to_word(), Ordering::Release);
    }
}

fn nop(value: u64) -> Submission {
    Submission::new(Op::NOP, [value, 0, 0, 0, 0, 0])
}

#[test]
fn one_after_the_other_across_the_wrap_of_the_turns() {
    let slots = Slots::new();
    let mut lane = slots.lane();
    for position in 0..6 {
        assert_eq!(lane.take(), Ok(None));
        assert_eq!(lane.submit(nop(u64::from(position))), Ok(()));
        let tail = slots.submitted();
        assert_eq!((tail.id, tail.turn, tail.code), (0, turn(SEED, position), Op::NOP.0));
        assert_eq!(slots.0[1].load(Ordering::Relaxed), u64::from(position), "its first argument");
        assert_eq!((lane.take(), lane.submit(nop(9))), (Ok(None), Err(Error::Full)));
        assert_eq!(slots.submitted().turn, tail.turn, "a second one was published");
        slots.complete(position, 0, Status::OK, 7);
        assert_eq!(lane.take(), Ok(Some(Outcome { status: Status::OK, value: 7 })));
    }
}

#[test]
fn one_that_was_given_up_is_in_the_way_until_it_is_completed() {
    let slots = Slots::new();
    let mut lane = slots.lane();
    assert_eq!((lane.submit(nop(1)), lane.submit(nop(2))), (Ok(()), Err(Error::Full)));
    slots.complete(0, 0, Status::OK, 1);
    // Its answer is nobody's, and not the next one's.
    assert_eq!((lane.submit(nop(2)), lane.take()), (Ok(()), Ok(None)));
    slots.complete(1, 0, Status::BAD_ARGUMENT, 0);
    assert_eq!(lane.take(), Ok(Some(Outcome { status: Status::BAD_ARGUMENT, value: 0 })));
}

#[test]
fn a_completion_that_cannot_be_is_a_breach_for_good() {
    for (id, is_asked) in [(1, true), (u16::MAX, true), (0, false), (1, false)] {
        let slots = Slots::new();
        let mut lane = slots.lane();
        if is_asked {
            assert_eq!(lane.submit(nop(1)), Ok(()));
        }
        // An earlier turn's is none.
        slots.complete(u32::MAX, id, Status::OK, 1);
        assert_eq!(lane.take(), Ok(None));
        slots.complete(0, id, Status::OK, 1);
        let breach = Error::Corrupt(Corrupt { reason: Reason::UNKNOWN_ID, position: 0 });
        assert_eq!(lane.take(), Err(breach), "id {id}");
        slots.complete(0, 0, Status::OK, 1);
        assert_eq!((lane.take(), lane.submit(nop(2))), (Err(breach), Err(breach)), "it is latched");
    }
}

#[test]
fn slots_that_are_too_small_are_refused() {
    let slots = Slots::new();
    for (submission, completion) in [(7, 2), (8, 1), (0, 0)] {
        let lane = Lane::new(&slots.0[..submission], &slots.0[8..8 + completion], SEED);
        assert_eq!(lane.err(), Some(Error::BadSize));
    }
}
