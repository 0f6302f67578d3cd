// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the page TIME tells ([TIME-3] to [TIME-6]).
//!
//! [TIME-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time
//! [TIME-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time

use super::counter::Counter;
use crate::error::Error;
use crate::page::HostPage;
use tenon_abi::{Clock as Which, TimeCopy};
use tenon_rings::page::Reader;
use tenon_rings::{Mapping, planted};

/// Words of a copy, and of the part of it that a clock is read from.
const WORDS: usize = size_of::<TimeCopy>() / 8;
const PART: usize = 11;
const _: () = assert!(core::mem::offset_of!(TimeCopy, error_ns) + 3 * 8 == PART * 8);

/// Looks at a page that changes, before it is left alone ([PAGE-4]).
///
/// [PAGE-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#host-pages
const LOOKS: u32 = 4;

/// The page TIME.
pub(super) struct TimePage {
    part: Reader<Mapping, PART>,
    whole: Reader<Mapping, WORDS>,
}

impl TimePage {
    pub(super) fn new(page: &HostPage) -> Result<Self, Error> {
        Ok(Self { part: page.reader(WORDS)?, whole: page.reader(WORDS)? })
    }

    /// What a clock says now, and by how much that is wrong at most; `None` where only a call tells.
    #[inline(always)]
    pub(super) fn read(&self, which: Which, counter: &impl Counter) -> Option<(u64, u64)> {
        self.part.read(LOOKS, |part| told(part, which, counter)).ok().flatten()
    }

    /// A copy of one moment.
    pub(super) fn copy(&self) -> Option<TimeCopy> {
        self.whole.read(LOOKS, copy).ok()
    }
}

/// The first words of a copy as the whole of it: what is behind them counts as zero.
#[inline(always)]
fn copy<const N: usize>(words: &[u64; N]) -> TimeCopy {
    let mut all = [0; WORDS];
    for (to, from) in all.iter_mut().zip(words) {
        // The wire's bytes.
        *to = from.to_le();
    }
    zerocopy::transmute!(all)
}

/// What a copy tells of a clock, by the arithmetic of TIME-5. The counter is read between two looks at the
/// sequence: it belongs to this copy.
#[inline(always)]
fn told(part: &[u64; PART], which: Which, counter: &impl Counter) -> Option<(u64, u64)> {
    let mut copy = copy(part);
    if copy.counter_kind.get() != counter.kind().0 && !planted!("counter-of-another-kind") {
        return None;
    }
    let mut now = counter.read();
    if planted!("shift-above-63-taken") {
        copy.shift.set(copy.shift.get() & 63);
    }
    if planted!("untold-clock-taken") {
        copy.valid.set(u16::MAX);
    }
    if planted!("counter-before-base-wraps") {
        now = now.wrapping_sub(copy.counter_base.get());
        copy.counter_base.set(0);
    }
    let error = if planted!("error-bound-dropped") { 0 } else { copy.error(which, now) };
    Some((copy.read(which, now)?, error))
}
