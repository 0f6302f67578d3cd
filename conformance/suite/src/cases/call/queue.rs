// SPDX-License-Identifier: MIT OR Apache-2.0
//! Full, undrained, out of order, exactly once: by hand.

use super::held::{cancel_read, hold_read};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::{Desk, Random, settle};
use crate::cases::tools::{case, op, status};
use crate::raw::{self, Bound};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.exactly-once", &["CALL-7", "CALL-8", "CALL-14"], Needs::NONE, exactly_once),
    case("call.undrained", &["CALL-8", "DISC-7"], Needs::NONE, undrained),
    case("call.full", &["CALL-8", "CALL-23"], Needs::CONSOLE, full),
    case("call.nearly-full", &["CALL-7", "CALL-8"], Needs::CONSOLE, nearly_full),
    case("call.out-of-order", &["CALL-7", "CALL-17"], Needs::CONSOLE, out_of_order),
];

/// Nothing more comes.
fn quiet(bound: &mut Bound, what: &'static str) -> Outcome {
    settle(bound.env);
    check(bound.look().is_none(), what)
}

fn exactly_once(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let mut random = Random::new(ctx.seed ^ 0x0ce);
    let mut ids: [u16; 64] = core::array::from_fn(|id| id as u16);
    for _ in 0..4 {
        for last in (1..ids.len()).rev() {
            ids.swap(last, random.below(last as u64 + 1) as usize);
        }
        // Kicked now and then.
        for (index, id) in ids.iter().enumerate() {
            let refused = id % 3 == 0;
            let op = if refused { 0x0fff } else { op::NOP };
            bound.submit(op, *id, [0, u64::from(*id) << 8 | 1, 0, 0, 0, 0, 0]);
            if index % 16 == 7 {
                bound.kick();
            }
        }
        bound.kick();
        let mut seen = 0u64;
        for _ in ids {
            let done = bound.wait()?;
            check(done.id < 64, "an id that was not submitted")?;
            check(seen & (1 << done.id) == 0, "a submission was completed twice")?;
            seen |= 1 << done.id;
            let refused = done.id % 3 == 0;
            equal(u64::from(done.status), u64::from(refused), "status")?;
            let value = if refused { 0 } else { u64::from(done.id) << 8 | 1 };
            equal(done.value, value, "value")?;
        }
        bound.kick();
        quiet(&mut bound, "more completions than submissions")?;
    }
    Ok(())
}

fn undrained(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 8)?;
    for lap in 0..3u64 {
        for id in 0..8 {
            bound.submit(op::NOP, id, [0, lap << 8 | u64::from(id), 0, 0, 0, 0, 0]);
            bound.kick();
        }
        // All are written, none is taken; the host has nothing to fetch and writes over none of them.
        for _ in 0..2 {
            bound.kick();
            settle(ctx.env);
        }
        equal(u64::from(bound.state(0).0), 1, "state with undrained completions")?;
        for _ in 0..8 {
            let done = bound.wait()?;
            equal(done.value, lap << 8 | u64::from(done.id), "an undrained completion")?;
        }
        quiet(&mut bound, "more completions than submissions")?;
    }
    Ok(())
}

fn full(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 1)?;
    let buffer = raw::pages(ctx.env, 0x1000, 0x1000)?;
    // Takes the input that there may be, then stays in flight.
    let mut lane = super::emergency::Lane::of(&bound);
    for tries in 0.. {
        bound.submit(op::CONSOLE_READ, 0, [0, buffer.1, 64, 0, 0, 0, 0]);
        bound.kick();
        equal(u64::from(lane.call(&bound, op::NOP, [0, 1, 0, 0, 0, 0, 0])?.status), 0, "emergency NOP")?;
        settle(ctx.env);
        match bound.look() {
            None => break,
            Some(_) if tries < 4096 => {}
            Some(_) => return Err(Fail::Error("the console's input has no end")),
        }
    }
    // As many as `depth` are in flight: nothing more is fetched, not even to find that its id is in flight.
    bound.submit(op::NOP, 0, [0, 5, 0, 0, 0, 0, 0]);
    bound.kick();
    equal(u64::from(lane.call(&bound, op::NOP, [0, 2, 0, 0, 0, 0, 0])?.status), 0, "emergency NOP")?;
    quiet(&mut bound, "a completion out of a full queue")?;
    equal(u64::from(bound.state(0).0), 1, "the host fetched with `depth` submissions in flight")?;
    // Full in either way, it can be reset.
    desk.reset()?;
    let mut bound = desk.attach(desk.features(), 1)?;
    equal(bound.call(op::NOP, [6, 0, 0, 0, 0, 0])?.value, 6, "NOP after a full queue")
}

fn nearly_full(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 2)?;
    let buffer = raw::pages(ctx.env, 0x1000, 0x1000)?;
    hold_read(&mut bound, 0, buffer.1, 64)?;
    // One of two slots is left, and goes round and round.
    for value in 0..20 {
        bound.submit(op::NOP, 1, [0, value, 0, 0, 0, 0, 0]);
        bound.kick();
        let done = bound.wait()?;
        equal(u64::from(done.id), 1, "the id")?;
        equal(done.value, value, "NOP beside a request in flight")?;
    }
    cancel_read(&mut bound, 0)?;
    quiet(&mut bound, "more completions than submissions")
}

fn out_of_order(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let buffer = raw::pages(ctx.env, 0x1000, 0x1000)?;
    for lap in 0..2u64 {
        hold_read(&mut bound, 7, buffer.1, 64)?;
        // More than two laps of the ring go by; the first request is still in flight.
        for batch in 0..3 {
            for id in 8..64 {
                bound.submit(op::NOP, id, [0, lap << 16 | batch << 8 | u64::from(id), 0, 0, 0, 0, 0]);
            }
            bound.kick();
            for _ in 8..64 {
                let done = bound.wait()?;
                equal(u64::from(done.status), u64::from(status::OK), "a later request")?;
                equal(done.value, lap << 16 | batch << 8 | u64::from(done.id), "a later request's value")?;
            }
        }
        cancel_read(&mut bound, 7)?;
    }
    quiet(&mut bound, "more completions than submissions")
}
