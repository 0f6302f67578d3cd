// SPDX-License-Identifier: MIT OR Apache-2.0
//! GIVE, TAKE and HINT as they are meant, by hand (MEM-6 to MEM-9).

use super::{Desk, Info, MEMORY, ground, mark, marked, whole, zeros};
use crate::case::{Case, Ctx, Fail, Outcome, check, equal};
use crate::cases::session::desk::Random;
use crate::cases::tools::{case, expect, op, settle, status};
use crate::raw::{self, Bound, load, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("memory.give-and-take", &["MEM-1", "MEM-6", "MEM-7"], MEMORY, give_and_take),
    case("memory.zeros-after-take", &["MEM-7"], MEMORY, zeros_after_take),
    case("memory.neighbours-kept", &["MEM-6", "MEM-7"], MEMORY, neighbours),
    case("memory.touch-given", &["MEM-1", "MEM-7", "GEN-7"], MEMORY, touch),
    case("memory.take-part", &["MEM-6", "MEM-7"], MEMORY, take_part),
    case("memory.one-call-at-most", &["MEM-2", "MEM-6"], MEMORY, one_call),
    case("memory.batch", &["MEM-6", "MEM-7", "CALL-14", "CALL-17"], MEMORY, batch),
    case("memory.many-ranges", &["MEM-6", "MEM-7"], MEMORY, many),
    case("memory.hint", &["MEM-8"], MEMORY, hint),
    case("memory.reset-returns-all", &["MEM-9", "SES-6"], MEMORY, reset),
    case("memory.reset-with-a-give-in-flight", &["MEM-9", "SES-6", "SES-7"], MEMORY, reset_in_flight),
    case("memory.random", &["MEM-6", "MEM-7"], MEMORY, random),
];

fn given(bound: &mut Bound, desk: &Desk, wanted: u64) -> Outcome {
    equal(desk.info(bound)?.given, wanted, "bytes that are given")
}

/// A vCPU, a page for answers, and memory to give.
fn set_up(ctx: &Ctx, granules: u64) -> Result<(Bound, Desk, Info, (tenon_rings::Mapping, u64)), Fail> {
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    let info = desk.info(&mut bound)?;
    let ground = ground(ctx.env, &info, granules)?;
    Ok((bound, desk, info, ground))
}

fn give_and_take(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, (_, at)) = set_up(ctx, 2)?;
    let unit = info.granule;
    for _ in 0..3 {
        whole(&mut bound, &info, op::GIVE, at, unit)?;
        given(&mut bound, &desk, unit)?;
        whole(&mut bound, &info, op::GIVE, at + unit, unit)?;
        given(&mut bound, &desk, 2 * unit)?;
        whole(&mut bound, &info, op::TAKE, at, 2 * unit)?;
        given(&mut bound, &desk, 0)?;
    }
    let after = desk.info(&mut bound)?;
    check(after == info, "what is given and taken again leaves another answer")
}

fn zeros_after_take(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info, (page, at)) = set_up(ctx, 2)?;
    let len = 2 * info.granule;
    for word in (0..len).step_by(64) {
        store(&page, word as usize, !word);
    }
    whole(&mut bound, &info, op::GIVE, at, len)?;
    whole(&mut bound, &info, op::TAKE, at, len)?;
    zeros(&page, 0, len)?;
    // It is memory as any other.
    mark(&page, 0, len);
    settle(&mut bound)?;
    marked(&page, 0, len)
}

fn neighbours(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info, (page, at)) = set_up(ctx, 3)?;
    let unit = info.granule;
    mark(&page, 0, 3 * unit);
    for op in [op::GIVE, op::TAKE] {
        whole(&mut bound, &info, op, at + unit, unit)?;
        settle(&mut bound)?;
        marked(&page, 0, unit)?;
        marked(&page, 2 * unit, 3 * unit)?;
    }
    zeros(&page, unit, 2 * unit)
}

fn touch(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, (page, at)) = set_up(ctx, 1)?;
    whole(&mut bound, &info, op::GIVE, at, info.granule)?;
    // A guest that breaks its promise: nothing happens to its host, and the bytes are lost.
    mark(&page, 0, info.granule);
    let _ = load(&page, 0);
    settle(&mut bound)?;
    given(&mut bound, &desk, info.granule)?;
    mark(&page, 0, info.granule);
    whole(&mut bound, &info, op::TAKE, at, info.granule)?;
    zeros(&page, 0, info.granule)?;
    given(&mut bound, &desk, 0)
}

