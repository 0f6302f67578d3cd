// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host's clock says, between two readings of a counter that the host does not know.

use tenon_abi::time::{NEVER, ticks_to_ns};
use tenon_rings::planted;

/// How fast a counter of the guest's own runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    period: u64,
    period_error: u64,
}

/// Bits behind the point of a period.
const SHIFT: u16 = 32;
const BILLION: u64 = 1_000_000_000;

impl Rate {
    /// A counter with so many ticks a second, give or take `ppb` billionths: from CPUID's leaf 0x15,
    /// CNTFRQ_EL0, the device tree's `timebase-frequency`, or as measured. `None` of zero ticks.
    #[must_use]
    pub const fn new(hz: u64, ppb: u64) -> Option<Self> {
        let Some(period) = BILLION.wrapping_shl(32).checked_div(hz) else { return None };
        // What the divisions left counts as wrong too.
        let error = ticks_to_ns(period, ppb.saturating_mul(1 << SHIFT) / BILLION, SHIFT).saturating_add(2);
        Some(Self { period, period_error: error })
    }

    /// Nanoseconds that so many ticks are, and by how much that is wrong at most.
    #[must_use]
    pub const fn ns(self, ticks: u64) -> (u64, u64) {
        (
            ticks_to_ns(ticks, self.period, SHIFT),
            ticks_to_ns(ticks, self.period_error, SHIFT).saturating_add(1),
        )
    }
}

/// What the host's clock said when the guest's counter said `counter`: a point from which a kernel counts on
/// by itself, for as long as the domain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// The guest's counter.
    pub counter: u64,
    /// The host's clock, in nanoseconds.
    pub ns: u64,
    /// By how much it is wrong at most.
    pub error: u64,
    rate: Rate,
}

impl Bracket {
    /// The host said `ns` between two readings of the counter; the result is for the second one. Its clock
    /// was at `ns` then, or further by what passed since the first one: the middle is wrong by half of that.
    pub(super) fn between(rate: Rate, first: u64, ns: u64, second: u64) -> Self {
        let (width, wrong) = rate.ns(second.saturating_sub(first));
        let width = width.saturating_add(wrong);
        let half = if planted!("bracket-one-sided") { 0 } else { width / 2 };
        let error = width.wrapping_sub(width / 2);
        Self { counter: second, ns: ns.saturating_add(half), error, rate }
    }

    /// What the host's clock says when the counter says `counter`, and by how much that is wrong at most. It
    /// holds while the domain runs: RUNNING stands still while it does not, and nobody tells this counter. A
    /// counter before the bracket's counts as that one.
    #[must_use]
    pub const fn at(&self, counter: u64) -> (u64, u64) {
        let (ns, wrong) = self.rate.ns(counter.saturating_sub(self.counter));
        let error = if self.error == NEVER { NEVER } else { self.error.saturating_add(wrong) };
        (self.ns.saturating_add(ns), error)
    }
}
