// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regions and the ranges of payloads, by hand (REG-1 to REG-4).

use crate::case::{Case, Ctx, Fail, Lacks, Needs, Outcome, check, equal};
use crate::cases::discovery::window::window_in_region;
use crate::cases::tools::{case, end_of_memory, expect, op, open_memory, settle, status};
use crate::raw::{self, Bound};
use tenon_abi::Features;

/// The cases.
pub const CASES: &[Case] = &[
    case("region.query", &["REG-1", "REG-4", "CALL-11"], Needs::NONE, query),
    case("region.unknown", &["REG-2", "REG-4", "GEN-3"], Needs::NONE, unknown),
    case("region.range-end", &["REG-1", "REG-3"], Needs::NONE, range_end),
    case("region.range-wraps", &["REG-3"], Needs::NONE, range_wraps),
    case("region.zero-length", &["REG-3"], Needs::NONE, zero_length),
    case("region.window-is-a-hole", &["REG-1", "DISC-5"], Needs::NONE, window_is_hole),
    case("region.hole", &["REG-1", "REG-3"], Needs::NONE, hole),
];

fn query(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let len = raw::record(ctx.env).region0_len.get();
    let found = expect(&mut bound, op::REGION_QUERY, &[0], status::OK, "REGION_QUERY 0")?;
    equal(found, len, "the length of region 0 and the record's region0_len")?;
    for (region, what) in
        [(0x1_0000, "region 2^16"), (0x1_0000_0000, "region 2^32"), (u64::MAX, "region 2^64 - 1")]
    {
        expect(&mut bound, op::REGION_QUERY, &[region], status::BAD_ARGUMENT, what)?;
    }
    expect(&mut bound, op::REGION_QUERY, &[0, 1], status::BAD_RESERVED, "an unused argument")?;
    Ok(())
}

/// Numbers that REGION_QUERY says not to exist, among some.
fn absent(bound: &mut Bound) -> Result<[Option<u64>; 4], Fail> {
    let mut numbers = [Some(1), Some(0x7fff), Some(0x8000), Some(0xffff)];
    for number in &mut numbers {
        let Some(region) = *number else { continue };
        let done = bound.call(op::REGION_QUERY, [region, 0, 0, 0, 0, 0])?;
        match done.status {
            status::OK => *number = None,
            other => equal(u64::from(other), u64::from(status::BAD_REGION), "REGION_QUERY")?,
        }
    }
    Ok(numbers)
}

/// An operation that takes a range: console output, or a crash record.
fn payload_op(ctx: &Ctx) -> Result<u16, Fail> {
    match raw::record(ctx.env).features.get() {
        features if features & (1 << 5) != 0 => Ok(op::CONSOLE_WRITE),
        features if features & (1 << 6) != 0 => Ok(op::CRASH),
        _ => Err(Fail::Skip(Lacks::Features(Features::CONSOLE.union(Features::LIFECYCLE)))),
    }
}

fn unknown(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let absent = absent(&mut bound)?;
    let op = payload_op(ctx)?;
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    for region in absent.into_iter().flatten() {
        // The offset would be good in region 0.
        for len in [1, 0] {
            let args = [(region << 48) | at, len];
            expect(&mut bound, op, &args, status::BAD_REGION, "a payload in a region that does not exist")?;
        }
    }
    settle(&mut bound)
}

