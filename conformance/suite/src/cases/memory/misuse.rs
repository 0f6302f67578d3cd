// SPDX-License-Identifier: MIT OR Apache-2.0
//! GIVE, TAKE and HINT as they are not meant, by hand (MEM-2, MEM-6 to MEM-9).

use super::{Desk, Info, MEMORY, OVERLAPS, ground, mark, marked, whole};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, equal};
use crate::cases::call::held::{cancel_read, hold_read};
use crate::cases::session::desk::Desk as Control;
use crate::cases::tools::{INLINE, case, expect, op, settle, status};
use crate::raw::{self, Bound};
use tenon_abi::Features;
use tenon_rings::Mapping;

const CONSOLE: Needs = Needs { features: Features::MEMORY.union(Features::CONSOLE), ..Needs::NONE };
const TWO: Needs = Needs { features: Features::MEMORY, vcpus: 2, ..Needs::NONE };
const ALL: [u16; 3] = [op::GIVE, op::TAKE, op::HINT];

/// The cases.
pub const CASES: &[Case] = &[
    case("memory.give-twice", &["MEM-6"], MEMORY, twice),
    case("memory.take-not-given", &["MEM-7"], MEMORY, not_given),
    case("memory.hint-given", &["MEM-8"], MEMORY, hint_given),
    case("memory.give-nothing", &["MEM-2", "CALL-9", "CALL-11"], MEMORY, nothing),
    case("memory.give-unaligned", &["MEM-2", "GEN-4"], MEMORY, unaligned),
    case("memory.give-bad-range", &["MEM-2", "REG-1", "REG-3"], MEMORY, bad_range),
    case("memory.give-bad-region", &["MEM-2", "REG-2"], MEMORY, bad_region),
    case("memory.area-is-not-given", &["MEM-6", "MEM-8"], MEMORY, area),
    case("memory.donated-area-is-not-given", &["MEM-6", "NEG-6"], MEMORY, donated),
    case("memory.waiting-read-is-not-given", &["MEM-6", "CON-4"], CONSOLE, waiting_read),
    case("memory.payload-in-given", &["MEM-9"], CONSOLE, payload),
    case("memory.info-in-given", &["MEM-9", "MEM-3"], MEMORY, info_in_given),
    case("memory.area-in-given", &["MEM-9", "VCPU-3"], TWO, area_in_given),
    case("memory.request-in-given", &["MEM-9", "SES-8"], MEMORY, request),
    case("memory.lane-takes-none", &["CALL-23"], MEMORY, lane),
];

fn set_up(ctx: &Ctx, granules: u64) -> Result<(Bound, Desk, Info, (Mapping, u64)), Fail> {
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    let info = desk.info(&mut bound)?;
    let ground = ground(ctx.env, &info, granules)?;
    Ok((bound, desk, info, ground))
}

fn twice(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, (_, at)) = set_up(ctx, 4)?;
    let unit = info.granule;
    whole(&mut bound, &info, op::GIVE, at + unit, 2 * unit)?;
    for (from, count, what) in OVERLAPS {
        expect(&mut bound, op::GIVE, &[at + from * unit, count * unit], status::EXISTS, what)?;
    }
    equal(desk.info(&mut bound)?.given, 2 * unit, "bytes that are given")?;
    // What touches it and does not overlap is another matter.
    whole(&mut bound, &info, op::GIVE, at, unit)?;
    whole(&mut bound, &info, op::GIVE, at + 3 * unit, unit)?;
    equal(desk.info(&mut bound)?.given, 4 * unit, "bytes that are given")
}

