// SPDX-License-Identifier: MIT OR Apache-2.0
//! What latches a queue corrupt, and what goes on nevertheless: by hand.

use super::emergency::Lane;
use super::held::hold_read;
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::session::desk::{Desk, settle, wait_corrupt};
use crate::cases::tools::{case, op};
use crate::kit;
use crate::raw::{self, Bound, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.bad-id", &["CALL-6", "CALL-15"], Needs::NONE, bad_id),
    case("call.duplicate-id", &["CALL-6", "CALL-15"], Needs::CONSOLE, duplicate_id),
    case("call.corrupt-is-latched", &["CALL-15", "SES-6"], Needs::NONE, latched),
    case(
        "call.corrupt-and-the-others",
        &["CALL-15", "CALL-23"],
        Needs { vcpus: 2, ..Needs::NONE },
        others_go_on,
    ),
    case("call.bad-armed", &["CALL-16", "CALL-15"], Needs::UPCALL, bad_armed),
];

/// The queue is corrupt for this reason at this position, and stays so.
fn is_corrupt(bound: &mut Bound, reason: u16, position: u32) -> Outcome {
    let (found, at) = wait_corrupt(bound, 0)?;
    equal(u64::from(found), u64::from(reason), "the reason")?;
    equal(u64::from(at), u64::from(position), "the position")?;
    settle(bound.env);
    check(bound.look().is_none(), "a completion out of a corrupt queue")
}

fn bad_id(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for (depth, id, before) in [(16, 16, 0), (16, 17, 5), (64, 0xffff, 70), (1, 1, 3), (64, 4096, 0)] {
        let mut bound = desk.attach(desk.features(), depth)?;
        for value in 0..before {
            equal(bound.call(op::NOP, [value, 0, 0, 0, 0, 0])?.value, value, "NOP")?;
        }
        let position = bound.next;
        bound.submit(op::NOP, id, [0; 7]);
        bound.kick();
        is_corrupt(&mut bound, 1, position)?;
        desk.reset()?;
    }
    // The largest that may be.
    let mut bound = desk.attach(desk.features(), 16)?;
    bound.submit(op::NOP, 15, [0; 7]);
    bound.kick();
    equal(u64::from(bound.wait()?.id), 15, "the largest id")
}

fn duplicate_id(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for id in [0, 5, 15] {
        let mut bound = desk.attach(desk.features(), 16)?;
        let buffer = raw::pages(ctx.env, 0x1000, 0x1000)?;
        hold_read(&mut bound, id, buffer.1, 64)?;
        let position = bound.next;
        // The same id by another operation: what is in flight is the id.
        bound.submit(op::NOP, id, [0; 7]);
        bound.kick();
        is_corrupt(&mut bound, 2, position)?;
        desk.reset()?;
    }
    // Once its completion was taken an id is as good as new.
    let mut bound = desk.attach(desk.features(), 16)?;
    for value in 0..40 {
        equal(bound.call(op::NOP, [value, 0, 0, 0, 0, 0])?.value, value, "NOP with an id used before")?;
    }
    Ok(())
}

fn latched(ctx: &Ctx) -> Outcome {
    kit::share_nothing();
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 16)?;
    for id in 0..3 {
        bound.submit(op::NOP, id, [0; 7]);
    }
    // What comes before the breach is completed, what comes behind it is not.
    bound.submit(op::NOP, 16, [0; 7]);
    bound.submit(op::NOP, 4, [0; 7]);
    bound.kick();
    for _ in 0..3 {
        check(bound.wait()?.id < 3, "a completion for a submission behind the breach")?;
    }
    is_corrupt(&mut bound, 1, 3)?;
    // Neither putting it right nor another breach changes anything.
    let (next, word) = (bound.next, raw::load(&bound.host, 0));
    bound.next = 3;
    bound.submit(op::NOP, 3, [0; 7]);
    bound.kick();
    bound.next = next;
    bound.submit(op::NOP, 5, [0; 7]);
    bound.submit(op::NOP, 0xffff, [0; 7]);
    bound.kick();
    is_corrupt(&mut bound, 1, 3)?;
    equal(raw::load(&bound.host, 0), word, "the state word changed after it was latched")?;
    // Only reset cures.
    desk.reset()?;
    let mut bound = desk.attach(desk.features(), 16)?;
    equal(raw::load(&bound.host, 0), 1, "the state word of a new session")?;
    equal(bound.call(op::NOP, [5, 0, 0, 0, 0, 0])?.value, 5, "NOP in a new session")
}

fn others_go_on(ctx: &Ctx) -> Outcome {
    kit::share_nothing();
    let desk = Desk::new(ctx.env)?;
    let mut first = desk.attach(desk.features(), 16)?;
    let mut second = desk.bind(1, 16, [16, 16])?;
    first.submit(op::NOP, 16, [0; 7]);
    first.kick();
    is_corrupt(&mut first, 1, 0)?;
    for value in 0..20 {
        equal(second.call(op::NOP, [value, 0, 0, 0, 0, 0])?.value, value, "NOP on another vCPU's queue")?;
    }
    let mut lane = Lane::of(&first);
    for value in 0..4 {
        equal(
            lane.call(&first, op::NOP, [0, value, 0, 0, 0, 0, 0])?.value,
            value,
            "NOP on the emergency lane",
        )?;
    }
    equal(u64::from(second.state(0).0), 1, "the state of another queue")?;
    equal(u64::from(first.state(8).0), 1, "the state of the emergency lane")?;
    // And the other way: a corrupt emergency lane leaves its vCPU's call queue alone.
    Lane::of(&second).publish(&second, op::NOP, 1, [0; 7]);
    let (reason, position) = wait_corrupt(&second, 8)?;
    equal(u64::from(reason), 1, "the reason on the emergency lane")?;
    equal(u64::from(position), 0, "the position on the emergency lane")?;
    equal(second.call(op::NOP, [9, 0, 0, 0, 0, 0])?.value, 9, "NOP beside a corrupt emergency lane")
}

fn bad_armed(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for high in [1, 1 << 31, u64::from(u32::MAX)] {
        let mut bound = desk.attach(desk.features(), 16)?;
        store(&bound.guest.0, 0x00, high << 32);
        raw::full_fence();
        // The host reads the word when it writes a completion.
        bound.submit(op::NOP, 0, [0; 7]);
        bound.kick();
        equal(u64::from(bound.wait()?.status), 0, "the call that found the armed word")?;
        let (reason, _) = wait_corrupt(&bound, 0)?;
        equal(u64::from(reason), 4, "the reason")?;
        bound.submit(op::NOP, 1, [0; 7]);
        bound.kick();
        settle(ctx.env);
        check(bound.look().is_none(), "a completion out of a corrupt queue")?;
        desk.reset()?;
    }
    let mut bound = desk.attach(desk.features(), 16)?;
    store(&bound.guest.0, 0x00, u64::from(u32::MAX));
    equal(bound.call(op::NOP, [1, 0, 0, 0, 0, 0])?.value, 1, "NOP with a low half of ones")?;
    settle(ctx.env);
    equal(u64::from(bound.state(0).0), 1, "a valid armed word is held to be corrupt")
}
