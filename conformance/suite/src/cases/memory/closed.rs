// SPDX-License-Identifier: MIT OR Apache-2.0
//! Payload in a closed domain, by hand (MEM-10, MEM-11, MEM-14).

use super::{MARK, all_of};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{INLINE, case, expect, op, settle, status};
use crate::raw::{self, Bound, load};
use crate::since;
use tenon_abi::Features;
use tenon_rings::Mapping;

const CLOSED: Needs = Needs { features: Features::CLOSED.union(Features::CONSOLE), ..Needs::NONE };
const ENTROPY: Needs = Needs { features: CLOSED.features.union(Features::ENTROPY), ..Needs::NONE };
const CRASH: Needs = Needs { features: Features::CLOSED.union(Features::LIFECYCLE), ..Needs::NONE };
/// READ and WRITE.
const READ: u64 = 1;
const WRITE: u64 = 2;

/// The cases.
pub const CASES: &[Case] = &[
    case("closed.unshared-payload", &["MEM-11"], ENTROPY, unshared),
    case("closed.unshared-crash", &["MEM-11", "LIFE-4"], CRASH, crash),
    case("closed.rights", &["MEM-11", "MEM-12"], ENTROPY, rights),
    case("closed.half-shared", &["MEM-11"], CLOSED, half),
    case("closed.neighbours-are-one", &["MEM-12", "MEM-11"], CLOSED, neighbours),
    case("closed.empty-payload", &["MEM-11", "REG-3"], CLOSED, empty),
    case("closed.inline-only", &["MEM-10", "MEM-11", "NEG-7"], CLOSED, inline_only),
    case("closed.reset-ends-shares", &["MEM-14", "SES-6"], CLOSED, reset),
    case("closed.area-in-shared", &["MEM-11", "MEM-13"], Needs { vcpus: 2, ..CLOSED }, area_in_shared),
];

/// Memory of the guest's own that is not shared: so many granules of the session, aligned to the largest.
pub(in crate::cases) fn secret(ctx: &Ctx, granules: u64) -> Result<(Mapping, u64, u64), Fail> {
    let unit = 1u64 << raw::granule_shift(ctx.env);
    let (page, at) =
        ctx.env.pages((granules * unit) as usize, 1 << 16).ok_or(Fail::Error("no pages left"))?;
    Ok((page, at, unit))
}

/// Shares all of a range.
pub(in crate::cases) fn share(bound: &mut Bound, at: u64, len: u64, rights: u64) -> Outcome {
    let unit = 1 << raw::granule_shift(bound.env);
    all_of(bound, op::SHARE, at, len, rights, unit)
}

/// Keeps all of a range from the host again.
pub(super) fn unshare(bound: &mut Bound, at: u64, len: u64) -> Outcome {
    let unit = 1 << raw::granule_shift(bound.env);
    all_of(bound, op::UNSHARE, at, len, 0, unit)
}

fn unshared(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at, _) = secret(ctx, 1)?;
    raw::store(&page, 0, MARK);
    for (op, what) in [
        (op::CONSOLE_WRITE, "CONSOLE_WRITE of what is not shared"),
        (op::CONSOLE_READ, "CONSOLE_READ into what is not shared"),
        (op::ENTROPY, "ENTROPY into what is not shared"),
    ] {
        for (offset, len) in [(0, 8), (0, 1), (1, 4095), (4095, 1)] {
            expect(&mut bound, op, &[at + offset, len], status::DENIED, what)?;
        }
    }
    settle(&mut bound)?;
    equal(load(&page, 0), MARK, "what is not shared")
}

fn crash(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, _) = secret(ctx, 1)?;
    expect(&mut bound, op::CRASH, &[at, 9, 1], status::DENIED, "a crash text that is not shared")?;
    expect(&mut bound, op::CRASH, &[at, 0, 1], status::OK, "a crash record without a text").map(|_| ())
}

fn rights(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at, unit) = secret(ctx, 2)?;
    share(&mut bound, at, unit, READ)?;
    share(&mut bound, at + unit, unit, WRITE)?;
    check(page.write(0, b"for the host to read\n"), "the page")?;
    expect(&mut bound, op::CONSOLE_WRITE, &[at, 21], status::OK, "what the host may read")?;
    expect(&mut bound, op::ENTROPY, &[at, 8], status::DENIED, "ENTROPY where the host may only read")?;
    expect(&mut bound, op::CONSOLE_READ, &[at, 8], status::DENIED, "input where the host may only read")?;
    equal(load(&page, 0), u64::from_le_bytes(*b"for the "), "what the host may only read")?;
    let other = at + unit;
    expect(&mut bound, op::CONSOLE_WRITE, &[other, 8], status::DENIED, "output of what it may only write")?;
    let drawn = expect(&mut bound, op::ENTROPY, &[other, 8], status::OK, "what the host may write")?;
    check((1..=8).contains(&drawn), "bytes of one call")?;
    // Over both, each right is missing somewhere.
    let both = [at + unit - 4, 8];
    for op in [op::CONSOLE_WRITE, op::ENTROPY] {
        expect(&mut bound, op, &both, status::DENIED, "a range with one right here and another there")?;
    }
    unshare(&mut bound, at, 2 * unit)?;
    expect(&mut bound, op::CONSOLE_WRITE, &[at, 8], status::DENIED, "what was shared").map(|_| ())
}