fn not_given(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, (page, at)) = set_up(ctx, 4)?;
    let unit = info.granule;
    mark(&page, 0, 4 * unit);
    expect(&mut bound, op::TAKE, &[at, unit], status::NOT_FOUND, "TAKE of what was never given")?;
    whole(&mut bound, &info, op::GIVE, at + unit, unit)?;
    for (from, count, what) in [
        (0, 1, "the one before"),
        (2, 1, "the one behind"),
        (0, 2, "with the one before"),
        (1, 2, "with the one behind"),
    ] {
        expect(&mut bound, op::TAKE, &[at + from * unit, count * unit], status::NOT_FOUND, what)?;
    }
    settle(&mut bound)?;
    marked(&page, 0, unit)?;
    marked(&page, 2 * unit, 4 * unit)?;
    equal(desk.info(&mut bound)?.given, unit, "bytes that are given")?;
    whole(&mut bound, &info, op::TAKE, at + unit, unit)?;
    expect(&mut bound, op::TAKE, &[at + unit, unit], status::NOT_FOUND, "TAKE of what was taken").map(|_| ())
}

fn hint_given(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info, (_, at)) = set_up(ctx, 2)?;
    let unit = info.granule;
    whole(&mut bound, &info, op::GIVE, at, unit)?;
    expect(&mut bound, op::HINT, &[at, unit], status::BAD_STATE, "HINT of given memory")?;
    expect(
        &mut bound,
        op::HINT,
        &[at, 2 * unit],
        status::BAD_STATE,
        "HINT of memory half of which is given",
    )?;
    whole(&mut bound, &info, op::HINT, at + unit, unit)
}

fn nothing(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info, (_, at)) = set_up(ctx, 1)?;
    for op in ALL {
        expect(&mut bound, op, &[at, 0], status::BAD_ARGUMENT, "no bytes")?;
        for extra in 2..6 {
            let mut args = [at, info.granule, 0, 0, 0, 0];
            args[extra] = 1;
            expect(&mut bound, op, &args, status::BAD_RESERVED, "an unused argument")?;
        }
        for words in [[INLINE | (8 << 32), at, info.granule, 0, 0, 0, 0], [2, at, info.granule, 0, 0, 0, 0]] {
            let done = bound.call_words(op, words)?;
            equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "a flag")?;
        }
    }
    Ok(())
}

fn unaligned(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, (_, at)) = set_up(ctx, 3)?;
    let unit = info.granule;
    // Given all of it, so that for TAKE nothing else is wrong.
    for (op, prepare) in [(op::GIVE, None), (op::HINT, None), (op::TAKE, Some(op::GIVE))] {
        if let Some(prepare) = prepare {
            whole(&mut bound, &info, prepare, at, 3 * unit)?;
        }
        for (offset, len, what) in [
            (8, unit, "an address that is not aligned"),
            (1, unit, "an odd address"),
            (unit / 2, unit, "an address in the midst of a unit"),
            (0, unit + 8, "a length that is not aligned"),
            (0, 1, "one byte"),
            (0, unit / 2, "half a unit"),
            (unit / 2, unit / 2, "the second half of a unit"),
        ] {
            expect(&mut bound, op, &[at + offset, len], status::BAD_ALIGNMENT, what)?;
        }
    }
    equal(desk.info(&mut bound)?.given, 3 * unit, "bytes that are given")
}

