// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page and REPAIRED, while nothing is restored (LIFE-5 to LIFE-7).

use super::{GENERATION, GENERATION_BIT, KIND, Page, repaired};
use crate::case::{Case, Ctx, Outcome, check, equal};
use crate::cases::session::desk::{Desk, Random};
use crate::cases::tools::{INLINE, case, emergency, expect, op, status};
use crate::raw;
use crate::since;

/// The cases.
pub const CASES: &[Case] = &[
    case("generation.page", &["LIFE-5", "LIFE-6", "PAGE-2"], GENERATION, page),
    case("generation.page-donated", &["LIFE-6", "PAGE-6"], GENERATION, donated),
    case("generation.page-of-no-feature", &["PAGE-2", "NEG-7"], GENERATION, page_of_no_feature),
    case("generation.outlives-reset", &["LIFE-5"], GENERATION, outlives_reset),
    case("generation.repaired", &["LIFE-7", "LIFE-8"], GENERATION, repairs),
    case("generation.repaired-with-another-id", &["LIFE-7"], GENERATION, another_id),
    case("generation.repaired-with-random-ids", &["LIFE-7", "GEN-7"], GENERATION, random_ids),
    case("generation.repaired-bad-reserved", &["CALL-9", "CALL-11"], GENERATION, bad_reserved),
    case("generation.repaired-not-negotiated", &["NEG-7", "LIFE-5"], GENERATION, not_negotiated),
    case("generation.repaired-not-in-the-lane", &["CALL-23"], GENERATION, not_in_the_lane),
];

fn page(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::of(&mut bound)?;
    let id = page.id()?;
    // 128 random bits: halves that are alike, or zero, are no accident.
    check(id[0] != 0 && id[1] != 0 && id[0] != id[1], "an id that is not random")?;
    for _ in 0..20 {
        check(page.id()? == id, "an id that changes by itself")?;
    }
    for offset in (8..0x40).chain(0x50..0x80).chain(0x90..0x1000).step_by(8) {
        equal(page.word(offset), 0, "what is neither sequence nor copy")?;
    }
    Ok(())
}

/// The same generation, told by a page of the guest's.
fn donated(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 16)?;
    let id = Page::of(&mut bound)?.id()?;
    desk.reset()?;
    let mut bound = desk.attach(desk.features() & !1, 16)?;
    let page = Page::of(&mut bound)?;
    check(page.id()? == id, "another id in a donated page")?;
    repaired(&mut bound, id, status::OK, "REPAIRED with the id")
}

fn page_of_no_feature(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features() & !GENERATION_BIT, 16)?;
    expect(&mut bound, op::PAGE, &[KIND, 0], status::NOT_FOUND, "the page without GENERATION").map(|_| ())
}

fn outlives_reset(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let id = Page::of(&mut bound)?.id()?;
    for _ in 0..3 {
        check(raw::reset(ctx.env), "RESET")?;
        bound = raw::attach(ctx.env)?;
        check(Page::of(&mut bound)?.id()? == id, "another id after a reset")?;
    }
    repaired(&mut bound, id, status::OK, "REPAIRED with the id")
}

/// It may be said again: it is replay-safe.
fn repairs(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::of(&mut bound)?;
    let id = page.id()?;
    for _ in 0..5 {
        repaired(&mut bound, id, status::OK, "REPAIRED with the id")?;
    }
    check(page.id()? == id, "another id after REPAIRED")?;
    let args = [u64::from(op::REPAIRED)];
    equal(expect(&mut bound, op::PROBE, &args, status::OK, "PROBE")?, 3, "PROBE's value")
}

fn another_id(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let id = Page::of(&mut bound)?.id()?;
    let [low, high] = id;
    for other in [[0, 0], [u64::MAX; 2], [high, low], [low, low], [low, 0], [0, high], [!low, !high]] {
        repaired(&mut bound, other, status::BAD_STATE, "REPAIRED with another id")?;
    }
    for bit in 0..64 {
        let flipped = [[low ^ (1 << bit), high], [low, high ^ (1 << bit)]];
        for other in flipped {
            repaired(&mut bound, other, status::BAD_STATE, "REPAIRED with a bit flipped")?;
        }
    }
    repaired(&mut bound, id, status::OK, "REPAIRED with the id")
}

fn random_ids(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::of(&mut bound)?;
    let id = page.id()?;
    let mut random = Random::new(ctx.seed ^ 0x6e7);
    for _ in 0..200 {
        repaired(&mut bound, [random.word(), random.word()], status::BAD_STATE, "REPAIRED with a random id")?;
    }
    check(page.id()? == id, "another id")
}

fn bad_reserved(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let [low, high] = Page::of(&mut bound)?.id()?;
    for extra in 2..6 {
        let mut args = [low, high, 0, 0, 0, 0];
        args[extra] = 1;
        expect(&mut bound, op::REPAIRED, &args, status::BAD_RESERVED, "an unused argument")?;
        let args = [low, 0, args[2], args[3], args[4], args[5]];
        expect(&mut bound, op::REPAIRED, &args, status::BAD_RESERVED, "and another id")?;
    }
    for first in [2, 1 << 32, INLINE | (16 << 32)] {
        let done = bound.call_words(op::REPAIRED, [first, low, high, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "flags and count")?;
    }
    Ok(())
}

fn not_negotiated(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features() & !GENERATION_BIT, 16)?;
    for op in [op::REPAIRED, op::SUSPEND_WATCH, op::SUSPEND_READY] {
        expect(&mut bound, op, &[], status::NOT_SUPPORTED, "without GENERATION")?;
        expect(&mut bound, op, &[1 << 40, 1, 1], status::NOT_SUPPORTED, "without GENERATION")?;
        let probed = expect(&mut bound, op::PROBE, &[u64::from(op)], status::OK, "PROBE")?;
        equal(probed, 0, "PROBE's value")?;
    }
    check(since::negotiable(ctx.env) & GENERATION_BIT != 0, "GENERATION is offered")
}

fn not_in_the_lane(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let [low, high] = Page::of(&mut bound)?.id()?;
    for (position, op) in (0..).zip([op::REPAIRED, op::SUSPEND_WATCH, op::SUSPEND_READY]) {
        let done = emergency(&bound, position, op, [0, low, high, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::NOT_SUPPORTED), "in the emergency lane")?;
    }
    Ok(())
}
