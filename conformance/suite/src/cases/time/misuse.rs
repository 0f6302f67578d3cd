// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks that there are not, ports that are not bound, deadlines that are over or never come, features that
//! were not negotiated.

use super::{BOOT, MS, NEVER, RUNNING, TIME, TIMERS, UTC, cancel, entry, let_pass, read, set};
use crate::case::{Case, Ctx, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{batch, bind_port, case, expect, no_entry, op, settle, status};
use crate::raw;

/// The cases.
pub const CASES: &[Case] = &[
    case("time.unknown-clock", &["TIME-2", "CALL-11", "GEN-9"], TIME, unknown_clock),
    case("time.timer-unknown-clock", &["TIME-2", "TIME-12", "CALL-11"], TIMERS, timer_unknown_clock),
    case("time.timer-unbound-port", &["TIME-12", "TIME-15", "CALL-28"], TIMERS, unbound_port),
    case("time.timer-reserved", &["TIME-12", "CALL-11", "GEN-5"], TIMERS, reserved),
    case("time.refused-has-no-effect", &["TIME-12", "GEN-5"], TIMERS, no_effect),
    case("time.deadline-over", &["TIME-13"], TIMERS, over),
    case("time.deadline-never", &["TIME-13", "TIME-15"], TIMERS, never),
    case("time.thousand-sets", &["TIME-12", "TIME-13"], TIMERS, thousand),
    case("time.timers-without-events", &["TIME-11", "NEG-7"], TIMERS, without_events),
    case("time.not-negotiated", &["TIME-1", "NEG-7", "CALL-12"], TIME, not_negotiated),
    case("time.in-the-emergency-lane", &["CALL-23", "TIME-1"], TIMERS, emergency),
];

const TIME_BIT: u64 = 1 << 9;
const EVENTS_BIT: u64 = 1 << 1;
const BAD_CLOCKS: [u64; 6] = [3, 4, 0xffff, 0x1_0000, 1 << 32, u64::MAX];

fn unknown_clock(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for clock in BAD_CLOCKS {
        expect(&mut bound, op::CLOCK_READ, &[clock], status::BAD_ARGUMENT, "a clock that there is not")?;
        expect(&mut bound, op::CLOCK_READ, &[clock, 1], status::BAD_RESERVED, "an unused argument")?;
    }
    for unused in 1..6 {
        let mut args = [0; 6];
        args[unused] = 1;
        expect(&mut bound, op::CLOCK_READ, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    read(&mut bound, RUNNING).map(|_| ())
}

fn timer_unknown_clock(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    for clock in BAD_CLOCKS {
        let args = [3, clock, 0, 0];
        expect(&mut bound, op::TIMER_SET, &args, status::BAD_ARGUMENT, "a clock that there is not")?;
    }
    // UTC is known, or is not: then no timer of it is set.
    let known = bound.call(op::CLOCK_READ, [UTC, 0, 0, 0, 0, 0])?.status;
    let found = bound.call(op::TIMER_SET, [3, UTC, NEVER, 0, 0, 0])?.status;
    equal(u64::from(found), u64::from(known), "TIMER_SET of UTC, and CLOCK_READ of it")?;
    equal(cancel(&mut bound, 3)?, u64::from(known == status::OK), "TIMER_CANCEL")?;
    no_entry(&mut bound, 0, 0, "a timer that was refused has expired")
}

fn unbound_port(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let max_ports = u64::from(raw::record(ctx.env).max_ports.get());
    for port in [0, 7, max_ports - 1] {
        for deadline in [0, NEVER] {
            let args = [port, RUNNING, deadline, 0];
            expect(&mut bound, op::TIMER_SET, &args, status::NOT_FOUND, "a port that is not bound")?;
        }
        expect(&mut bound, op::TIMER_CANCEL, &[port], status::NOT_FOUND, "a port that is not bound")?;
    }
    bind_port(&mut bound, 7, 0, 0)?;
    for port in [max_ports, 7 + (1 << 32), u64::MAX] {
        let args = [port, RUNNING, 0, 0];
        expect(&mut bound, op::TIMER_SET, &args, status::BAD_ARGUMENT, "a port that there is not")?;
        expect(&mut bound, op::TIMER_CANCEL, &[port], status::BAD_ARGUMENT, "a port that there is not")?;
    }
    no_entry(&mut bound, 0, 0, "a refused timer has expired")
}

fn reserved(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    for args in [[3, 0, 0, 0, 1, 0], [3, 0, 0, 0, 0, 1], [3, 9, 0, 0, 0, u64::MAX]] {
        expect(&mut bound, op::TIMER_SET, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    for args in [[3, 1, 0, 0, 0, 0], [3, 0, 0, 1, 0, 0], [9, 0, 0, 0, 0, 1]] {
        expect(&mut bound, op::TIMER_CANCEL, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    no_entry(&mut bound, 0, 0, "a refused timer has expired")
}

/// A timer outlives every refused try to replace it.
fn no_effect(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    let deadline = read(&mut bound, RUNNING)?.saturating_add(20 * MS);
    set(&mut bound, 3, RUNNING, deadline)?;
    expect(&mut bound, op::TIMER_SET, &[3, 3, NEVER, 0], status::BAD_ARGUMENT, "a clock that there is not")?;
    expect(&mut bound, op::TIMER_SET, &[3, 0, NEVER, 0, 1], status::BAD_RESERVED, "an unused argument")?;
    expect(&mut bound, op::TIMER_SET, &[8, 0, NEVER, 0], status::NOT_FOUND, "a port that is not bound")?;
    expect(&mut bound, op::TIMER_CANCEL, &[8], status::NOT_FOUND, "a port that is not bound")?;
    equal(u64::from(entry(&bound, 0, 0)?), 3, "the port of a timer")?;
    check(read(&mut bound, RUNNING)? >= deadline, "a refused call has changed the deadline")
}

/// A deadline that is over is raised once, before the call completes.
fn over(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    let mut position = 0;
    for clock in [RUNNING, BOOT] {
        let now = read(&mut bound, clock)?;
        for deadline in [0, 1, now / 2, now] {
            set(&mut bound, 3, clock, deadline)?;
            check(bound.entry(0, position) == Some(3), "a deadline that is over is not raised at once")?;
            position += 1;
            bound.take_until(0, position);
            equal(cancel(&mut bound, 3)?, 0, "TIMER_CANCEL behind a deadline that was over")?;
        }
    }
    no_entry(&mut bound, 0, position, "a deadline that is over was raised twice")
}

fn never(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    for clock in [RUNNING, BOOT] {
        for (deadline, slack) in [(NEVER, 0), (NEVER, NEVER), (NEVER - 1, 0), (NEVER - 1, NEVER)] {
            let args = [3, clock, deadline, slack];
            expect(&mut bound, op::TIMER_SET, &args, status::OK, "a deadline at the end of time")?;
            settle(&mut bound)?;
            check(bound.entry(0, 0).is_none(), "a timer at the end of time has expired")?;
            equal(cancel(&mut bound, 3)?, 1, "TIMER_CANCEL of a timer at the end of time")?;
        }
    }
    set(&mut bound, 3, RUNNING, NEVER)?;
    let now = read(&mut bound, RUNNING)?;
    let_pass(&mut bound, 9, 0, now.saturating_add(2 * MS))?;
    no_entry(&mut bound, 0, 0, "a timer at the end of time has expired")
}

/// Many sets in a few batches are one timer.
fn thousand(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    let far = read(&mut bound, RUNNING)?.saturating_add(1 << 50);
    batch(&mut bound, op::TIMER_SET, (0..1000).map(|round| [3, RUNNING, far - round]))?;
    equal(cancel(&mut bound, 3)?, 1, "TIMER_CANCEL of the last of a thousand")?;
    equal(cancel(&mut bound, 3)?, 0, "TIMER_CANCEL of those before it")?;
    let soon = read(&mut bound, RUNNING)?.saturating_add(15 * MS);
    batch(&mut bound, op::TIMER_SET, (0..1000).map(|_| [3, RUNNING, soon]))?;
    entry(&bound, 0, 0)?;
    check(read(&mut bound, RUNNING)? >= soon, "a timer was early")
}

fn without_events(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features() & !EVENTS_BIT, 16)?;
    let args = [0, RUNNING, 0, 0];
    expect(&mut bound, op::TIMER_SET, &args, status::NOT_SUPPORTED, "TIMER_SET without EVENTS")?;
    expect(&mut bound, op::TIMER_CANCEL, &[0], status::NOT_SUPPORTED, "TIMER_CANCEL without EVENTS")?;
    read(&mut bound, RUNNING).map(|_| ())
}

fn not_negotiated(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features() & !TIME_BIT, 16)?;
    for op in [op::CLOCK_READ, op::TIMER_SET, op::TIMER_CANCEL] {
        expect(&mut bound, op, &[0], status::NOT_SUPPORTED, "an operation without TIME")?;
        expect(
            &mut bound,
            op,
            &[u64::MAX, 9, 9, 9, 9, 9],
            status::NOT_SUPPORTED,
            "the same, whatever it says",
        )?;
        let probed = expect(&mut bound, op::PROBE, &[u64::from(op)], status::OK, "PROBE")?;
        equal(probed, 0, "PROBE of an operation without TIME")?;
    }
    Ok(())
}

fn emergency(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    for (position, op) in [op::CLOCK_READ, op::TIMER_SET, op::TIMER_CANCEL].into_iter().enumerate() {
        let words = [0, if op == op::CLOCK_READ { 0 } else { 3 }, 0, 0, 0, 0, 0];
        let done = crate::cases::tools::emergency(&bound, position as u32, op, words)?;
        let wanted = u64::from(status::NOT_SUPPORTED);
        equal(u64::from(done.status), wanted, "an operation of time in the emergency lane")?;
    }
    no_entry(&mut bound, 0, 0, "a refused timer has expired")
}