fn bad_range(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, _) = set_up(ctx, 1)?;
    let unit = info.granule;
    let end = raw::record(ctx.env).region0_len.get() / unit * unit;
    let top = (1u64 << 48) - unit;
    for op in ALL {
        for (at, len, what) in [
            (end, unit, "behind the end"),
            (end + unit, unit, "further behind the end"),
            (end - unit, 2 * unit, "beyond the end"),
            (top, unit, "at the end of all offsets"),
            (top, 2 * unit, "a range that leaves 48 bits"),
            (unit, (1 << 48) - unit, "all that can be named"),
            (unit, u64::MAX / unit * unit, "a range that wraps in 64 bits"),
        ] {
            // At the very end of all offsets there may be memory, in theory.
            if at < end || at + len > end {
                let done = bound.call(op, [at, len, 0, 0, 0, 0])?;
                equal(u64::from(done.status), u64::from(status::BAD_RANGE), what)?;
            }
        }
        // Holes, if there are any: between two pieces, and behind the last one.
        desk.info(&mut bound)?;
        let (first, _) = desk.piece(0);
        if first >= unit {
            expect(&mut bound, op, &[0, unit], status::BAD_RANGE, "a hole at 0")?;
        }
        for index in 1..info.pieces.min(16) {
            let (before, next) = (desk.piece(index - 1), desk.piece(index));
            let hole = (before.0 + before.1).next_multiple_of(unit);
            if hole + unit <= next.0 {
                expect(&mut bound, op, &[hole, unit], status::BAD_RANGE, "a hole")?;
                expect(&mut bound, op, &[hole - unit, 2 * unit], status::BAD_RANGE, "into a hole")?;
            }
        }
    }
    equal(desk.info(&mut bound)?.given, 0, "bytes that are given")
}

fn bad_region(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info, (_, at)) = set_up(ctx, 1)?;
    for op in ALL {
        for region in [1, 0x7fff, 0xffff] {
            let args = [(region << 48) | at, info.granule];
            expect(&mut bound, op, &args, status::BAD_REGION, "another region than 0")?;
        }
    }
    Ok(())
}

/// An area's range in whole units, from the front of its first one.
fn units(info: &Info, at: u64, len: u64) -> (u64, u64) {
    let start = at / info.granule * info.granule;
    (start, (at + len).next_multiple_of(info.granule) - start)
}

fn area(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, _) = set_up(ctx, 1)?;
    let (at, len) = units(&info, bound.guest.1, 0x200 + u64::from(bound.depth) * 64);
    for op in [op::GIVE, op::HINT] {
        for (offset, len) in [(0, info.granule), (0, len)] {
            expect(&mut bound, op, &[at + offset, len], status::BAD_STATE, "the area that asks")?;
        }
    }
    equal(desk.info(&mut bound)?.given, 0, "bytes that are given")?;
    settle(&mut bound)
}

fn donated(ctx: &Ctx) -> Outcome {
    let desk = Control::new(ctx.env)?;
    // Without the window the host-written area is the guest's memory too.
    let mut bound = desk.attach(desk.features() & !1, 16)?;
    let page = Desk::new(ctx.env)?;
    let info = page.info(&mut bound)?;
    let host = bound.host.base() as usize;
    let guest = bound.guest.0.base() as usize;
    let at = bound.guest.1.wrapping_add((host as u64).wrapping_sub(guest as u64));
    let (at, _) = units(&info, at, 8);
    for op in [op::GIVE, op::HINT] {
        expect(&mut bound, op, &[at, info.granule], status::BAD_STATE, "a donated area")?;
    }
    settle(&mut bound)
}

fn waiting_read(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, _) = set_up(ctx, 1)?;
    // In memory that may hold payload; whole units of it.
    let (_, at) = raw::pages(ctx.env, info.granule as usize, info.granule as usize)?;
    if crate::kit::is_closed(ctx.env) {
        // It is shared, which is reason enough.
        return expect(&mut bound, op::GIVE, &[at, info.granule], status::BAD_STATE, "shared memory")
            .map(|_| ());
    }
    hold_read(&mut bound, 4, at + 24, 64)?;
    for op in [op::GIVE, op::HINT] {
        bound.submit(op, 9, [0, at, info.granule, 0, 0, 0, 0]);
        bound.kick();
        let done = bound.wait()?;
        equal(u64::from(done.id), 9, "the id")?;
        equal(u64::from(done.status), u64::from(status::BAD_STATE), "memory that a read waits for")?;
    }
    cancel_read(&mut bound, 4)?;
    whole(&mut bound, &info, op::GIVE, at, info.granule)?;
    equal(desk.info(&mut bound)?.given, info.granule, "bytes that are given")
}

