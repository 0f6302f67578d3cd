// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions that lie half the circle of 32 bits apart, and more: wishes and entries of long ago.

use crate::stream::{LINE, Memory, bell, ring};
use crate::{memory, scribble};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::{Op, Reason, RingPosition, Status, Submission};
use tenon_rings::call::{CompleterState, Parts, Queue};
use tenon_rings::event::{RaiserState, Ring};
use tenon_rings::{Error, Raised, Words};

const SEED: u32 = 7;
/// How long ago a wish may be: from one position to one short of the whole circle.
const AGES: [u32; 7] = [1, 1000, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, u32::MAX - 999, u32::MAX - 99];

fn nop() -> Submission {
    Submission::new(Op::NOP, [0; 6])
}

/// CALL-26: a host that looks by itself, and has rested long ago, is not kicked.
#[test]
fn a_host_that_rested_long_ago_is_not_kicked() {
    const DEPTH: usize = 4;
    for age in AGES {
        let words = memory(10 * DEPTH + 1);
        let part = |first, len| Words::slice(&&words[..], first, len).unwrap();
        let mut parts = Parts::bare(part(0, 8 * DEPTH), part(8 * DEPTH, 2 * DEPTH)).unwrap();
        parts.kick = part(10 * DEPTH, 1);
        let mut submitter = Queue::new(parts, SEED, 4).unwrap().submitter_at::<DEPTH>(3).unwrap();
        scribble(&words, 10 * DEPTH, 1 << 32 | u64::from(3u32.wrapping_sub(age)));
        for _ in 0..3 {
            let _ = submitter.submit(nop()).unwrap();
            assert!(!submitter.wants_kick(), "rested {age} submissions ago");
        }
    }
}

/// CALL-16, EVT-11: an end that has disarmed hears nothing of what comes next, wherever it stands.
#[test]
fn an_end_that_has_disarmed_hears_nothing() {
    for start in [0, 1, 1 << 31, u32::MAX] {
        let words = memory(8 * 2 + 2 * 2 + 1);
        let part = |first, len| Words::slice(&&words[..], first, len).unwrap();
        let mut parts = Parts::bare(part(0, 16), part(16, 4)).unwrap();
        parts.armed = part(20, 1);
        let mut queue = Queue::new(parts, SEED, 2).unwrap();
        let mut submitter = queue.submitter_at::<2>(start).unwrap();
        let mut completer = queue.completer_at(CompleterState::at(start)).unwrap();
        submitter.disarm();
        for _ in 0..5 {
            let ticket = submitter.submit(nop()).unwrap();
            let id = completer.fetch().unwrap().id;
            assert!(completer.complete(id, Status::OK, 0));
            assert_eq!(completer.owes_upcall(), Ok(false), "from {start}");
            assert!(submitter.poll(ticket).unwrap().is_ok());
        }

        let (area, entries) = (memory(48), memory(4));
        let mut taker = crate::taker(&area[..], &entries[..], 0, SEED, 8, start);
        let mut raiser = crate::raiser(&area[..], &entries[..], 0, SEED, u64::from(start));
        scribble(&area, 8, u64::from(start));
        taker.disarm();
        for port in 0..4 {
            let raised = raiser.raise(port, &mut None);
            assert_eq!(raised, Ok(Raised::Written { upcall: false }), "from {start}");
        }
    }
}

fn raiser_at<'a>(
    area: &'a [AtomicU64],
    entries: &'a [AtomicU64],
    taken: u64,
) -> tenon_rings::Raiser<&'a [AtomicU64]> {
    scribble(area, 8, taken & u64::from(u32::MAX));
    let state = RaiserState { written: taken, taken, ..RaiserState::default() };
    Ring::new(area, entries, 0, SEED, 4).unwrap().raiser_at(state).unwrap()
}

/// EVT-10: a port whose last entry was taken gets a new one, however many entries ago that was.
#[test]
fn a_port_that_was_idle_for_long_is_raised() {
    let now = 5 << 32;
    for age in AGES.map(u64::from).into_iter().chain([1 << 32, (1 << 32) + 1, 3 << 32, now]) {
        let (area, entries) = (memory(48), memory(4));
        let mut raiser = raiser_at(&area, &entries, now);
        let mut last = Some(now - age);
        let raised = raiser.raise(1, &mut last);
        assert!(matches!(raised, Ok(Raised::Written { .. })), "idle for {age} entries: {raised:?}");
        assert_eq!(last, Some(now));
    }
}

/// EVT-8: `taken` never goes backwards, by whatever distance.
#[test]
fn taken_goes_backwards_by_no_distance() {
    for back in AGES {
        let (area, entries) = (memory(48), memory(4));
        let mut raiser = raiser_at(&area, &entries, 5 << 32);
        scribble(&area, 8, u64::from(0u32.wrapping_sub(back)));
        let raised = raiser.raise(1, &mut None);
        let breach = matches!(raised, Err(Error::Corrupt(corrupt)) if corrupt.reason == Reason::BAD_TAKEN);
        assert!(breach, "back by {back}: {raised:?}");
    }
}

/// STR-11: a wish that was answered long ago is no wish.
#[test]
fn a_side_that_armed_long_ago_is_not_woken() {
    for age in AGES {
        let memory = Memory::new(2 * LINE + 8);
        let rung = Rc::new(Cell::new(0));
        let (near, far) = ring(memory.words()).split();
        let mut producer = near.messages::<[u64; 1], _>(8, SEED, bell(&rung)).unwrap();
        let mut consumer = far.messages::<[u64; 1], _>(8, SEED, ()).unwrap();
        // The consumer's line lies behind the producer's: its armed position is its second word.
        let wish = RingPosition { position: SEED.wrapping_sub(age), seed: SEED };
        scribble(memory.words(), LINE + 1, wish.to_word());
        for n in 0..20 {
            producer.push([n]).unwrap();
            producer.flush().unwrap();
            assert_eq!(consumer.pop(), Ok([n]));
            consumer.release().unwrap();
        }
        assert_eq!(rung.get(), 0, "armed {age} messages ago");
        assert_eq!(memory.words()[LINE + 1].load(Ordering::Relaxed), wish.to_word());
    }
}

/// STR-11: a side may sleep while the other has not reached its wish, also where one of the two positions has
/// wrapped and the other has not.
#[test]
fn a_side_may_sleep_across_the_wrap() {
    for before in 0..4 {
        let seed = 0u32.wrapping_sub(before);
        let memory = Memory::new(2 * LINE + 8);
        let (near, far) = ring(memory.words()).split();
        let mut producer = near.messages::<[u64; 1], _>(8, seed, ()).unwrap();
        let mut consumer = far.messages::<[u64; 1], _>(8, seed, ()).unwrap();
        assert_eq!(consumer.arm(3), Ok(true), "from {seed:#x}");
        (0..3).for_each(|n| producer.push([n]).unwrap());
        producer.flush().unwrap();
        assert_eq!(consumer.arm(3), Ok(false), "from {seed:#x}");
    }
}
