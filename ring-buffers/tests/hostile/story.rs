// SPDX-License-Identifier: MIT OR Apache-2.0
//! A short honest history, told again and again: each time the peer strikes elsewhere, at another moment,
//! with another value.

use crate::ground::Strike;
use crate::noise::Noise;
use std::ops::Range;
use tenon_abi::{Op, Tail, turn};
use tenon_rings::Corrupt;

/// How a history went.
#[derive(Default)]
pub(crate) struct Told {
    /// What the tested end found, which is what the words that it loaded show.
    pub(crate) corrupt: Option<Corrupt>,
    /// At each of its loads: the position that it had reached in what the peer writes.
    pub(crate) stood: Vec<u32>,
}

/// How many cases were run, and in how many of them the peer was found out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) cases: usize,
    pub(crate) breaches: usize,
}

impl Count {
    pub(crate) fn add(&mut self, told: &Told) {
        self.cases += 1;
        self.breaches += usize::from(told.corrupt.is_some());
    }

    /// Prints itself. A run in which nothing was found out, or everything, has tested nothing.
    pub(crate) fn report(self, what: &str) {
        println!("hostile: {what}: {} cases, {} breaches found", self.cases, self.breaches);
        assert!(self.breaches > 0 && self.breaches < self.cases, "{what}: {self:?}");
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.cases += other.cases;
        self.breaches += other.breaches;
    }
}

/// Says which strikes a case was about if it fails.
pub(crate) struct Said<'a>(pub(crate) &'a [Strike]);

impl Drop for Said<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed under {:#x?}", self.0);
        }
    }
}

/// Each word of `words` set to each of its values before each load of the honest history.
pub(crate) fn exhaust(
    words: impl Iterator<Item = usize> + Clone,
    values: impl Fn(usize, u32) -> Vec<u64>,
    tell: impl Fn(&[Strike]) -> Told,
) -> Count {
    let honest = tell(&[]);
    assert_eq!(honest.corrupt, None, "an honest peer was called corrupt");
    let mut count = Count::default();
    for (before, stood) in honest.stood.into_iter().enumerate() {
        for word in words.clone() {
            for value in values(word, stood) {
                let strikes = [Strike { before, word, value }];
                let _said = Said(&strikes);
                count.add(&tell(&strikes));
            }
        }
    }
    count
}

/// The seed that gives `position` the turn `first_turn`.
pub(crate) const fn seed_for(first_turn: u32, position: u32) -> u32 {
    first_turn.wrapping_sub(position).wrapping_sub(1)
}

/// Histories start just before positions wrap.
pub(crate) const START: u32 = u32::MAX - 1;

/// The seed of a history: turns wrap at the end of its first lap, no earlier (CALL-5).
pub(crate) const fn seed(depth: u32) -> u32 {
    seed_for(depth.wrapping_neg(), START)
}

/// Values that end something, whatever the word means.
pub(crate) const PLAIN: [u64; 10] =
    [0, 1, u64::MAX, u64::MAX >> 1, 1 << 63, (1 << 63) + 1, u32::MAX as u64, 1 << 32, (1 << 31) - 1, 1 << 31];

/// Positions around the one that lies in `slot` next, for an end that has reached `stood`.
pub(crate) fn near(depth: u32, slot: u32, stood: u32) -> impl Iterator<Item = u32> + Clone {
    let next = stood.wrapping_add(slot.wrapping_sub(stood) & (depth - 1));
    [0, 1, u32::MAX, depth, depth.wrapping_neg(), 1 << 31, (1 << 31) - 1, (1 << 31) + 1]
        .into_iter()
        .map(move |by| next.wrapping_add(by))
}

/// All that a tail in `slot` can say: about now, a lap ago or ahead; an id that is free, in flight or
/// impossible; each sort of code.
pub(crate) fn tails(depth: u32, seed: u32, slot: u32, stood: u32) -> Vec<u64> {
    let mut ids: Vec<u16> = (0..depth.min(4)).map(|id| id as u16).collect();
    ids.extend([depth as u16, 63, 64, 4095, 4096, u16::MAX]);
    ids.sort_unstable();
    ids.dedup();
    let mut values = PLAIN.to_vec();
    for position in near(depth, slot, stood) {
        for &id in &ids {
            let tail = |code| Tail { code, id, turn: turn(seed, position) }.to_word();
            values.extend([0, Op::NOP.0, u16::MAX].map(tail));
        }
    }
    values
}

/// A few strikes into a history of which it is known where the tested end stands at each load. `aim` picks a
/// word, given where that is.
pub(crate) fn strikes(
    stood: &[u32],
    noise: &mut Noise,
    aim: impl Fn(&mut Noise, u32) -> usize,
    values: impl Fn(usize, u32) -> Vec<u64>,
) -> Vec<Strike> {
    let count = if stood.is_empty() { 0 } else { 1 + noise.below(4) };
    let strike = |_| {
        let before = noise.below(stood.len());
        let word = aim(noise, stood[before]);
        let value = if noise.below(8) == 0 { noise.word() } else { noise.pick(&values(word, stood[before])) };
        Strike { before, word, value }
    };
    (0..count).map(strike).collect()
}

/// Any of `words`, or, half of the time, the tail of a slot that is looked at soon. A slot has `slot` words.
pub(crate) fn slots(words: Range<usize>, slot: usize) -> impl Fn(&mut Noise, u32) -> usize {
    move |noise, stood| {
        if noise.below(2) == 0 {
            return words.start + noise.below(words.len());
        }
        let soon = stood.wrapping_add(noise.below(3) as u32) as usize % (words.len() / slot);
        words.start + soon * slot + slot - 1
    }
}
