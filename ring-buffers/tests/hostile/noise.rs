// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chance, and how much of it: `TENON_SEED` repeats a run, `TENON_EFFORT` makes it so many times as long.

use std::sync::OnceLock;

/// The seed of this run, printed once. Without `TENON_SEED` the same on every machine.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("TENON_SEED").ok();
        let seed = given.map_or(1, |text| text.parse().expect("TENON_SEED is a number"));
        println!("TENON_SEED={seed}");
        seed
    })
}

/// How many times the usual is to be done.
pub(crate) fn effort() -> u64 {
    let given = std::env::var("TENON_EFFORT").ok();
    given.map_or(1, |text| text.parse().expect("TENON_EFFORT is a number"))
}

/// A stream of numbers; the same for the same seed and name.
#[derive(Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(name: &str) -> Self {
        let start = name.bytes().fold(seed(), |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
        });
        Self(start | 1)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((self.word() >> 16) % end as u64) as usize
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
