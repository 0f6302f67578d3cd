// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks, the page that tells them, and timers (TIME-1 to TIME-19).

use crate::wire::{flags, numbers, offsets, wire};
use zerocopy::little_endian::{U16, U32, U64};

/// Clocks have numbers below this (TIME-2).
pub const CLOCKS: u32 = 3;
/// The largest shift of a counter (TIME-5).
pub const SHIFT_MAX: u16 = 63;
/// A deadline that never comes, an error without a bound, and where a clock ends (TIME-5, TIME-6, TIME-13).
pub const NEVER: u64 = u64::MAX;

wire! {
    pub struct TimeCopy: 128, "One of the two copies of the clocks in the time page. Written by the host only." {
        0x00 counter_base: U64, "TIME-5", "the counter at the moment that this copy describes";
        0x08 period: U64, "TIME-5", "nanoseconds of one tick of the counter, times 2 to the power of `shift`";
        0x10 ns: [U64; 3], "TIME-5", "what each clock said at that moment, by `Clock`, in nanoseconds";
        0x28 counter_kind: U16, "TIME-4", "`CounterKind`";
        0x2a shift: U16, "TIME-5", "bits to the right that a product with `period` or `period_error` is shifted: at most 63";
        0x2c valid: U16, "TIME-3", "`Clocks` that this copy tells";
        0x2e flags: U16, "TIME-3", "`TimeFlags`";
        0x30 period_error: U64, "TIME-6", "what the error grows by with each tick of the counter, in the unit of `period`";
        0x38 disruption_marker: U64, "TIME-9", "another value after each disruption of a clock";
        0x40 error_ns: [U64; 3], "TIME-6", "error of each clock at that moment, by `Clock`, in nanoseconds; all bits: no bound is known";
        0x58 boot_jump: U64, "TIME-7", "how far BOOT is ahead of RUNNING, in nanoseconds";
        0x60 tai_offset: U32, "TIME-8", "TAI less UTC in seconds, a signed number (two's complement)";
        0x64 leap: U16, "TIME-8", "`Leap`";
        0x66 smear: U16, "TIME-8", "`Smear`";
        0x68 status: U16, "TIME-8", "`ClockStatus` of UTC";
        0x6a reserved0: U16, "GEN-5", "zero";
        0x6c reserved1: U32, "GEN-5", "zero";
        0x70 reserved2: [U64; 2], "GEN-5", "zero";
    }
}

offsets! {
    pub mod page, "Offsets in the time page (PAGE-1)." {
        0x00 SEQUENCE, "PAGE-1", "U64: the sequence, alone in its cache line";
        0x40 COPY0, "PAGE-1", "`TimeCopy`: the copy that is valid while the sequence is even";
        0xc0 COPY1, "PAGE-1", "`TimeCopy`: the copy that is valid while the sequence is odd";
    }
}

numbers! {
    pub struct Clock(u16), "A clock (TIME-2)." {
        0 RUNNING, "TIME-7", "nanoseconds that the domain has run";
        1 BOOT, "TIME-7", "the same, and the time that passed while it did not run, as far as the embedder says so";
        2 UTC, "TIME-8", "nanoseconds since 1970-01-01 00:00:00 UTC, without leap seconds";
    }
}

flags! {
    pub struct Clocks(u16), "Clocks that a copy tells (TIME-3)." {
        0 RUNNING, "TIME-3", "RUNNING";
        1 BOOT, "TIME-3", "BOOT";
        2 UTC, "TIME-3", "UTC";
    }
}

numbers! {
    pub struct CounterKind(u16), "The counter that the clocks are told by, as a guest's kernel reads it (TIME-4)." {
        0 NONE, "TIME-4", "none: a clock is read by call";
        1 X86_TSC, "TIME-4", "x86: the time-stamp counter";
        2 ARM_CNTVCT, "TIME-4", "AArch64: CNTVCT_EL0";
        3 RISCV_TIME, "TIME-4", "RISC-V: the CSR `time`";
        4 ARM_CNTPCT, "TIME-4", "AArch64: CNTPCT_EL0";
    }
}

