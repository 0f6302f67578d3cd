// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both ends of an event ring.

use super::{End, Shared, race};
use crate::area::{AREA, MAX_PORTS, armed, hints, taken};
use crate::ends;
use crate::noise::Noise;
use std::sync::atomic::Ordering;
use tenon_abi::{Entry, turn};
use tenon_rings::{Error, Mapping, Raiser, Taker};

/// Entries of the event rings.
const E: usize = 8;

struct Taking(Taker<Mapping>, u64);

impl End for Taking {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let mut out = [u32::MAX; 4];
        match noise.below(4) {
            0 => _ = self.0.arm(),
            1 => self.0.disarm(),
            _ => match self.0.take(&mut out[..2]) {
                Ok(count) => {
                    self.1 += count as u64;
                    assert!(out[..count].iter().all(|port| *port < MAX_PORTS), "a port out of range");
                    assert!(out[count..].iter().all(|port| *port == u32::MAX));
                }
                Err(error) => {
                    assert_eq!(self.0.take(&mut out), Err(error), "not latched");
                    assert!(self.0.arm(), "its vCPU may halt");
                    return false;
                }
            },
        }
        true
    }

    fn stands(&self) -> (u32, u64) {
        (self.0.taken(), self.1)
    }
}

#[test]
fn a_taker() {
    let shared = Shared::new(AREA + E);
    let make = |seed| {
        let (area, entries) = (shared.mapping(0..AREA), shared.mapping(AREA..AREA + E));
        Some(Taking(ends::taker(area, entries, 0, seed, MAX_PORTS, 0), 0))
    };
    race("taker", &shared, make, |noise, seed, stood| {
        let position = stood.wrapping_add(noise.below(3) as u32);
        let port = if noise.below(64) == 0 { noise.word() as u32 } else { noise.below(4) as u32 };
        let entry = Entry { port, turn: turn(seed, position) }.to_word();
        let value = if noise.below(4) == 0 { noise.word() } else { entry };
        (AREA + position as usize % E, value)
    });
}

struct Raising<'a> {
    end: Raiser<Mapping>,
    shared: &'a Shared,
    seed: u32,
    last: [Option<u64>; E],
    results: u64,
}

impl End for Raising<'_> {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let at = noise.below(E);
        let before = *self.end.state();
        let result = match noise.below(8) {
            0 => self.end.reserve(),
            1 => {
                self.end.release(self.last[at].take());
                Ok(())
            }
            _ => self.end.raise(at as u32, &mut self.last[at]).map(drop),
        };
        let state = *self.end.state();
        let step = state.written - before.written;
        assert!(step <= 1 && state.taken <= state.written && before.taken <= state.taken);
        assert!(state.written - state.taken <= E as u64, "an entry over one that was not taken");
        if step == 1 {
            // Nobody but this end writes here.
            let position = before.written as u32;
            let word = self.shared.words()[AREA + position as usize % E].load(Ordering::Relaxed);
            assert_eq!(Entry::from_word(word), Entry { port: at as u32, turn: turn(self.seed, position) });
            self.results += 1;
        }
        match result {
            Err(error @ Error::Corrupt(_)) => {
                assert_eq!(self.end.raise(0, &mut None), Err(error), "not latched");
                false
            }
            _ => true,
        }
    }

    fn stands(&self) -> (u32, u64) {
        (self.end.state().written as u32, self.results)
    }
}

#[test]
fn a_raiser() {
    let shared = Shared::new(AREA + E);
    let make = |seed| {
        let (area, entries) = (shared.mapping(0..AREA), shared.mapping(AREA..AREA + E));
        shared.words()[taken(1)].store(0, Ordering::Relaxed);
        let end = ends::raiser(area, entries, 1, seed, 0);
        Some(Raising { end, shared: &shared, seed, last: [None; E], results: 0 })
    };
    race("raiser", &shared, make, |noise, _, stood| match noise.below(128) {
        0 => (noise.below(AREA), noise.word()),
        1 => (taken(1), u64::from(stood.wrapping_sub(noise.below(4) as u32))),
        2..20 => (armed(1), u64::from(stood.wrapping_add(noise.below(5) as u32).wrapping_sub(2))),
        20..40 => (hints().start, noise.word()),
        _ => (taken(1), u64::from(stood)),
    });
}
