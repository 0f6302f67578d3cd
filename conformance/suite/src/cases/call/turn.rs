// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns and positions, by hand.

use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::session::desk::{Desk, settle};
use crate::cases::tools::{case, op, status};
use crate::kit;
use crate::raw::{self, Bound, load, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.bytes", &["CALL-2", "CALL-3", "CALL-4", "CALL-20"], Needs::NONE, bytes),
    case("call.wrong-turn", &["CALL-2", "CALL-4", "CALL-5"], Needs::NONE, wrong_turn),
    case("call.cleared-slot", &["CALL-5", "SES-2"], Needs::NONE, cleared_slot),
    case("call.depth-1", &["CALL-1", "CALL-4"], Needs::NONE, |ctx| laps(ctx, 1, 40)),
    case("call.depth-2", &["CALL-1", "CALL-4"], Needs::NONE, |ctx| laps(ctx, 2, 80)),
    case("call.depth-64", &["CALL-1", "CALL-4"], Needs::NONE, |ctx| laps(ctx, 64, 192)),
    case("call.depth-max", &["CALL-1", "DISC-9"], Needs::NONE, depth_max),
];

/// One call, every byte of it by the tables and nothing else.
fn bytes(ctx: &Ctx) -> Outcome {
    kit::share_nothing();
    let bound = raw::attach(ctx.env)?;
    let (guest, host, seed) = (bound.guest.0, bound.host, bound.seed);
    for position in 0..3u32 {
        let slot = 0x200 + 64 * position as usize;
        let value = 0x1122_3344_5566_7788 ^ u64::from(position);
        store(&guest, slot, 0);
        store(&guest, slot + 0x08, value);
        for offset in (0x10..0x38).step_by(8) {
            store(&guest, slot + offset, 0);
        }
        // Operation, id 21, turn.
        let turn = u64::from(seed.wrapping_add(position).wrapping_add(1));
        store(&guest, slot + 0x38, 0x0100 | (21 << 16) | (turn << 32));
        raw::full_fence();
        ctx.env.kick(0);
        let done = 0x80 + 16 * position as usize;
        let came = crate::cases::tools::wait_until(ctx.env, || load(&host, done + 8) >> 32 == turn);
        check(came, "no completion with the turn of its position")?;
        equal(load(&host, done + 8), (21 << 16) | (turn << 32), "the completion's tail")?;
        equal(load(&host, done), value, "the completion's value")?;
    }
    Ok(())
}

/// Nothing was fetched, and nothing is held against the guest.
fn nothing_happened(bound: &mut Bound, what: &'static str) -> Outcome {
    bound.kick();
    settle(bound.env);
    check(bound.look().is_none(), what)?;
    equal(u64::from(bound.state(0).0), 1, "a slot that is not there yet is held to be corrupt")
}

fn wrong_turn(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 2)?;
    // Two laps, so that slots with the last lap's turn are among them.
    for call in 0..4u64 {
        let right = bound.seed.wrapping_add(bound.next).wrapping_add(1);
        let strange = [
            right.wrapping_add(1),
            right.wrapping_sub(1),
            0,
            right.wrapping_add(2),
            right.wrapping_sub(2),
            right ^ (1 << 31),
            right.wrapping_sub(bound.seed),
            !right,
        ];
        for turn in strange.into_iter().filter(|turn| *turn != right) {
            bound.submit_with_turn(op::NOP, 0, [0, 1, 0, 0, 0, 0, 0], turn);
            nothing_happened(&mut bound, "a slot with another turn was fetched")?;
        }
        // An id that cannot be, and an operation that does not exist: not looked at, for it is not there.
        bound.submit_with_turn(0xffff, 0xffff, [u64::MAX; 7], right.wrapping_add(1));
        nothing_happened(&mut bound, "a slot with another turn was fetched")?;
        let done = bound.call(op::NOP, [call, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::OK), "the same slot with the right turn")?;
        equal(done.value, call, "its value")?;
    }
    Ok(())
}

fn cleared_slot(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    // Whatever the seed: no session takes cleared memory for a submission.
    for _ in 0..3 {
        let mut bound = desk.attach(desk.features(), 8)?;
        for call in 0..9 {
            nothing_happened(&mut bound, "a cleared slot was fetched")?;
            equal(bound.call(op::NOP, [call, 0, 0, 0, 0, 0])?.value, call, "NOP")?;
        }
        desk.reset()?;
    }
    Ok(())
}

/// Calls in full batches, so many that each slot is used again and again.
fn laps(ctx: &Ctx, depth: u16, calls: u64) -> Outcome {
    kit::share_nothing();
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), u32::from(depth))?;
    let mut value = 0u64;
    while value < calls {
        let count = u64::from(depth).min(calls - value);
        // Ids go round the other way than positions.
        for index in 0..count {
            let id = depth - 1 - index as u16;
            bound.submit(op::NOP, id, [0, value + index, 0, 0, 0, 0, 0]);
        }
        bound.kick();
        for _ in 0..count {
            let done = bound.wait()?;
            equal(u64::from(done.status), u64::from(status::OK), "NOP")?;
            equal(done.value, value + u64::from(depth - 1) - u64::from(done.id), "NOP's value")?;
        }
        value += count;
    }
    equal(u64::from(bound.next), calls, "positions used")
}

fn depth_max(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let depth = (load(&ctx.env.window(), 0x40) >> 32) as u32;
    check((64..=4096).contains(&depth) && depth.is_power_of_two(), "max_depth is no depth")?;
    // Donated: the window need not have room for it.
    let mut bound = desk.attach(desk.features() & !1, depth)?;
    let last = depth as u16 - 1;
    // The first, and the last id and slot.
    for id in [0, last] {
        bound.submit(op::NOP, id, [0, u64::from(id), 0, 0, 0, 0, 0]);
        bound.kick();
        let done = bound.wait()?;
        equal(u64::from(done.id), u64::from(id), "the id")?;
        equal(u64::from(done.status), u64::from(status::OK), "NOP")?;
    }
    while bound.next < depth + 2 {
        let batch = (depth + 2 - bound.next).min(64) as u16;
        for id in 0..batch {
            bound.submit(op::NOP, last - id, [0; 7]);
        }
        bound.kick();
        for _ in 0..batch {
            equal(u64::from(bound.wait()?.status), u64::from(status::OK), "NOP")?;
        }
    }
    Ok(())
}