fn take_part(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, (_, at)) = set_up(ctx, 3)?;
    let unit = info.granule;
    whole(&mut bound, &info, op::GIVE, at, 3 * unit)?;
    whole(&mut bound, &info, op::TAKE, at + unit, unit)?;
    given(&mut bound, &desk, 2 * unit)?;
    let middle = [at + unit, unit];
    expect(&mut bound, op::TAKE, &middle, status::NOT_FOUND, "TAKE of what was taken")?;
    expect(&mut bound, op::TAKE, &[at, 3 * unit], status::NOT_FOUND, "TAKE with a gap")?;
    given(&mut bound, &desk, 2 * unit)?;
    whole(&mut bound, &info, op::GIVE, at + unit, unit)?;
    // Given in two calls, taken in one.
    whole(&mut bound, &info, op::TAKE, at, 3 * unit)?;
    given(&mut bound, &desk, 0)
}

fn one_call(ctx: &Ctx) -> Outcome {
    const MOST: u64 = 1 << 20;
    let (mut bound, desk, info, (_, at)) = set_up(ctx, 1)?;
    // More than one call does, where that is little enough to have it.
    let len = info.max_range + info.granule;
    let at = match len <= MOST {
        true => ground(ctx.env, &info, len / info.granule)?.1,
        false => at,
    };
    let len = if len <= MOST { len } else { info.granule };
    let done = expect(&mut bound, op::GIVE, &[at, len], status::OK, "GIVE")?;
    check(done != 0 && done <= len.min(info.max_range), "bytes of one call")?;
    check(done.is_multiple_of(info.granule), "bytes of one call")?;
    given(&mut bound, &desk, done)?;
    if done < len {
        let rest = [at + done, len - done];
        expect(&mut bound, op::TAKE, &rest, status::NOT_FOUND, "TAKE of what a call left out")?;
        whole(&mut bound, &info, op::GIVE, at + done, len - done)?;
    }
    given(&mut bound, &desk, len)?;
    let done = expect(&mut bound, op::TAKE, &[at, len], status::OK, "TAKE")?;
    check(done != 0 && done <= len.min(info.max_range), "bytes of one call")?;
    if done < len {
        whole(&mut bound, &info, op::TAKE, at + done, len - done)?;
    }
    given(&mut bound, &desk, 0)
}

fn batch(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, (page, at)) = set_up(ctx, 4)?;
    let unit = info.granule;
    mark(&page, 0, 4 * unit);
    for op in [op::GIVE, op::TAKE] {
        for id in 0..4u16 {
            bound.submit(op, id, [0, at + u64::from(id) * unit, unit, 0, 0, 0, 0]);
        }
        bound.kick();
        let mut seen = 0u16;
        for _ in 0..4 {
            let done = bound.wait()?;
            equal(u64::from(done.status), 0, "a call of a batch")?;
            equal(done.value, unit, "its value")?;
            check(done.id < 4 && seen & 1 << done.id == 0, "its id")?;
            seen |= 1 << done.id;
        }
        given(&mut bound, &desk, if op == op::GIVE { 4 * unit } else { 0 })?;
    }
    zeros(&page, 0, 4 * unit)
}

fn many(ctx: &Ctx) -> Outcome {
    const MOST: u64 = 1 << 19;
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    let info = desk.info(&mut bound)?;
    // At least 64 that do not touch, where so much memory costs little; a few more may be refused.
    let count = (MOST / info.granule / 2).clamp(2, 64);
    let (_, at) = ground(ctx.env, &info, 2 * count + 2)?;
    let place = |index: u64| at + 2 * index * info.granule;
    for index in 0..count {
        expect(&mut bound, op::GIVE, &[place(index), info.granule], status::OK, "a separate range")?;
    }
    let more = bound.call(op::GIVE, [place(count), info.granule, 0, 0, 0, 0])?;
    match more.status {
        status::OK => whole(&mut bound, &info, op::TAKE, place(count), info.granule)?,
        other => equal(u64::from(other), u64::from(status::NO_CAPACITY), "one more range")?,
    }
    given(&mut bound, &desk, count * info.granule)?;
    // What closes a gap needs no room.
    for index in (0..count).rev() {
        expect(&mut bound, op::TAKE, &[place(index), info.granule], status::OK, "TAKE")?;
    }
    given(&mut bound, &desk, 0)
}

