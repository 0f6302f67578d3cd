// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to a timer when its port, its vCPU or its session goes (TIME-16), or its ring is corrupt
//! (TIME-13).

use super::{MS, RUNNING, SECOND, TIMERS, cancel, entry, let_pass, read, set};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{bind_port, case, expect, no_entry, op, second, settle, status};
use crate::raw::{self, full_fence, store};
use tenon_abi::Features;

/// The cases.
pub const CASES: &[Case] = &[
    case("time.unbind-drops", &["TIME-16"], TIMERS, unbind),
    case("time.move-keeps", &["TIME-16", "EVT-17"], TIMERS, moves),
    case("time.stop-keeps", &["TIME-16", "VCPU-6"], SMP, stop),
    case("time.reset-drops", &["TIME-16", "SES-6"], TIMERS, reset),
    case("time.corrupt-ring", &["TIME-13", "EVT-20"], TIMERS, corrupt),
    case("time.untaken-entry", &["TIME-13", "EVT-10"], TIMERS, untaken),
];

const SMP: Needs = Needs { features: TIMERS.features.union(Features::SMP), vcpus: 2, ..Needs::NONE };

fn unbind(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    let deadline = read(&mut bound, RUNNING)?.saturating_add(25 * MS);
    set(&mut bound, 3, RUNNING, deadline)?;
    expect(&mut bound, op::EVENT_UNBIND, &[3], status::OK, "EVENT_UNBIND")?;
    expect(&mut bound, op::TIMER_CANCEL, &[3], status::NOT_FOUND, "TIMER_CANCEL of an unbound port")?;
    let in_time = read(&mut bound, RUNNING)? < deadline;
    bind_port(&mut bound, 3, 0, 0)?;
    equal(cancel(&mut bound, 3)?, 0, "a timer from before the port was released")?;
    let_pass(&mut bound, 9, 0, deadline.saturating_add(2 * MS))?;
    if in_time { no_entry(&mut bound, 0, 0, "a timer of a released port has expired") } else { Ok(()) }
}

fn moves(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    let far = read(&mut bound, RUNNING)?.saturating_add(3600 * SECOND);
    set(&mut bound, 3, RUNNING, far)?;
    expect(&mut bound, op::EVENT_MOVE, &[3, 0, 1], status::OK, "EVENT_MOVE")?;
    equal(cancel(&mut bound, 3)?, 1, "the timer of a port that moved")?;
    expect(&mut bound, op::EVENT_MOVE, &[3, 0, 0], status::OK, "EVENT_MOVE")?;
    let deadline = read(&mut bound, RUNNING)?.saturating_add(20 * MS);
    set(&mut bound, 3, RUNNING, deadline)?;
    expect(&mut bound, op::EVENT_MOVE, &[3, 0, 1], status::OK, "EVENT_MOVE")?;
    let in_time = read(&mut bound, RUNNING)? < deadline;
    equal(u64::from(entry(&bound, 1, 0)?), 3, "the port of a timer that moved")?;
    check(read(&mut bound, RUNNING)? >= deadline, "a timer was early")?;
    if in_time { no_entry(&mut bound, 0, 0, "a timer that moved has expired where it was") } else { Ok(()) }
}

fn stop(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 64, [256, 256])?;
    let other = raw::bind(ctx.env, scratch, shift, 1, 16, [16, 16])?;
    bind_port(&mut bound, 3, 1, 0)?;
    let far = read(&mut bound, RUNNING)?.saturating_add(3600 * SECOND);
    set(&mut bound, 3, RUNNING, far)?;
    second::with(&mut bound, other, second::beat, |bound| {
        second::wait_for(bound, 1, "the vCPU does not run")
    })?;
    // It is stopped, and its port is here with the timer.
    equal(cancel(&mut bound, 3)?, 1, "the timer of a port that moved with its vCPU's stop")?;
    let deadline = read(&mut bound, RUNNING)?.saturating_add(MS);
    set(&mut bound, 3, RUNNING, deadline)?;
    equal(u64::from(entry(&bound, 0, 0)?), 3, "the port of a timer")
}

fn reset(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    let deadline = read(&mut bound, RUNNING)?.saturating_add(25 * MS);
    set(&mut bound, 3, RUNNING, deadline)?;
    check(raw::reset(ctx.env), "RESET")?;
    let mut bound = raw::attach(ctx.env)?;
    let in_time = read(&mut bound, RUNNING)? < deadline;
    bind_port(&mut bound, 3, 0, 0)?;
    equal(cancel(&mut bound, 3)?, 0, "a timer of a session that is over")?;
    let_pass(&mut bound, 9, 0, deadline.saturating_add(2 * MS))?;
    if in_time { no_entry(&mut bound, 0, 0, "a timer of a session that is over has expired") } else { Ok(()) }
}

/// How often a timer of a corrupt ring may be later than one of another ring.
const ROUNDS: u32 = 10;

fn corrupt(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    bind_port(&mut bound, 4, 0, 0)?;
    expect(&mut bound, op::EVENT_SIGNAL, &[4], status::OK, "EVENT_SIGNAL")?;
    // `taken` beyond what was written: the ring is corrupt.
    store(&bound.guest.0, 0x40, 99);
    full_fence();
    expect(&mut bound, op::EVENT_SIGNAL, &[4], status::BAD_STATE, "EVENT_SIGNAL in a corrupt ring")?;
    set(&mut bound, 3, RUNNING, 0)?;
    for round in 0..ROUNDS {
        let deadline = read(&mut bound, RUNNING)?.saturating_add(MS);
        set(&mut bound, 4, RUNNING, deadline)?;
        // The other ring goes on, and so does the clock. A host that is late may expire the timer that is set
        // beyond its deadline first (TIME-13, TIME-14): it gets another turn.
        let_pass(&mut bound, 9, round, deadline.saturating_add(MS))?;
        no_entry(&mut bound, 0, 1, "an entry in a corrupt ring")?;
        if cancel(&mut bound, 4)? == 0 {
            return Ok(());
        }
    }
    Err(Fail::Failed("a timer of a corrupt ring never expires", 4, 0))
}

/// A port whose entry is untaken gets no further one, and is raised again once it is taken.
fn untaken(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    for _ in 0..5 {
        set(&mut bound, 3, RUNNING, 0)?;
    }
    equal(u64::from(entry(&bound, 0, 0)?), 3, "the port of a timer")?;
    settle(&mut bound)?;
    no_entry(&mut bound, 0, 1, "a second entry beside an untaken one")?;
    bound.take_until(0, 1);
    set(&mut bound, 3, RUNNING, 0)?;
    match bound.entry(0, 1) {
        Some(3) => Ok(()),
        found => Err(Fail::Failed(
            "a deadline that is over is not raised before TIMER_SET completes",
            u64::from(found.unwrap_or(u32::MAX)),
            0,
        )),
    }
}