fn range_end(ctx: &Ctx) -> Outcome {
    open_memory(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    let op = payload_op(ctx)?;
    let end = end_of_memory(&mut bound)?;
    // The last byte is inside, and is all that is.
    expect(&mut bound, op, &[end - 1, 1], status::OK, "the last byte of region 0")?;
    for (at, len, what) in [
        (end - 1, 2, "one byte beyond the end"),
        (end - 48, 49, "one byte beyond the end, of 49"),
        (end - 1, 64, "most of it beyond the end"),
        (end, 1, "the byte behind the end"),
        (end + 1, 1, "a byte further behind the end"),
    ] {
        expect(&mut bound, op, &[at, len], status::BAD_RANGE, what)?;
    }
    settle(&mut bound)
}

fn range_wraps(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let op = payload_op(ctx)?;
    let top = (1 << 48) - 1;
    for (at, len, what) in [
        (top, 1, "the last offset of all"),
        (top, 2, "offset + length beyond 48 bits"),
        (top - 7, 16, "offset + length that wraps in 48 bits"),
        (1 << 47, 1, "an offset that is negative in 48 bits"),
        (1 << 32, 1, "offset 2^32"),
        (1 << 31, 1, "offset 2^31"),
    ] {
        if at >= raw::record(ctx.env).region0_len.get() {
            expect(&mut bound, op, &[at, len], status::BAD_RANGE, what)?;
        }
    }
    // A length beyond every limit is refused, by whichever check comes first.
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    for len in [u64::MAX, u64::MAX - at + 1, 1 << 63, 1 << 48, (1 << 32) + 1] {
        let done = bound.call(op, [at, len, 0, 0, 0, 0])?;
        if ![status::BAD_RANGE, status::TOO_LONG].contains(&done.status) {
            return Err(Fail::Failed("a length beyond every limit", u64::from(done.status), len));
        }
    }
    settle(&mut bound)
}

fn zero_length(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let op = payload_op(ctx)?;
    let end = raw::record(ctx.env).region0_len.get();
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    for (at, what) in [(at, "nothing, inside"), (at + 13, "nothing, unaligned"), (end, "nothing, at the end")]
    {
        let value = expect(&mut bound, op, &[at, 0], status::OK, what)?;
        equal(value, 0, "bytes of nothing")?;
    }
    expect(&mut bound, op, &[end + 1, 0], status::BAD_RANGE, "nothing, behind the end")?;
    expect(&mut bound, op, &[(1 << 48) - 1, 0], status::BAD_RANGE, "nothing, at the last offset of all")?;
    Ok(())
}

fn window_is_hole(ctx: &Ctx) -> Outcome {
    let (window, _) = window_in_region(ctx)?;
    let mut bound = raw::attach(ctx.env)?;
    let op = payload_op(ctx)?;
    // The window is not part of region 0: there, region 0 has a hole or has ended.
    for (at, len, what) in [
        (window, 1, "a payload in the window"),
        (window, 16, "a payload in the window"),
        (window + 8, 48, "a payload in the window"),
    ] {
        expect(&mut bound, op, &[at, len], status::BAD_RANGE, what)?;
    }
    settle(&mut bound)
}

fn hole(ctx: &Ctx) -> Outcome {
    let (start, end) = ctx.env.hole().ok_or(Fail::Skip(Lacks::Hole))?;
    let mut bound = raw::attach(ctx.env)?;
    let op = payload_op(ctx)?;
    check(end < raw::record(ctx.env).region0_len.get(), "memory behind the hole is not in region 0")?;
    for (at, len, what) in [
        (start, 1, "the first byte of the hole"),
        (end - 1, 1, "the last byte of the hole"),
        (start + (end - start) / 2, 64, "a payload in the middle of the hole"),
        (end - 1, 2, "a payload that ends behind the hole"),
        (end - 48, 64, "a payload that ends behind the hole"),
    ] {
        expect(&mut bound, op, &[at, len], status::BAD_RANGE, what)?;
    }
    expect(&mut bound, op, &[end, 16], status::OK, "the first bytes behind the hole")?;
    if let Some(before) = start.checked_sub(16) {
        expect(&mut bound, op, &[before, 16], status::OK, "the last bytes before the hole")?;
        for len in [17, 64] {
            expect(&mut bound, op, &[before, len], status::BAD_RANGE, "a payload that ends in the hole")?;
        }
    }
    settle(&mut bound)
}
