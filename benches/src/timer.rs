// SPDX-License-Identifier: MIT OR Apache-2.0
//! Setting a timer and taking its event, against a doorbell whose thread arms a timerfd and, when that
//! expires, writes an irqfd.

use std::sync::Arc;
use std::thread;

use tenon_host::kvm::{Alarm, KICK_PORT, Outcome};
use tenon_rings::{Site, Words};
use vmm_sys_util::eventfd::EventFd;

use crate::call::{LIMIT, Trouble, heard};
use crate::host::{BARE_BELL, machine};
use crate::listen::{Line, Listener, Medians, medians};
use crate::quiet::{Seat, sit};

const RING: u32 = 1;

/// What was found: medians, and how late events were, in microseconds.
#[derive(Clone, Debug)]
pub struct Timers {
    /// Of setting one, and of how late its event is taken.
    pub medians: Medians,
    /// Latenesses in ascending order, Tenon's and the bare ones.
    pub late: [Vec<f64>; 2],
}

impl Timers {
    /// The lateness that so many of a thousand do not exceed, of both ways.
    #[must_use]
    pub fn late(&self, thousandths: usize) -> Option<[f64; 2]> {
        let at = |of: &Vec<f64>| of.get((of.len().checked_sub(1)? * thousandths).div_ceil(1000)).copied();
        let [ours, theirs] = &self.late;
        Some([at(ours)?, at(theirs)?])
    }
}

/// Measures both in turns. A thread serves Tenon's queue, as one does for the bare doorbell.
///
/// # Errors
///
/// [`Trouble`].
pub fn timers(name: &str, rounds: u64) -> Result<Timers, Trouble> {
    let (machine, host) = machine(&format!("mode=native bench=timer rounds={rounds} bare={BARE_BELL}"))?;
    if machine.counter().is_none() {
        return Err(Trouble::Absent("the guest has no counter in common with its host".into()));
    }
    let event = || EventFd::new(0).map_err(|why| Trouble::Broken(format!("no eventfd: {why}")));
    let (ours, theirs) = (event()?, event()?);
    machine.add_doorbell(KICK_PORT, 0, &ours)?;
    machine.add_doorbell(BARE_BELL, RING, &theirs)?;
    let bare = Alarm::new().map_err(|why| Trouble::Broken(format!("no timerfd: {why}")))?;
    let (control, alarm) = (machine.control(), host.alarm());
    let counter = machine.counter().map_or(0, |counter| counter.offset);
    let (listener, lines) = Listener::new();
    let begun = (ticks(), std::time::Instant::now());
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            sit(Seat::Host);
            while ours.read().is_ok() && !control.is_ending() {
                host.serve(0);
            }
        });
        scope.spawn(|| {
            sit(Seat::Host);
            while alarm.wait().is_ok() && !control.is_ending() {
                host.expire();
            }
        });
        scope.spawn(|| {
            sit(Seat::Host);
            while theirs.read().is_ok() && !control.is_ending() {
                if let Some(page) = host.page() {
                    let deadline = page.load(0, Site::ControlTake).wrapping_sub(counter);
                    bare.set(nanoseconds(begun, deadline.saturating_sub(ticks())));
                    if bare.wait().is_ok() {
                        host.raise_bare();
                    }
                }
            }
        });
        let outcome = machine.run(Arc::clone(&host) as _, Box::new(listener), LIMIT);
        // The machine has ended, or never began: each thread wakes, sees it and leaves.
        control.end(Outcome::Ended);
        let _ = (ours.write(1), theirs.write(1));
        alarm.set(0);
        bare.set(0);
        outcome
    })?;
    let lines = heard(&outcome, &lines)?;
    let late = [0, 1].map(|way| latenesses(begun, &lines, way));
    Ok(Timers { medians: medians(name, &lines)?, late })
}

/// What the guest has kept of one way.
fn latenesses(begun: (u64, std::time::Instant), lines: &[Line], way: u64) -> Vec<f64> {
    let some = lines.iter().filter(|line| line.word == "late" && line.numbers.first() == Some(&way));
    let kept = some.flat_map(|line| line.numbers.iter().skip(1)).filter(|ticks| **ticks != 0);
    let mut late: Vec<f64> = kept.map(|ticks| nanoseconds(begun, *ticks) as f64 / 1000.0).collect();
    late.sort_by(f64::total_cmp);
    late
}

/// By what has passed since `begun` of either clock, once that is some time.
fn nanoseconds((first, began): (u64, std::time::Instant), of: u64) -> u64 {
    let (passed, took) = (ticks().wrapping_sub(first).max(1), began.elapsed().as_nanos());
    u64::try_from(u128::from(of) * took / u128::from(passed)).unwrap_or(u64::MAX)
}

#[allow(unsafe_code, reason = "reads a counter")]
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has it.
    unsafe { core::arch::x86_64::_rdtsc() }
}