fn payload(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info, (_, at)) = set_up(ctx, 3)?;
    let unit = info.granule;
    whole(&mut bound, &info, op::GIVE, at + unit, unit)?;
    for (start, len, what) in [
        (unit, 8, "a payload in given memory"),
        (2 * unit - 1, 1, "a payload in its last byte"),
        (unit - 1, 2, "a payload that ends in it"),
        (2 * unit - 1, 2, "a payload that begins in it"),
    ] {
        for op in [op::CONSOLE_WRITE, op::CONSOLE_READ] {
            expect(&mut bound, op, &[at + start, len], status::BAD_STATE, what)?;
        }
    }
    // An empty one touches nothing.
    expect(&mut bound, op::CONSOLE_WRITE, &[at + unit, 0], status::OK, "nothing, in given memory")?;
    whole(&mut bound, &info, op::TAKE, at + unit, unit)?;
    if crate::kit::is_closed(ctx.env) {
        return Ok(());
    }
    expect(&mut bound, op::CONSOLE_WRITE, &[at + unit, 8], status::OK, "memory that was taken").map(|_| ())
}

fn info_in_given(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info, (page, at)) = set_up(ctx, 1)?;
    whole(&mut bound, &info, op::GIVE, at, info.granule)?;
    expect(&mut bound, op::MEMORY_INFO, &[at, 64], status::BAD_STATE, "an answer into given memory")?;
    whole(&mut bound, &info, op::TAKE, at, info.granule)?;
    super::zeros(&page, 0, info.granule)?;
    equal(desk.info(&mut bound)?.given, 0, "bytes that are given")
}

fn area_in_given(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info, (page, at)) = set_up(ctx, 1)?;
    whole(&mut bound, &info, op::GIVE, at, info.granule)?;
    let desk = Control::new(ctx.env)?;
    let mut bind = raw::Control::bind(ctx.env, 1, 4, [4, 4], at);
    if raw::load(&ctx.env.window(), 0x90) & 1 == 0 {
        bind.0[8] = raw::pages(ctx.env, 4096, 1 << 16)?.1;
    }
    desk.expect(bind, status::BAD_STATE, "BIND of an area in given memory")?;
    whole(&mut bound, &info, op::TAKE, at, info.granule)?;
    super::zeros(&page, 0, info.granule)?;
    bind = raw::Control::bind(ctx.env, 1, 4, [4, 4], at);
    if raw::load(&ctx.env.window(), 0x90) & 1 == 0 {
        bind.0[8] = raw::pages(ctx.env, 4096, 1 << 16)?.1;
    }
    desk.expect(bind, status::OK, "BIND of the same area, taken again").map(|_| ())
}

fn request(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info, _) = set_up(ctx, 1)?;
    // Aligned to any granule of a session.
    let size = info.granule.max(1 << 16);
    let (page, at) = ctx.env.pages(size as usize, size as usize).ok_or(Fail::Error("no pages left"))?;
    whole(&mut bound, &info, op::GIVE, at, size)?;
    let shift = raw::granule_shift(ctx.env);
    let again = raw::Control::negotiate(ctx.env, 0, shift).send(ctx.env, &page, at, shift);
    equal(
        u64::from(again.map_or(u16::MAX, |(status, _)| status)),
        u64::from(status::BAD_STATE),
        "NEGOTIATE",
    )?;
    // A kernel that comes later knows nothing of what was given.
    let reset = raw::Control::reset(ctx.env).send(ctx.env, &page, at, shift);
    equal(u64::from(reset.map_or(u16::MAX, |(status, _)| status)), 0, "RESET from given memory")
}

fn lane(ctx: &Ctx) -> Outcome {
    use crate::cases::tools::emergency;
    let (bound, _, info, (_, at)) = set_up(ctx, 1)?;
    for (position, op) in (0..).zip(ALL) {
        let done = emergency(&bound, position, op, [0, at, info.granule, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::NOT_SUPPORTED), "in the emergency lane")?;
    }
    Ok(())
}
