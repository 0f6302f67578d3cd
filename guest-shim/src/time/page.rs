// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the page TIME tells ([TIME-3] to [TIME-6]).
//!
//! [TIME-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time
//! [TIME-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time

use super::counter::Counter;
use crate::error::Error;
use crate::page::HostPage;
use tenon_abi::time::{Clocks, SHIFT_MAX, ticks_to_ns};
use tenon_abi::{Clock as Which, CounterKind, TimeCopy};
use tenon_rings::page::Reader;
use tenon_rings::{Mapping, planted};

/// Words of a copy.
const WORDS: usize = size_of::<TimeCopy>() / 8;

/// What of a copy each clock is read from: counter's base, period, the clock, the word with kind, shift and
/// valid clocks, the period's error, the clock's error. The others are not loaded.
const fn picks(which: Which) -> Option<(Clocks, [usize; 6])> {
    match which {
        Which::RUNNING => Some((Clocks::RUNNING, [0, 1, 2, 5, 6, 8])),
        Which::BOOT => Some((Clocks::BOOT, [0, 1, 3, 5, 6, 9])),
        Which::UTC => Some((Clocks::UTC, [0, 1, 4, 5, 6, 10])),
        _ => None,
    }
}

// As they are picked above, and taken apart below.
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(TimeCopy, counter_base) == 0 && offset_of!(TimeCopy, period) == 8);
    assert!(offset_of!(TimeCopy, ns) == 2 * 8 && offset_of!(TimeCopy, counter_kind) == 5 * 8);
    assert!(offset_of!(TimeCopy, shift) == 5 * 8 + 2 && offset_of!(TimeCopy, valid) == 5 * 8 + 4);
    assert!(offset_of!(TimeCopy, period_error) == 6 * 8 && offset_of!(TimeCopy, error_ns) == 8 * 8);
    assert!(Which::RUNNING.0 == 0 && Which::BOOT.0 == 1 && Which::UTC.0 == 2);
};

/// Looks at a page that changes, before it is left alone ([PAGE-4]).
///
/// [PAGE-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#host-pages
const LOOKS: u32 = 4;

/// The page TIME.
pub(super) struct TimePage(Reader<Mapping, WORDS>);

impl TimePage {
    pub(super) fn new(page: &HostPage) -> Result<Self, Error> {
        page.reader(WORDS).map(Self)
    }

    /// What a clock says now, and by how much that is wrong at most; `None` where only a call tells.
    #[inline(always)]
    pub(super) fn read(&self, which: Which, counter: &impl Counter) -> Option<(u64, u64)> {
        let (bit, picks) = picks(which)?;
        self.0.read_some(LOOKS, picks, || counter.read(), |now, part| told(part, bit, now, counter)).ok()?
    }

    /// A copy of one moment.
    pub(super) fn copy(&self) -> Option<TimeCopy> {
        self.0.read(LOOKS, copy).ok()
    }
}

/// The wire's bytes.
fn copy(words: &[u64; WORDS]) -> TimeCopy {
    zerocopy::transmute!(words.map(u64::to_le))
}

/// What a copy tells of a clock when the counter says `now`, by the arithmetic of TIME-5.
#[inline(always)]
fn told(part: &[u64; 6], bit: Clocks, now: u64, counter: &impl Counter) -> Option<(u64, u64)> {
    let [base, period, ns, word, period_error, error_ns] = *part;
    let [k0, k1, s0, s1, v0, v1, ..] = word.to_le_bytes();
    let (kind, shift, valid) =
        (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([s0, s1]), u16::from_le_bytes([v0, v1]));
    let is_ours = kind == counter.kind().0 && kind != CounterKind::NONE.0;
    if !is_ours && !planted!("counter-of-another-kind") {
        return None;
    }
    if shift > SHIFT_MAX && !planted!("shift-above-63-taken") {
        return None;
    }
    if valid & bit.bits() == 0 && !planted!("untold-clock-taken") {
        return None;
    }
    let wraps = planted!("counter-before-base-wraps");
    let ticks = if wraps { now.wrapping_sub(base) } else { now.saturating_sub(base) };
    // Checked above; so the compiler knows it too.
    let shift = shift & SHIFT_MAX;
    let ns = ns.saturating_add(ticks_to_ns(ticks, period, shift));
    let error = error_ns.saturating_add(ticks_to_ns(ticks, period_error, shift));
    Some((ns, if planted!("error-bound-dropped") { 0 } else { error }))
}
