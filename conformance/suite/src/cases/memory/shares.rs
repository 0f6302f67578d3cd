// SPDX-License-Identifier: MIT OR Apache-2.0
//! SHARE and UNSHARE as they are not meant, by hand (MEM-12, MEM-13).

use super::closed::{secret, share, unshare};
use super::{OVERLAPS, whole};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::call::held::hold_read;
use crate::cases::tools::{case, expect, op, settle, status};
use crate::raw::{self, load};
use tenon_abi::Features;

const CLOSED: Needs = Needs { features: Features::CLOSED, ..Needs::NONE };
const CONSOLE: Needs = Needs { features: Features::CLOSED.union(Features::CONSOLE), ..Needs::NONE };
const MEMORY: Needs = Needs { features: Features::CLOSED.union(Features::MEMORY), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("closed.share-twice", &["MEM-12"], CLOSED, twice),
    case("closed.share-misuse", &["MEM-12", "MEM-2", "CALL-11"], CLOSED, misuse),
    case("closed.share-rights", &["MEM-12", "GEN-5"], CLOSED, rights),
    case("closed.unshare-not-shared", &["MEM-13"], CLOSED, not_shared),
    case("closed.unshare-under-a-read", &["MEM-13", "CON-4"], CONSOLE, under_a_read),
    case("closed.unshare-beside-a-read", &["MEM-13", "CON-4"], CONSOLE, beside_a_read),
    case("closed.area-is-not-shared-again", &["MEM-12", "MEM-13"], CLOSED, area),
    case("closed.given-or-shared", &["MEM-6", "MEM-12", "MEM-8"], MEMORY, given_or_shared),
    case("closed.many-shares", &["MEM-12", "MEM-13"], CLOSED, many),
];

const BOTH: u64 = 3;

fn twice(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, unit) = secret(ctx, 4)?;
    share(&mut bound, at + unit, 2 * unit, 1)?;
    for rights in [1, 2, BOTH] {
        for (from, count, what) in OVERLAPS {
            let args = [at + from * unit, count * unit, rights];
            expect(&mut bound, op::SHARE, &args, status::EXISTS, what)?;
        }
    }
    // A refused one has added no right and no memory.
    expect(&mut bound, op::UNSHARE, &[at, unit], status::NOT_FOUND, "what was refused is shared")?;
    unshare(&mut bound, at + unit, 2 * unit)
}

fn misuse(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, unit) = secret(ctx, 2)?;
    let end = raw::record(ctx.env).region0_len.get() / unit * unit;
    for op in [op::SHARE, op::UNSHARE] {
        let rights = if op == op::SHARE { BOTH } else { 0 };
        for (args, wanted, what) in [
            ([at, 0], status::BAD_ARGUMENT, "no bytes"),
            ([at + 8, unit], status::BAD_ALIGNMENT, "an address that is not aligned"),
            ([at, unit + 8], status::BAD_ALIGNMENT, "a length that is not aligned"),
            ([at, 1], status::BAD_ALIGNMENT, "one byte"),
            ([at + unit / 2, unit], status::BAD_ALIGNMENT, "from the midst of a granule"),
            ([end, unit], status::BAD_RANGE, "behind the end"),
            ([end - unit, 2 * unit], status::BAD_RANGE, "beyond the end"),
            ([(1 << 48) - unit, 2 * unit], status::BAD_RANGE, "a range that leaves 48 bits"),
            ([unit, u64::MAX / unit * unit], status::BAD_RANGE, "a range that wraps"),
            ([(1 << 48) | at, unit], status::BAD_REGION, "region 1"),
            ([(0xffff << 48) | at, unit], status::BAD_REGION, "region 65535"),
        ] {
            let done = bound.call(op, [args[0], args[1], rights, 0, 0, 0])?;
            equal(u64::from(done.status), u64::from(wanted), what)?;
        }
        let unused = if op == op::SHARE { [at, unit, rights, 1, 0, 0] } else { [at, unit, 1, 0, 0, 0] };
        let done = bound.call(op, unused)?;
        equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "an unused argument")?;
    }
    expect(&mut bound, op::UNSHARE, &[at, unit], status::NOT_FOUND, "what was refused is shared").map(|_| ())
}

fn rights(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, unit) = secret(ctx, 1)?;
    expect(&mut bound, op::SHARE, &[at, unit, 0], status::BAD_ARGUMENT, "no right")?;
    for rights in [4, 7, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
        expect(&mut bound, op::SHARE, &[at, unit, rights], status::BAD_RESERVED, "an unknown right")?;
    }
    expect(&mut bound, op::UNSHARE, &[at, unit], status::NOT_FOUND, "what was refused is shared")?;
    for rights in 1..=3 {
        share(&mut bound, at, unit, rights)?;
        unshare(&mut bound, at, unit)?;
    }
    Ok(())
}