fn hint(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, (page, at)) = set_up(ctx, 3)?;
    let unit = info.granule;
    mark(&page, 0, 3 * unit);
    whole(&mut bound, &info, op::HINT, at + unit, unit)?;
    given(&mut bound, &desk, 0)?;
    marked(&page, 0, unit)?;
    marked(&page, 2 * unit, 3 * unit)?;
    for start in (unit..2 * unit).step_by(4096) {
        // A page is as it was, or all zero.
        if load(&page, start as usize) == 0 {
            zeros(&page, start, start + 4096)?;
        } else {
            marked(&page, start, start + 4096)?;
        }
    }
    mark(&page, unit, 2 * unit);
    settle(&mut bound)?;
    marked(&page, 0, 3 * unit)?;
    expect(&mut bound, op::TAKE, &[at + unit, unit], status::NOT_FOUND, "TAKE of what was hinted")?;
    Ok(())
}

fn reset(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info, (page, at)) = set_up(ctx, 2)?;
    whole(&mut bound, &info, op::GIVE, at, 2 * info.granule)?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    // The next kernel has all of it, and keeps what it stores there from now on.
    mark(&page, 0, 2 * info.granule);
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    given(&mut bound, &desk, 0)?;
    expect(&mut bound, op::TAKE, &[at, info.granule], status::NOT_FOUND, "TAKE in the next session")?;
    settle(&mut bound)?;
    marked(&page, 0, 2 * info.granule)?;
    whole(&mut bound, &info, op::GIVE, at, info.granule)?;
    whole(&mut bound, &info, op::TAKE, at, info.granule)?;
    zeros(&page, 0, info.granule)?;
    marked(&page, info.granule, 2 * info.granule)
}

fn reset_in_flight(ctx: &Ctx) -> Outcome {
    for _ in 0..4 {
        let (mut bound, _, info, (page, at)) = set_up(ctx, 4)?;
        for id in 0..4u16 {
            bound.submit(op::GIVE, id, [0, at + u64::from(id) * info.granule, info.granule, 0, 0, 0, 0]);
        }
        bound.kick();
        // Nobody waits for the answers.
        check(raw::reset(ctx.env), "the session cannot be reset")?;
        mark(&page, 0, 4 * info.granule);
        let mut bound = raw::attach(ctx.env)?;
        settle(&mut bound)?;
        marked(&page, 0, 4 * info.granule)?;
        let desk = Desk::new(ctx.env)?;
        given(&mut bound, &desk, 0)?;
        check(raw::reset(ctx.env), "the session cannot be reset")?;
        ctx.env.clean();
        crate::kit::forget();
    }
    Ok(())
}

fn random(ctx: &Ctx) -> Outcome {
    const UNITS: u64 = 4;
    let (mut bound, desk, info, (page, at)) = set_up(ctx, UNITS)?;
    let mut random = Random::new(ctx.seed);
    let mut is_given = [false; UNITS as usize];
    mark(&page, 0, UNITS * info.granule);
    for _ in 0..64 {
        let (first, op) = (random.below(UNITS), [op::GIVE, op::TAKE][random.below(2) as usize]);
        let count = 1 + random.below(UNITS - first);
        let units = first as usize..(first + count) as usize;
        let here = &mut is_given[units];
        let (start, len) = (first * info.granule, count * info.granule);
        let wanted = match op {
            op::GIVE if here.iter().any(|given| *given) => status::EXISTS,
            op::TAKE if !here.iter().all(|given| *given) => status::NOT_FOUND,
            _ => status::OK,
        };
        if wanted != status::OK {
            expect(&mut bound, op, &[at + start, len], wanted, "a random call")?;
            continue;
        }
        whole(&mut bound, &info, op, at + start, len)?;
        here.fill(op == op::GIVE);
        if op == op::TAKE {
            zeros(&page, start, start + len)?;
            mark(&page, start, start + len);
        }
        let all = is_given.iter().filter(|given| **given).count() as u64;
        given(&mut bound, &desk, all * info.granule)?;
        for (index, given) in (0..UNITS).zip(&is_given) {
            if !given {
                marked(&page, index * info.granule, (index + 1) * info.granule)?;
            }
        }
    }
    Ok(())
}
