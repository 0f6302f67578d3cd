// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clocks of this process: its monotonic clock, the processor's counter, and how they relate (TIME-4 to
//! TIME-6).
#![allow(unsafe_code, reason = "reads the processor's counter")]

use crate::time::{Now, Relation, Utc};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};
use tenon_abi::CounterKind;
use tenon_abi::time::{ClockStatus, NEVER};

/// Bits behind the point of a period: enough for a billionth, and for counters down to a megahertz.
const SHIFT: u16 = 48;
/// How much the monotonic clock may be slewed, in parts of a million: what Linux does at most.
const SLEW: u128 = 500;
/// Tries of one sample: the shortest one is the least disturbed.
const TRIES: u32 = 16;
/// How long the first measurement takes.
const FIRST: Duration = Duration::from_millis(2);

/// The clocks as they are now, in nanoseconds since this process first asked.
#[must_use]
pub fn now() -> Now {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(Instant::now);
    // The counter first: a timer that is due by it is due (TIME-13).
    let counter = counter();
    Now { monotonic: nanos(origin.elapsed()), counter }
}

/// UTC as the operating system has it. How wrong that is, it does not say.
#[must_use]
pub fn utc() -> Option<Utc> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Utc { status: ClockStatus::FREERUNNING, ..Utc::new(nanos(since), NEVER) })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment by both, and how far apart they may have been read, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Sample {
    now: Now,
    counter: u64,
    apart: u64,
}

impl Sample {
    fn take() -> Option<Self> {
        let one = || {
            let before = now();
            let after = now();
            // The counter of `after` lies between the two readings of the monotonic clock.
            let apart = after.monotonic.saturating_sub(before.monotonic);
            Some(Self { now: after, counter: after.counter?, apart })
        };
        (0..TRIES).filter_map(|_| one()).min_by_key(|sample| sample.apart)
    }
}

/// Measures how the counter relates to the monotonic clock: the longer ago it was begun, the better.
#[derive(Debug)]
pub(super) struct Measure {
    first: Option<Sample>,
}

impl Measure {
    /// Begins. Without a counter that all processors have in common there is nothing to measure.
    pub(super) fn begin() -> Self {
        let first = Sample::take();
        if first.is_some() {
            std::thread::sleep(FIRST);
        }
        Self { first }
    }

    /// The relation as it is known now, with a moment of which both values belong together.
    pub(super) fn relation(&self) -> Option<(Now, Relation)> {
        let (first, last) = (self.first?, Sample::take()?);
        let ticks = u128::from(last.counter.checked_sub(first.counter).filter(|ticks| *ticks != 0)?);
        let ns = u128::from(last.now.monotonic.saturating_sub(first.now.monotonic));
        let period = (ns << SHIFT).checked_div(ticks)?;
        let apart = u128::from(first.apart.saturating_add(last.apart));
        let measured = (apart << SHIFT).checked_div(ticks)?;
        let slewed = period.saturating_mul(SLEW).checked_div(1_000_000)?;
        let relation = Relation {
            kind: KIND,
            period: u64::try_from(period).ok()?,
            shift: SHIFT,
            period_error: u64::try_from(measured.saturating_add(slewed)).ok()?,
            error_ns: last.apart,
        };
        Some((last.now, relation))
    }
}

/// The processor's counter, if all processors have it in common and it never stands.
#[cfg(target_arch = "x86_64")]
fn counter() -> Option<u64> {
    static INVARIANT: OnceLock<bool> = OnceLock::new();
    let invariant = INVARIANT.get_or_init(|| {
        use std::arch::x86_64::__cpuid;
        // Bit 8 of EDX: the counter runs at one rate in every state of the processor.
        __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & (1 << 8) != 0
    });
    // SAFETY: every processor of this architecture has the instruction, and the operating system leaves it to
    // processes: Rust's own clock is read by it.
    invariant.then(|| unsafe {
        std::arch::x86_64::_mm_lfence();
        std::arch::x86_64::_rdtsc()
    })
}

#[cfg(target_arch = "x86_64")]
const KIND: CounterKind = CounterKind::X86_TSC;

/// The processor's counter.
#[cfg(target_arch = "aarch64")]
fn counter() -> Option<u64> {
    let count: u64;
    // SAFETY: reads a counter that the architecture has in common for all processors; operating systems leave
    // it to processes. The barrier keeps it behind what comes before.
    unsafe { std::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
    Some(count)
}

#[cfg(target_arch = "aarch64")]
const KIND: CounterKind = CounterKind::ARM_CNTVCT;

/// None is known to be in common here.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn counter() -> Option<u64> {
    None
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const KIND: CounterKind = CounterKind::NONE;

#[cfg(test)]
#[allow(clippy::panic, reason = "tests may panic")]
mod tests {
    use super::{Measure, now};
    use tenon_abi::time::ticks_to_ns;

    /// What the relation makes of the counter is the process's clock, within the error that it tells.
    #[test]
    fn the_counter_follows_the_clock_within_its_error() {
        let measure = Measure::begin();
        let Some((first, relation)) = measure.relation() else {
            assert_eq!(now().counter, None, "a counter without a relation");
            return;
        };
        std::thread::sleep(std::time::Duration::from_millis(5));
        let Some((last, later)) = measure.relation() else { panic!("the counter has gone") };
        let [from, to] = [first, last].map(|now| now.counter.unwrap_or_default());
        assert!(to > from && last.monotonic > first.monotonic, "both go on");
        let ticks = to.saturating_sub(from);
        let counted = ticks_to_ns(ticks, relation.period, relation.shift);
        let error = ticks_to_ns(ticks, relation.period_error, relation.shift)
            .saturating_add(relation.error_ns)
            .saturating_add(later.error_ns);
        let passed = last.monotonic.saturating_sub(first.monotonic);
        assert!(
            counted.abs_diff(passed) <= error,
            "{counted} ns are counted, {passed} passed, error {error}"
        );
    }
}