fn not_shared(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, unit) = secret(ctx, 4)?;
    expect(&mut bound, op::UNSHARE, &[at, unit], status::NOT_FOUND, "what was never shared")?;
    share(&mut bound, at + unit, unit, BOTH)?;
    for (from, count, what) in [
        (0, 1, "the one before"),
        (2, 1, "the one behind"),
        (0, 2, "with the one before"),
        (1, 2, "with the one behind"),
    ] {
        expect(&mut bound, op::UNSHARE, &[at + from * unit, count * unit], status::NOT_FOUND, what)?;
    }
    unshare(&mut bound, at + unit, unit)?;
    expect(&mut bound, op::UNSHARE, &[at + unit, unit], status::NOT_FOUND, "a second time").map(|_| ())
}

fn under_a_read(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at, unit) = secret(ctx, 2)?;
    share(&mut bound, at, 2 * unit, BOTH)?;
    hold_read(&mut bound, 4, at + unit - 8, 16)?;
    bound.submit(op::UNSHARE, 9, [0, at + unit, unit, 0, 0, 0, 0]);
    bound.kick();
    // First the read ends, then the share.
    let read = bound.wait()?;
    equal(u64::from(read.id), 4, "the id of the completion that comes first")?;
    equal(u64::from(read.status), u64::from(status::CANCELLED), "the read that waits there")?;
    let done = bound.wait()?;
    equal(u64::from(done.id), 9, "the id of the completion that comes second")?;
    equal(u64::from(done.status), 0, "UNSHARE")?;
    equal(done.value, unit, "its value")?;
    settle(&mut bound)?;
    equal(
        load(&page, unit as usize - 8) | load(&page, unit as usize),
        0,
        "what the read would have written",
    )?;
    expect(&mut bound, op::CONSOLE_READ, &[at + unit, 8], status::DENIED, "a read there").map(|_| ())
}

fn beside_a_read(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, unit) = secret(ctx, 2)?;
    share(&mut bound, at, 2 * unit, BOTH)?;
    hold_read(&mut bound, 4, at + unit - 16, 16)?;
    bound.submit(op::UNSHARE, 9, [0, at + unit, unit, 0, 0, 0, 0]);
    bound.kick();
    let done = bound.wait()?;
    equal(u64::from(done.id), 9, "the id")?;
    equal(u64::from(done.status), 0, "UNSHARE beside a read that waits")?;
    settle(&mut bound)?;
    crate::cases::call::held::cancel_read(&mut bound, 4)
}

fn area(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let unit = 1u64 << raw::granule_shift(ctx.env);
    let at = bound.guest.1;
    check(at.is_multiple_of(unit), "an area that is not aligned")?;
    expect(&mut bound, op::SHARE, &[at, unit, BOTH], status::BAD_STATE, "the area that asks")?;
    let done = bound.call(op::UNSHARE, [at, unit, 0, 0, 0, 0])?;
    check([status::BAD_STATE, status::NOT_FOUND].contains(&done.status), "UNSHARE of an area")?;
    settle(&mut bound)
}

fn given_or_shared(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let desk = super::Desk::new(ctx.env)?;
    let info = desk.info(&mut bound)?;
    let unit = info.granule.max(1 << raw::granule_shift(ctx.env));
    let (_, at) = super::ground(ctx.env, &info, 2 * unit / info.granule)?;
    share(&mut bound, at, unit, BOTH)?;
    for op in [op::GIVE, op::HINT] {
        expect(&mut bound, op, &[at, unit], status::BAD_STATE, "shared memory")?;
        expect(&mut bound, op, &[at, 2 * unit], status::BAD_STATE, "memory half of which is shared")?;
    }
    whole(&mut bound, &info, op::GIVE, at + unit, unit)?;
    expect(&mut bound, op::SHARE, &[at + unit, unit, BOTH], status::BAD_STATE, "SHARE of given memory")?;
    unshare(&mut bound, at, unit)?;
    whole(&mut bound, &info, op::GIVE, at, unit)?;
    whole(&mut bound, &info, op::TAKE, at, 2 * unit)?;
    share(&mut bound, at, 2 * unit, BOTH)
}

fn many(ctx: &Ctx) -> Outcome {
    const ROOM: u64 = 1 << 19;
    let mut bound = raw::attach(ctx.env)?;
    let unit = 1u64 << raw::granule_shift(ctx.env);
    // The kit's own share is one of the 16 that there are at least.
    let count = (ROOM / unit / 2).clamp(2, 15);
    let (_, at, unit) = secret(ctx, 2 * count)?;
    for index in 0..count {
        share(&mut bound, at + 2 * index * unit, unit, BOTH)?;
    }
    for index in (0..count).rev() {
        unshare(&mut bound, at + 2 * index * unit, unit)?;
    }
    // More than there is room for, with what lies between them: refused or done, and all goes on.
    let mut shared = 0;
    for index in 0..2 * count {
        let done = bound.call(op::SHARE, [at + index * unit, unit, 1 + index % 2, 0, 0, 0])?;
        match done.status {
            status::OK => shared += 1,
            other => equal(u64::from(other), u64::from(status::NO_CAPACITY), "SHARE")?,
        }
    }
    check(shared >= count, "fewer ranges than a host keeps")?;
    settle(&mut bound)
}
