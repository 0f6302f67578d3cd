// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests that stay in flight, and CANCEL: by hand.

use super::held::{cancel_read, hold_read};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::session::desk::{Desk, settle};
use crate::cases::tools::{case, op, status};
use crate::raw::{self, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.late", &["CALL-17", "CALL-7"], Needs::CONSOLE, late),
    case("call.cancel", &["CALL-22", "CALL-7", "CALL-17"], Needs::CONSOLE, cancel),
    case("call.cancel-nothing", &["CALL-22"], Needs::NONE, cancel_nothing),
    case("call.cancel-of-another-queue", &["CALL-22"], Needs { vcpus: 2, ..Needs::CONSOLE }, another_queue),
];

fn late(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (buffer, at) = raw::pages(ctx.env, 0x1000, 0x1000)?;
    for offset in (0..0x1000).step_by(8) {
        store(&buffer, offset, 0xa5a5_a5a5_a5a5_a5a5);
    }
    hold_read(&mut bound, 4, at, 64)?;
    for _ in 0..8 {
        bound.kick();
        settle(ctx.env);
        check(bound.look().is_none(), "a read without input was completed")?;
    }
    // It is in flight until it is completed: once, by being cancelled. Its id is then free.
    cancel_read(&mut bound, 4)?;
    settle(ctx.env);
    check(bound.look().is_none(), "a request was completed twice")?;
    hold_read(&mut bound, 4, at, 64)?;
    cancel_read(&mut bound, 4)
}

fn cancel(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 16)?;
    let (_, at) = raw::pages(ctx.env, 0x1000, 0x1000)?;
    for id in [0, 2, 9, 15] {
        hold_read(&mut bound, id, at, 64)?;
        // Another one's id, and the id of CANCEL itself, which is in flight and cannot be cancelled.
        for other in [3, 8] {
            bound.submit(op::CANCEL, 8, [0, other, 0, 0, 0, 0, 0]);
            bound.kick();
            let done = bound.wait()?;
            equal(u64::from(done.id), 8, "the id")?;
            equal(u64::from(done.status), u64::from(status::OK), "CANCEL of what is not in flight")?;
            equal(done.value, 0, "its value")?;
        }
        cancel_read(&mut bound, id)?;
        // What was cancelled is not in flight any more.
        bound.submit(op::CANCEL, 8, [0, u64::from(id), 0, 0, 0, 0, 0]);
        bound.kick();
        equal(bound.wait()?.value, 0, "CANCEL of what was cancelled")?;
    }
    // A batch of a read and its cancellation.
    hold_read(&mut bound, 2, at, 64)?;
    cancel_read(&mut bound, 2)?;
    bound.submit(op::CONSOLE_READ, 5, [0, at, 64, 0, 0, 0, 0]);
    cancel_read(&mut bound, 5)
}

fn cancel_nothing(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for depth in [1u32, 16] {
        let mut bound = desk.attach(desk.features(), depth)?;
        for id in 0..depth {
            let done = bound.call(op::CANCEL, [u64::from(id), 0, 0, 0, 0, 0])?;
            equal(u64::from(done.status), u64::from(status::OK), "CANCEL")?;
            equal(done.value, 0, "CANCEL of what is not in flight")?;
        }
        for id in [u64::from(depth), u64::from(depth) + 1, 0xffff, 0x1_0000, u64::MAX] {
            let done = bound.call(op::CANCEL, [id, 0, 0, 0, 0, 0])?;
            equal(
                u64::from(done.status),
                u64::from(status::BAD_ARGUMENT),
                "CANCEL of an id at or above depth",
            )?;
        }
        desk.reset()?;
    }
    Ok(())
}

fn another_queue(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut first = desk.attach(desk.features(), 16)?;
    let mut second = desk.bind(1, 16, [16, 16])?;
    let (_, at) = raw::pages(ctx.env, 0x1000, 0x1000)?;
    hold_read(&mut first, 4, at, 64)?;
    let done = second.call(op::CANCEL, [4, 0, 0, 0, 0, 0])?;
    equal(done.value, 0, "CANCEL of an id of another queue")?;
    settle(ctx.env);
    check(first.look().is_none(), "a request was cancelled from another queue")?;
    cancel_read(&mut first, 4)
}
