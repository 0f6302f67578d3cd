// SPDX-License-Identifier: MIT OR Apache-2.0
//! NOP and PROBE, by hand.

use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::session::desk::{Desk, Random};
use crate::cases::tools::{case, op, status};
use crate::raw::{self, load};
use crate::since::{self, OPS, Safe};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.nop-values", &["CALL-20", "CALL-3"], Needs::NONE, nop),
    case("call.probe", &["CALL-18", "CALL-21"], Needs::NONE, probe),
    case("call.probe-all", &["CALL-12", "CALL-21"], Needs::NONE, probe_all),
    case("call.statuses", &["CALL-3", "CALL-13"], Needs::NONE, statuses),
];

fn nop(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let mut random = Random::new(ctx.seed);
    let mut nop = |value| {
        let done = bound.call(op::NOP, [value, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::OK), "NOP")?;
        equal(done.value, value, "NOP's value")
    };
    (0..64).try_for_each(|bit| nop(1 << bit))?;
    (0..32).try_for_each(|_| nop(random.word()))?;
    nop(0)
}

fn probe(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let features = load(&ctx.env.window(), 0x90);
    for known in OPS {
        let op = known.op;
        let done = bound.call(op::PROBE, [u64::from(op), 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::OK), "PROBE")?;
        if !known.is_in(features) {
            equal(done.value, 0, "PROBE of an operation whose feature is not there")?;
            continue;
        }
        equal(done.value & !2, 1, "PROBE of an operation that exists")?;
        equal(done.value >> 1, u64::from(known.safe == Safe::Yes), "whether an operation is replay-safe")?;
        // It says the same at any time.
        let again = bound.call(op::PROBE, [u64::from(op), 0, 0, 0, 0, 0])?;
        equal(again.value, done.value, "PROBE, again")?;
    }
    Ok(())
}

fn probe_all(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 64)?;
    let features = desk.features();
    // The first numbers of the families that there are, two of some that there are not.
    let families = (0..=0x0fu64).flat_map(|family| (0..0x10).map(move |number| family << 8 | number));
    let others = (0x10..=0xffu64).step_by(6).flat_map(|family| [family << 8, family << 8 | 0xff]);
    let mut numbers = families.chain(others).peekable();
    while numbers.peek().is_some() {
        let mut asked = [0; 64];
        let mut count = 0;
        for (number, place) in numbers.by_ref().take(64).zip(asked.iter_mut()) {
            bound.submit(op::PROBE, count, [0, number, 0, 0, 0, 0, 0]);
            *place = number;
            count += 1;
        }
        bound.kick();
        for _ in 0..count {
            let done = bound.wait()?;
            let number = asked.get(usize::from(done.id)).copied().unwrap_or(u64::MAX);
            let here = since::op(number).is_some_and(|known| known.is_in(features));
            equal(u64::from(done.status), u64::from(status::OK), "PROBE")?;
            equal(done.value & 1, u64::from(here), "PROBE")?;
            check(done.value == 0 || done.value & !3 == 0 && here, "PROBE's value")?;
        }
    }
    Ok(())
}

/// One way into each refusal that a call without any feature can meet.
fn statuses(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(0, 16)?;
    let table = [
        (op::NOP, [0, 9, 0, 0, 0, 0, 0], status::OK),
        (0x04ff, [0; 7], status::NOT_SUPPORTED),
        (op::PROBE, [0, 0x1_0000, 0, 0, 0, 0, 0], status::BAD_ARGUMENT),
        (op::NOP, [0, 9, 9, 0, 0, 0, 0], status::BAD_RESERVED),
        (op::REGION_QUERY, [0, 0xffff, 0, 0, 0, 0, 0], status::BAD_REGION),
    ];
    for (op, words, expected) in table {
        let done = bound.call_words(op, words)?;
        equal(u64::from(done.status), u64::from(expected), "status")?;
        check(expected == status::OK || done.value == 0, "a value with a status other than OK")?;
    }
    let len = bound.call(op::REGION_QUERY, [0; 6])?;
    equal(len.value, load(&ctx.env.window(), 0x58), "the length of region 0")
}
