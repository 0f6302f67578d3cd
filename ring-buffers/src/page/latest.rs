// SPDX-License-Identifier: MIT OR Apache-2.0
//! The largest value so far of a clock that must not go back. No part of it is shared with the host.

use crate::order::Site;
use crate::planted;
use core::sync::atomic::AtomicU64;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The value, or the one from before it if that is larger.
    pub value: u64,
    /// How far back the value was, where that is news.
    pub step_back: Option<u64>,
}

/// The largest value so far. A reader asks for it, reads its clock, and keeps what the clock said: a value
/// below one that was kept before the clock was read has stepped back. What others keep meanwhile says
/// nothing.
#[derive(Debug, Default)]
pub struct Latest {
    value: AtomicU64,
    /// Not zero since a step back was told, until a value reaches the largest again.
    told: AtomicU64,
}

impl Latest {
    /// No value so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { value: AtomicU64::new(0), told: AtomicU64::new(0) }
    }

    /// The largest value so far: to be asked for before the clock is read.
    #[inline(always)]
    #[must_use]
    pub fn before(&self) -> u64 {
        // Who sees what another CPU did after it kept a value sees also the value: coherence of this one word
        // is all that it takes.
        self.value.load(Site::LatestAlone.ordering())
    }

    /// Keeps a value, on any CPU. One that lies back by more than `slack` is told once, until a value reaches
    /// the largest again.
    #[inline]
    pub fn keep(&self, before: u64, value: u64, slack: u64) -> Kept {
        self.value.fetch_max(value, Site::LatestKeep.ordering());
        self.judge(before, value, slack)
    }

    /// As [`Self::keep`], where all values come from one CPU and nothing comes in between: without an atomic
    /// update, which costs more than the rest of reading a clock.
    #[inline(always)]
    pub fn keep_alone(&self, before: u64, value: u64, slack: u64) -> Kept {
        if value > before {
            self.value.store(value, Site::LatestAlone.ordering());
        }
        self.judge(before, value, slack)
    }

    #[inline(always)]
    fn judge(&self, before: u64, value: u64, slack: u64) -> Kept {
        if value < before {
            return self.behind(before, value, slack);
        }
        if self.told.load(Site::LatestAlone.ordering()) != 0 {
            self.told.store(0, Site::LatestAlone.ordering());
        }
        Kept { value, step_back: None }
    }

    /// Of a host that broke its promise, or of a reading that is less exact than another one.
    #[cold]
    fn behind(&self, before: u64, value: u64, slack: u64) -> Kept {
        let step = before.saturating_sub(value);
        let news = step > slack && self.told.swap(1, Site::LatestKeep.ordering()) == 0;
        Kept {
            value: if planted!("clock-believed-backwards") { value } else { before },
            step_back: (news || planted!("step-back-told-each-time")).then_some(step),
        }
    }
}
