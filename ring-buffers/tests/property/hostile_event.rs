// SPDX-License-Identifier: MIT OR Apache-2.0
//! GEN-7, GEN-8, EVT-7, EVT-8: the same for an event ring.

use crate::{memory, scribble, seed_for};
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::vcpu::guest;
use tenon_abi::{Entry, Reason};
use tenon_rings::{Error, Raiser, Taker};

const START: u32 = u32::MAX - 1;
const FIRST_TURN: u32 = u32::MAX - 2;
const MAX_PORTS: u32 = 4;
const AREA_WORDS: usize = 48;
/// Raise (a digit is the port), take, arm, disarm, bind, unbind port 0, mask, unmask.
const HISTORY: &[u8] = b"ba0ta0012tAu0bt0m0M1Ata0tub0012t";

fn words() -> impl Iterator<Item = usize> {
    [guest::TAKEN0, guest::ARMED0, guest::MASK_HINTS, guest::TAKEN1, guest::ARMED1]
        .map(|offset| usize::try_from(offset / 8).unwrap())
        .into_iter()
}

fn values(size: u32) -> Vec<u64> {
    let mut values = vec![0, 1, u64::MAX, u64::MAX >> 1, 1 << 63, 1 << 32, 1 << 31, (1 << 31) - 1];
    for ahead in (0..=size + 6).chain([1 << 31, (1 << 31) - 1, 1 << 30]) {
        let position = START.wrapping_add(ahead).wrapping_sub(2);
        values.extend([0, 1, u32::MAX].map(|high| u64::from(position) | u64::from(high) << 32));
        let turn = FIRST_TURN.wrapping_add(ahead).wrapping_sub(2);
        values.extend([0, 3, MAX_PORTS, u32::MAX].map(|port| Entry { port, turn }.to_word()));
    }
    values
}

/// Both ends of a ring, and what they were seen to do.
struct Ring<'a> {
    raiser: Raiser<&'a [AtomicU64]>,
    taker: Taker<&'a [AtomicU64]>,
    last: [Option<u64>; 4],
    /// The first breach that each end reported: guest, host.
    breaches: [Option<Error>; 2],
}

impl<'a> Ring<'a> {
    fn new(area: &'a [AtomicU64], entries: &'a [AtomicU64]) -> Self {
        let (seed, position) = (seed_for(FIRST_TURN, START), u64::from(START));
        scribble(area, words().next().unwrap(), position);
        let raiser = crate::raiser(area, entries, 0, seed, position);
        let taker = crate::taker(area, entries, 0, seed, MAX_PORTS, START);
        Self { raiser, taker, last: [None; 4], breaches: [None; 2] }
    }

    fn note<T>(&mut self, end: usize, result: Result<T, Error>) -> Option<T> {
        match (result, self.breaches[end]) {
            (Ok(value), None) => Some(value),
            (Err(error), Some(breach)) => {
                assert_eq!(error, breach, "a breach is latched");
                None
            }
            (Err(error @ Error::Corrupt(_)), None) => {
                self.breaches[end] = Some(error);
                None
            }
            (Err(_), None) => None,
            (Ok(_), Some(breach)) => panic!("it went on after {breach:?}"),
        }
    }

    fn step(&mut self, step: u8) {
        match step {
            b'0'..=b'3' => {
                let port = usize::from(step - b'0');
                let result = self.raiser.raise(u32::from(step - b'0'), &mut self.last[port]);
                self.note(1, result);
            }
            b't' => {
                let mut out = [u32::MAX; 8];
                let result = self.taker.take(&mut out);
                if let Some(count) = self.note(0, result) {
                    assert!(out[..count].iter().all(|port| *port < MAX_PORTS), "a port out of range");
                    assert!(out[count..].iter().all(|port| *port == u32::MAX));
                }
            }
            b'a' => {
                let may_halt = self.taker.arm();
                assert!(may_halt || self.breaches[0].is_none(), "a corrupt ring keeps its vCPU awake");
            }
            b'A' => self.taker.disarm(),
            b'b' => {
                let result = self.raiser.reserve();
                self.note(1, result);
            }
            b'u' => {
                let last = self.last[0].take();
                let untaken = self.raiser.release(last);
                if let Some(corrupt) = self.raiser.state().corrupt {
                    assert_eq!(untaken, last.is_some(), "what leaves a corrupt ring counts as untaken");
                    self.note::<()>(1, Err(Error::Corrupt(corrupt)));
                }
            }
            b'm' => self.taker.hint_masked(0, 0),
            _ => self.taker.hint_unmasked(0, 0),
        }
        let state = self.raiser.state();
        assert!(state.taken <= state.written, "taken beyond what was written");
    }
}