fn half(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, unit) = secret(ctx, 3)?;
    share(&mut bound, at + unit, unit, READ | WRITE)?;
    for (offset, len, wanted, what) in [
        (unit, unit.min(4096), status::OK, "all that is shared"),
        (2 * unit - 1, 1, status::OK, "its last byte"),
        (unit - 1, 1, status::DENIED, "the byte before it"),
        (2 * unit, 1, status::DENIED, "the byte behind it"),
        (unit - 1, 2, status::DENIED, "from the byte before it"),
        (2 * unit - 1, 2, status::DENIED, "to the byte behind it"),
    ] {
        expect(&mut bound, op::CONSOLE_WRITE, &[at + offset, len], wanted, what)?;
    }
    Ok(())
}

fn neighbours(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, unit) = secret(ctx, 3)?;
    share(&mut bound, at + unit, unit, READ)?;
    share(&mut bound, at, unit, READ)?;
    share(&mut bound, at + 2 * unit, unit, READ | WRITE)?;
    for offset in [unit - 8, 2 * unit - 8] {
        expect(&mut bound, op::CONSOLE_WRITE, &[at + offset, 16], status::OK, "a payload in two shares")?;
    }
    // What was shared in three calls ends in one, and also in another three.
    unshare(&mut bound, at, 3 * unit)?;
    share(&mut bound, at, 3 * unit, READ)?;
    for part in [1, 0, 2] {
        unshare(&mut bound, at + part * unit, unit)?;
        let middle = [at + part * unit, 8];
        expect(&mut bound, op::CONSOLE_WRITE, &middle, status::DENIED, "a part that is not shared any more")?;
    }
    Ok(())
}

fn empty(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, _) = secret(ctx, 1)?;
    for offset in [0, 1, 4095] {
        let args = [at + offset, 0];
        expect(&mut bound, op::CONSOLE_WRITE, &args, status::OK, "nothing, of what is not shared")?;
    }
    Ok(())
}

fn inline_only(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let features = since::negotiable(ctx.env) & !(1 << 13);
    let mut bound = desk.attach(features, 16)?;
    let (_, at, unit) = secret(ctx, 1)?;
    for op in [op::SHARE, op::UNSHARE] {
        let rights = if op == op::SHARE { READ } else { 0 };
        let done = bound.call(op, [at, unit, rights, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::NOT_SUPPORTED), "without CLOSED")?;
        let probed = expect(&mut bound, op::PROBE, &[u64::from(op)], status::OK, "PROBE")?;
        equal(probed, 0, "what PROBE says without CLOSED")?;
    }
    for op in [op::CONSOLE_WRITE, op::CONSOLE_READ] {
        expect(&mut bound, op, &[at, 8], status::DENIED, "a payload by a range")?;
    }
    let done = bound.call_words(op::CONSOLE_WRITE, [INLINE | (3 << 32), 0x0a_6f_6e, 0, 0, 0, 0, 0])?;
    equal(u64::from(done.status), 0, "a payload by value")?;
    expect(&mut bound, op::CONSOLE_WRITE, &[at, 0], status::OK, "an empty payload").map(|_| ())
}

fn reset(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at, unit) = secret(ctx, 2)?;
    share(&mut bound, at, 2 * unit, READ | WRITE)?;
    expect(&mut bound, op::CONSOLE_WRITE, &[at, 8], status::OK, "what is shared")?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let mut bound = raw::attach(ctx.env)?;
    expect(&mut bound, op::CONSOLE_WRITE, &[at, 8], status::DENIED, "a share of the last session")?;
    expect(&mut bound, op::UNSHARE, &[at, unit], status::NOT_FOUND, "UNSHARE of it")?;
    share(&mut bound, at, unit, READ)?;
    expect(&mut bound, op::CONSOLE_WRITE, &[at, 8], status::OK, "shared anew").map(|_| ())
}

fn area_in_shared(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at, unit) = secret(ctx, 2)?;
    share(&mut bound, at, 2 * unit, READ | WRITE)?;
    // A vCPU's area may lie there too; then it is in use until the session ends.
    let desk = Desk::new(ctx.env)?;
    let mut bind = raw::Control::bind(ctx.env, 1, 4, [4, 4], at);
    if load(&ctx.env.window(), 0x90) & 1 == 0 {
        bind.0[8] = raw::pages(ctx.env, 4096, 1 << 16)?.1;
    }
    check(page.write(0, &[0; 0x300]), "the page")?;
    desk.expect(bind, 0, "BIND of an area in shared memory")?;
    expect(&mut bound, op::UNSHARE, &[at, unit], status::BAD_STATE, "UNSHARE of an area")?;
    expect(&mut bound, op::UNSHARE, &[at, 2 * unit], status::BAD_STATE, "UNSHARE around an area")?;
    unshare(&mut bound, at + unit, unit)
}