flags! {
    pub struct TimeFlags(u16), "What else a copy says (TIME-3)." {
        0 TAI_OFFSET_VALID, "TIME-8", "`tai_offset` is known";
        1 DISRUPTION_SOON, "TIME-9", "a disruption is expected within a day";
        2 DISRUPTION_IMMINENT, "TIME-9", "a disruption is expected within an hour";
    }
}

numbers! {
    pub struct ClockStatus(u16), "What is known of UTC (TIME-8)." {
        0 UNKNOWN, "TIME-8", "nothing";
        1 INITIALIZING, "TIME-8", "it is being set: not to be relied on yet";
        2 SYNCHRONIZED, "TIME-8", "it follows a reference";
        3 FREERUNNING, "TIME-8", "it followed a reference, which is lost";
        4 UNRELIABLE, "TIME-8", "it is known to be wrong";
    }
}

numbers! {
    pub struct Leap(u16), "Leap seconds of UTC (TIME-8)." {
        0 NONE, "TIME-8", "none is near";
        1 PRE_POS, "TIME-8", "a second is added at the end of this month";
        2 PRE_NEG, "TIME-8", "a second is left out at the end of this month";
        3 POS, "TIME-8", "the second that is added passes now";
        4 POST_POS, "TIME-8", "a second was added at the end of last month";
        5 POST_NEG, "TIME-8", "a second was left out at the end of last month";
    }
}

numbers! {
    pub struct Smear(u16), "How a guest is asked to smear leap seconds, if it smears them; the host does not (TIME-8)." {
        0 STRICT, "TIME-8", "not at all";
        1 NOON_LINEAR, "TIME-8", "evenly, from the noon before to the noon behind";
        2 UTC_SLS, "TIME-8", "evenly, over the last 1000 seconds before the end of the day";
    }
}

/// Nanoseconds that `ticks` of a counter are (TIME-5): the product has 128 bits, and what is beyond 64 bits
/// is [`NEVER`]. A shift above [`SHIFT_MAX`] counts as that.
#[must_use]
pub const fn ticks_to_ns(ticks: u64, period: u64, shift: u16) -> u64 {
    let shift = if shift > SHIFT_MAX { SHIFT_MAX } else { shift };
    // Widening, and a product of two numbers of 64 bits in 128: nothing is lost.
    let ns = (ticks as u128 * period as u128) >> shift;
    if ns > NEVER as u128 { NEVER } else { ns as u64 }
}

impl TimeCopy {
    /// Nanoseconds from the moment that this copy describes until the counter says `counter`: none for one
    /// before its base (TIME-5).
    #[must_use]
    pub const fn elapsed(&self, counter: u64) -> u64 {
        ticks_to_ns(counter.saturating_sub(self.counter_base.get()), self.period.get(), self.shift.get())
    }

    /// What a clock says when the counter says `counter`; `None` for one that this copy does not tell, also
    /// where it has no counter or an impossible one (TIME-3 to TIME-5).
    #[must_use]
    pub fn read(&self, clock: Clock, counter: u64) -> Option<u64> {
        let told = self.valid.get() & Clocks::of(clock).bits() != 0;
        let counted = self.counter_kind.get() != CounterKind::NONE.0 && self.shift.get() <= SHIFT_MAX;
        let base = self.ns.get(usize::from(clock.0)).filter(|_| told && counted)?;
        Some(base.get().saturating_add(self.elapsed(counter)))
    }

    /// By how much [`Self::read`] is wrong at most; [`NEVER`] where no bound is known (TIME-6).
    #[must_use]
    pub fn error(&self, clock: Clock, counter: u64) -> u64 {
        let ticks = counter.saturating_sub(self.counter_base.get());
        let grown = ticks_to_ns(ticks, self.period_error.get(), self.shift.get());
        self.error_ns.get(usize::from(clock.0)).map_or(NEVER, |error| error.get().saturating_add(grown))
    }
}

impl Clocks {
    /// The bit of a clock; none for one that there is not.
    #[must_use]
    pub const fn of(clock: Clock) -> Self {
        match clock {
            Clock::RUNNING => Self::RUNNING,
            Clock::BOOT => Self::BOOT,
            Clock::UTC => Self::UTC,
            _ => Self::empty(),
        }
    }
}

#[cfg(test)]
mod tests;