#[test]
fn nothing_in_a_shared_word_harms_either_end() {
    for size in [1, 2, 4] {
        let mut breaches = [0; 2];
        for at in 0..HISTORY.len() {
            for word in words().map(Ok).chain((0..size).map(Err)) {
                for value in values(u32::try_from(size).unwrap()) {
                    let (area, entries) = (memory(AREA_WORDS), memory(size));
                    let mut ring = Ring::new(&area, &entries);
                    for (n, step) in HISTORY.iter().enumerate() {
                        if n == at {
                            match word {
                                Ok(word) => scribble(&area, word, value),
                                Err(entry) => scribble(&entries, entry, value),
                            }
                        }
                        ring.step(*step);
                    }
                    for (count, breach) in breaches.iter_mut().zip(ring.breaches) {
                        *count += usize::from(breach.is_some());
                    }
                }
            }
        }
        assert!(breaches.iter().all(|count| *count > 50), "the values hit nothing: {breaches:?}");
    }
}

/// What the host finds, by the guest's word that says it.
#[test]
fn a_host_names_what_the_guest_did() {
    let (taken, armed) = (words().next().unwrap(), words().nth(1).unwrap());
    for (word, value, reason) in [
        (taken, u64::from(START) - 1, Reason::BAD_TAKEN),
        (taken, u64::from(START) + 1, Reason::BAD_TAKEN),
        (taken, u64::from(START) | 1 << 32, Reason::BAD_TAKEN),
        (armed, 1 << 32, Reason::BAD_ARMED),
    ] {
        let (area, entries) = (memory(AREA_WORDS), memory(2));
        let mut ring = Ring::new(&area, &entries);
        scribble(&area, word, value);
        let Err(Error::Corrupt(corrupt)) = ring.raiser.raise(0, &mut None) else { panic!("{value:#x}") };
        assert_eq!(corrupt.reason, reason, "{value:#x}");
        let written = u64::from(reason == Reason::BAD_ARMED);
        assert_eq!(ring.raiser.state().written, u64::from(START) + written);
    }
}

/// EVT-7: what lies before a bad entry is given out and acknowledged, then the ring is corrupt.
#[test]
fn events_before_a_bad_entry_are_not_lost() {
    let (area, entries) = (memory(AREA_WORDS), memory(4));
    let mut taker = crate::taker(&area[..], &entries[..], 0, 7, MAX_PORTS, 0);
    for (position, port) in [(0, 3), (1, 1), (2, MAX_PORTS), (3, 0)] {
        let entry = Entry { port, turn: tenon_abi::turn(7, position) };
        scribble(&entries, usize::try_from(position).unwrap(), entry.to_word());
    }
    let mut out = [9; 4];
    assert_eq!(taker.take(&mut out), Ok(2));
    assert_eq!(out, [3, 1, 9, 9]);
    assert_eq!(area[words().next().unwrap()].load(Ordering::Relaxed), 2);
    let corrupt = taker.corrupt().unwrap();
    assert_eq!((corrupt.reason, corrupt.position), (Reason::BAD_PORT, 2));
    for _ in 0..2 {
        assert_eq!(taker.take(&mut out), Err(Error::Corrupt(corrupt)));
        assert!(taker.arm() && !taker.is_ready(), "its vCPU may halt");
    }
}

/// EVT-2: sizes that do not fit are refused.
#[test]
fn a_bad_size_is_refused() {
    let (area, entries) = (memory(AREA_WORDS), memory(1 << 17));
    for (words, len, size, fits) in [
        (48, 8, 8, true),
        (48, 8, 1, true),
        (48, 1 << 16, 1 << 16, true),
        (47, 8, 8, false),
        (48, 8, 0, false),
        (48, 8, 3, false),
        (48, 8, 16, false),
        (48, 1 << 17, 1 << 17, false),
        (48, 8, u32::MAX, false),
    ] {
        let (area, entries) = (&area[..words], &entries[..len]);
        let ring = tenon_rings::event::Ring::new(area, entries, 0, 7, size);
        assert_eq!(ring.err(), if fits { None } else { Some(Error::BadSize) }, "{size}");
    }
}

/// Each end is given out once.
#[test]
fn an_end_that_is_asked_for_twice_is_refused() {
    let (area, entries) = (memory(AREA_WORDS), memory(2));
    let mut ring = tenon_rings::event::Ring::new(&area[..], &entries[..], 0, 7, 2).unwrap();
    assert!(ring.raiser().is_ok() && ring.taker(4).is_ok());
    assert_eq!((ring.raiser().err(), ring.taker(4).err()), (Some(Error::Taken), Some(Error::Taken)));
}
