// SPDX-License-Identifier: MIT OR Apache-2.0
//! What time it is, and how the guest's counter relates to it.
#![allow(unsafe_code, reason = "reads a clock of the system's")]

use crate::kvm::arch;
use crate::kvm::counter::GuestCounter;
use crate::time::{Now, Relation};
use tenon_abi::time::ticks_to_ns;

/// Looks for one moment: the closest of so many counts.
const LOOKS: u32 = 8;
/// Looks for one moment that need not be as close as can be.
const FEW: u32 = 3;
/// Bits behind the point of a period.
const SHIFT: u16 = 48;

/// What time it is: CLOCK_MONOTONIC_RAW and, where there is one, the guest's counter with it.
#[derive(Clone, Debug)]
pub struct TimeSource {
    counter: Option<GuestCounter>,
    /// The first moment of the relation.
    first: Sample,
    /// What was told last.
    told: Option<(Now, Relation)>,
    /// Ticks between the counter and the clock, at best.
    closest: u64,
}

/// One moment. The clock was read when the counter was between `counter` and `counter + width`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sample {
    counter: u64,
    width: u64,
    ns: u64,
}

impl TimeSource {
    /// With the counter of a machine's vCPUs ([`crate::kvm::Machine::counter`]), or without.
    #[must_use]
    pub fn new(counter: Option<GuestCounter>) -> Self {
        let mut this = Self { counter, first: Sample::default(), told: None, closest: u64::MAX };
        if let (Some(counter), true) = (&mut this.counter, tenon_rings::planted!("guest-counter-ahead")) {
            counter.offset = counter.offset.wrapping_add(1 << 28);
        }
        this.first = this.sample(LOOKS);
        this
    }

    /// What time it is.
    pub fn now(&mut self) -> Now {
        let Sample { counter, ns, .. } = self.sample(FEW);
        Now { monotonic: ns, counter: self.counter.map(|of| counter.wrapping_add(of.offset)) }
    }

    /// What time it is, and the counter's relation to the clock, as far as it is known by now: the longer
    /// this lives, the better. `None` without a counter, and where clock and counter disagree with what was
    /// told before: then it is measured anew.
    pub fn measure(&mut self) -> (Now, Option<Relation>) {
        let sample = self.sample(LOOKS);
        let Some(counter) = self.counter else { return (Now { monotonic: sample.ns, counter: None }, None) };
        let now = Now { monotonic: sample.ns, counter: Some(sample.counter.wrapping_add(counter.offset)) };
        let mut relation = relation(self.first, sample, counter);
        if let Some(told) = &self.told
            && relation.is_some()
            && !agrees(told, now, relation)
        {
            tracing::warn!("the guest's counter and the host's clock have parted: measured anew");
            (self.first, relation) = (sample, None);
        }
        self.told = relation.map(|relation| (now, relation));
        (now, relation)
    }

    /// The closest of `looks` pairs; fewer, where one is nearly as close as any before.
    fn sample(&mut self, looks: u32) -> Sample {
        let mut best = Sample { width: u64::MAX, ..Sample::default() };
        for _ in 0..looks {
            let counter = arch::host_counter();
            let ns = monotonic();
            let width = arch::host_counter().saturating_sub(counter);
            if width < best.width {
                best = Sample { counter, width, ns };
            }
            if looks == FEW && best.width <= self.closest.saturating_mul(2) {
                break;
            }
        }
        self.closest = self.closest.min(best.width);
        best
    }
}

/// What two moments say of the counter. `None` where they are one.
fn relation(first: Sample, last: Sample, counter: GuestCounter) -> Option<Relation> {
    let ticks = last.counter.checked_sub(first.counter).filter(|ticks| *ticks != 0)?;
    let ns = last.ns.checked_sub(first.ns)?;
    // 64 bits that are shifted by 48 fit into 128, and `ticks` is not zero.
    let scaled = |ns: u64| {
        let wide = u128::from(ns).wrapping_shl(SHIFT.into()).checked_div(ticks.into());
        u64::try_from(wide.unwrap_or(u128::MAX)).ok()
    };
    let long = if tenon_rings::planted!("period-too-long") { ns >> 10 } else { 0 };
    let period = scaled(ns.saturating_add(long))?;
    let ns_of = |ticks: u64| ticks_to_ns(ticks, period, SHIFT).saturating_add(1);
    // Each moment may be wrong by its width, and by the nanosecond that a clock is rounded to.
    let apart = ns_of(first.width).saturating_add(ns_of(last.width)).saturating_add(2);
    Some(Relation {
        kind: counter.kind,
        period,
        shift: SHIFT,
        period_error: scaled(apart).unwrap_or(u64::MAX).saturating_add(1),
        error_ns: ns_of(last.width.saturating_add(counter.error)).saturating_add(1),
    })
}

