// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks and timers, by hand and by the shim (TIME-1 to TIME-17).

pub mod clock;
pub mod keep;
pub mod misuse;
pub mod shim;
pub mod shim_timer;
pub mod timer;

use super::page::{Copy, Page};
use crate::case::{Fail, Needs, Outcome};
use crate::cases::tools::{bind_port, expect, op, settle, status};
use crate::raw::{Bound, LONGER};
use tenon_abi::Features;

pub(super) const RUNNING: u64 = 0;
const BOOT: u64 = 1;
const UTC: u64 = 2;
/// A deadline that is never reached (TIME-13).
const NEVER: u64 = u64::MAX;
/// A millisecond and a second, in nanoseconds.
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

const TIME: Needs = Needs { features: Features::TIME, ..Needs::NONE };
const TIMERS: Needs = Needs { features: Features::TIME.union(Features::EVENTS), ..Needs::NONE };

/// What a clock says, by call.
pub(super) fn read(bound: &mut Bound, clock: u64) -> Result<u64, Fail> {
    expect(bound, op::CLOCK_READ, &[clock], status::OK, "CLOCK_READ")
}

/// Sets a port's timer without slack.
fn set(bound: &mut Bound, port: u64, clock: u64, deadline: u64) -> Outcome {
    expect(bound, op::TIMER_SET, &[port, clock, deadline, 0], status::OK, "TIMER_SET").map(|_| ())
}

/// Takes a port's timer away; whether it had not expired.
fn cancel(bound: &mut Bound, port: u64) -> Result<u64, Fail> {
    expect(bound, op::TIMER_CANCEL, &[port], status::OK, "TIMER_CANCEL")
}

/// Waits for an entry at a position of a ring, as long as a timer may take.
fn entry(bound: &Bound, class: usize, position: u32) -> Result<u32, Fail> {
    for _ in 0..bound.env.patience().saturating_mul(LONGER) {
        if let Some(port) = bound.entry(class, position) {
            return Ok(port);
        }
        bound.env.relax();
    }
    Err(Fail::Failed("a timer was never raised (position)", u64::from(position), class as u64))
}

/// Waits until a clock is beyond a deadline, and a timer of another port that was set for later was raised in
/// the ring of class 1 at `position`: a timer that is due before that was raised, or is never.
fn let_pass(bound: &mut Bound, port: u32, position: u32, deadline: u64) -> Outcome {
    if position == 0 {
        bind_port(bound, port, 0, 1)?;
    }
    set(bound, u64::from(port), RUNNING, deadline)?;
    if entry(bound, 1, position)? != port {
        return Err(Fail::Failed("an entry of another port", u64::from(port), 0));
    }
    bound.take_until(1, position + 1);
    settle(bound)
}

/// What the page's formula makes of a counter (TIME-5), by the spec's numbers alone.
fn by_formula(copy: &Copy, clock: u64, counter: u64) -> u64 {
    let shift = copy[5] >> 16 & 0xffff;
    let ticks = counter.saturating_sub(copy[0]);
    let passed = (u128::from(ticks) * u128::from(copy[1])) >> shift;
    copy[2 + clock as usize].saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
}

/// `counter_kind` of a copy.
const fn kind(copy: &Copy) -> u16 {
    copy[5] as u16
}

/// Reads a clock by the page; `None` where there is no counter that this environment knows.
fn by_page(bound: &Bound, page: &Page, clock: u64) -> Result<Option<u64>, Fail> {
    for _ in 0..1000 {
        if let Some((copy, counter)) = page.look(|copy| bound.env.counter(kind(copy))) {
            return Ok(counter.map(|counter| by_formula(&copy, clock, counter)));
        }
    }
    Err(Fail::Failed("the sequence never stands still", page.sequence(), 0))
}
