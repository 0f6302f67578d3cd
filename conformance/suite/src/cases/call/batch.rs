// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many submissions, one kick: by hand.

use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{case, op, status};
use crate::raw;

/// The cases.
pub const CASES: &[Case] = &[
    case("call.batch", &["CALL-14", "CALL-8"], Needs::NONE, batch),
    case("call.batch-order", &["CALL-14"], Needs::EVENTS, order),
];

fn batch(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for lap in 0..4u64 {
        // Good ones, refused ones and unknown ones side by side.
        for id in 0..32u16 {
            let (op, words) = match id % 4 {
                0 => (op::NOP, [0, lap << 32 | u64::from(id), 0, 0, 0, 0, 0]),
                1 => (op::NOP, [0, 1, 0, 0, 0, 0, 1]),
                2 => (op::PROBE, [0, 0x0100, 0, 0, 0, 0, 0]),
                _ => (0x00aa, [0; 7]),
            };
            bound.submit(op, id, words);
        }
        bound.kick();
        let mut seen = 0u32;
        for _ in 0..32 {
            let done = bound.wait()?;
            check(
                done.id < 32 && seen & (1 << done.id) == 0,
                "a completion for no or for the same submission",
            )?;
            seen |= 1 << done.id;
            let expected = match done.id % 4 {
                0 => (status::OK, lap << 32 | u64::from(done.id)),
                1 => (status::BAD_RESERVED, 0),
                2 => (status::OK, 3),
                _ => (status::NOT_SUPPORTED, 0),
            };
            equal(u64::from(done.status), u64::from(expected.0), "status in a batch")?;
            equal(done.value, expected.1, "value in a batch")?;
        }
    }
    Ok(())
}

/// Each depends on all before it: any other order shows.
fn order(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 64)?;
    let steps = [
        (op::EVENT_SIGNAL, 5, status::NOT_FOUND),
        (op::EVENT_BIND, 5, status::OK),
        (op::EVENT_BIND, 5, status::EXISTS),
        (op::EVENT_SIGNAL, 5, status::OK),
        (op::EVENT_UNBIND, 5, status::OK),
        (op::EVENT_UNBIND, 5, status::NOT_FOUND),
        (op::EVENT_SIGNAL, 5, status::NOT_FOUND),
        (op::EVENT_BIND, 6, status::OK),
    ];
    let last = [
        (op::EVENT_SIGNAL, 6, status::OK),
        (op::EVENT_UNBIND, 6, status::OK),
        (op::EVENT_BIND, 5, status::OK),
        (op::EVENT_SIGNAL, 5, status::OK),
        (op::EVENT_UNBIND, 5, status::OK),
        (op::EVENT_SIGNAL, 6, status::NOT_FOUND),
    ];
    let all = || steps.into_iter().chain(last);
    // Ids against the order, so that an order by id shows too.
    for (index, (op, port, _)) in all().enumerate() {
        bound.submit(op, 63 - index as u16, [0, port, 0, 0, 0, 0, 0]);
    }
    bound.kick();
    for _ in all() {
        let done = bound.wait()?;
        let index = 63 - usize::from(done.id.min(63));
        let (_, _, expected) = all().nth(index).unwrap_or((0, 0, 0xffff));
        equal(u64::from(done.status), u64::from(expected), "an effect out of order")?;
    }
    // Port 5 was raised before port 6, and the entries say so.
    equal(u64::from(bound.entry(0, 0).unwrap_or(u32::MAX)), 5, "the first entry")?;
    equal(u64::from(bound.entry(0, 1).unwrap_or(u32::MAX)), 6, "the second entry")
}