/// Whether what was told of the counter holds for another moment, within the errors of both.
fn agrees((then, told): &(Now, Relation), now: Now, found: Option<Relation>) -> bool {
    let (Some(base), Some(counter)) = (then.counter, now.counter) else { return false };
    let Some(ticks) = counter.checked_sub(base) else { return false };
    let said = then.monotonic.saturating_add(ticks_to_ns(ticks, told.period, told.shift));
    let errors = ticks_to_ns(ticks, told.period_error, told.shift)
        .saturating_add(told.error_ns)
        .saturating_add(found.map_or(0, |found| found.error_ns));
    said.abs_diff(now.monotonic) <= errors
}

/// CLOCK_MONOTONIC_RAW, in nanoseconds.
pub(in crate::kvm) fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the request fills one structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_RAW, &raw mut time) };
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use tenon_abi::CounterKind;

    const COUNTER: GuestCounter = GuestCounter { kind: CounterKind::X86_TSC, offset: 0, error: 0 };

    fn at(counter: u64, width: u64, ns: u64) -> Sample {
        Sample { counter, width, ns }
    }

    #[test]
    fn a_period_and_its_error_are_those_of_two_moments() {
        // 2 ticks a nanosecond over a millisecond, each moment known to 100 ticks.
        let found = relation(at(1000, 100, 50), at(2_001_000, 100, 1_000_050), COUNTER).unwrap();
        assert_eq!(found.period, 1 << (SHIFT - 1));
        assert_eq!(found.error_ns, 52);
        let error = tenon_abi::time::ticks_to_ns(2_000_000, found.period_error, SHIFT);
        assert!((100..=110).contains(&error), "{error}");
        // What the two moments may be is within the error: the true period is.
        for (early, late) in [(0, 100), (100, 0)] {
            let ticks = 2_000_000 + late - early;
            let truth = (1_000_000_u128 << SHIFT) / ticks;
            assert!(truth.abs_diff(found.period.into()) <= found.period_error.into());
        }
        assert_eq!(relation(at(7, 1, 1), at(7, 1, 2), COUNTER), None);
        assert_eq!(relation(at(8, 1, 1), at(7, 1, 2), COUNTER), None);
    }

    #[test]
    fn a_counter_that_parts_from_the_clock_is_seen() {
        let first = at(0, 10, 0);
        let told = |ticks, ns| {
            let now = Now { monotonic: ns, counter: Some(ticks) };
            (now, relation(first, at(ticks, 10, ns), COUNTER).unwrap())
        };
        let then = told(1_000_000, 1_000_000);
        let (now, found) = told(2_000_000, 2_000_015);
        assert!(agrees(&then, now, Some(found)));
        for (ticks, ns) in [(2_000_000, 2_000_500), (2_000_000, 1_999_500), (999_999, 2_000_000)] {
            let (now, found) = told(ticks, ns);
            assert!(!agrees(&then, now, Some(found)), "{ticks} {ns}");
        }
    }

    #[test]
    fn this_systems_counter_keeps_its_relation() {
        let mut source = TimeSource::new(Some(COUNTER));
        let (mut last, mut told) = (source.now(), 0);
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(1));
            let (now, relation) = source.measure();
            assert!(now.monotonic >= last.monotonic && now.counter >= last.counter);
            (last, told) = (now, told + u32::from(relation.is_some()));
        }
        assert_eq!(told, 20);
        let mut without = TimeSource::new(None);
        assert_eq!(without.measure().1, None);
        assert_eq!(without.now().counter, None);
    }
}
