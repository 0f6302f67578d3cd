// SPDX-License-Identifier: MIT OR Apache-2.0
//! METER_READ itself: rows, pieces, ranges, refusals.

use super::{Answer, Desk, LEN, METER, row};
use crate::case::{Case, Ctx, Fail, Outcome, check, equal};
use crate::cases::session::desk::{self, Random};
use crate::cases::tools::{INLINE, case, emergency, end_of_memory, expect, op, open_memory, settle, status};
use crate::raw::{self, load, store};
use crate::since;

/// The cases.
pub const CASES: &[Case] = &[
    case("meter.rows", &["MET-1", "MET-2"], METER, rows),
    case("meter.first", &["MET-1"], METER, first),
    case("meter.pieces", &["MET-1", "MET-2", "MET-4"], METER, pieces),
    case("meter.room-for-whole-rows", &["MET-1", "MET-3"], METER, whole_rows),
    case("meter.inside-the-range", &["MET-3"], METER, inside),
    case("meter.unaligned-range", &["MET-1", "MET-3"], METER, unaligned),
    case("meter.too-short", &["MET-3", "CALL-13"], METER, too_short),
    case("meter.too-long", &["MET-3"], METER, too_long),
    case("meter.bad-range", &["REG-2", "REG-3"], METER, bad_range),
    case("meter.bad-first", &["CALL-11"], METER, bad_first),
    case("meter.bad-reserved", &["CALL-9", "CALL-11", "GEN-9"], METER, bad_reserved),
    case("meter.refusals-write-nothing", &["MET-3", "GEN-5"], METER, refusals_write_nothing),
    case("meter.not-negotiated", &["NEG-7", "MET-1"], METER, not_negotiated),
    case("meter.not-in-the-lane", &["CALL-23"], METER, not_in_the_lane),
    case("meter.random-reads", &["MET-3", "GEN-7"], METER, random_reads),
];

fn rows(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let answer = desk.read()?;
    let features = since::negotiable(ctx.env);
    // Each number whose family is offered.
    for (needs, number) in [
        (0, row::CALLS),
        (0, row::BATCHES),
        (0, row::CONTROLS),
        (1 << 1, row::EVENTS),
        (1 << 3, row::UPCALLS),
        (1 << 2, row::DIRECT_INTERRUPTS),
        (1 << 5, row::CONSOLE_OUT),
        (1 << 5, row::CONSOLE_IN),
        (1 << 7, row::ENTROPY),
    ] {
        if features & needs == needs {
            answer.get(number)?;
        }
    }
    Ok(())
}

fn first(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let all = desk.read()?;
    for (index, (number, _)) in all.rows().iter().enumerate() {
        let part = desk.read_from(*number)?;
        equal(part.len as u64, (all.len - index) as u64, "rows from this number on")?;
        check(part.rows().first().is_some_and(|row| row.0 == *number), "the first row that was asked for")?;
    }
    let last = all.rows().last().map_or(0, |row| row.0);
    for beyond in [last + 1, 0xffff_ffff] {
        equal(desk.read_from(beyond)?.len as u64, 0, "rows beyond the last")?;
    }
    Ok(())
}

/// The whole in calls with room for one row.
fn pieces(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let before = desk.read()?;
    let (mut next, mut seen) = (0, 0);
    for _ in 0..=before.len {
        let args = [next, desk.page.1, 24];
        let bytes = expect(&mut desk.bound, op::METER_READ, &args, status::OK, "METER_READ of a row")?;
        check(bytes <= 24, "more than one row")?;
        let answer = Answer::of(&desk.page.0, bytes, next)?;
        equal(answer.epoch, before.epoch, "another epoch")?;
        let Some(row) = answer.rows().first() else { break };
        check(row.1 >= before.get(row.0)?, "a count fell")?;
        (next, seen) = (row.0 + 1, seen + 1);
    }
    equal(seen, before.len as u64, "rows one by one")
}

fn whole_rows(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let all = desk.read()?.len as u64;
    for len in [24, 25, 39, 40, 41, 55, 56, 87, 88] {
        let args = [0, desk.page.1, len];
        let bytes = expect(&mut desk.bound, op::METER_READ, &args, status::OK, "METER_READ")?;
        equal(bytes, 8 + 16 * all.min((len - 8) / 16), "bytes of whole rows")?;
    }
    Ok(())
}

const MARK: u64 = 0x6b6b_6b6b_6b6b_6b6b;

fn mark(desk: &Desk) {
    for index in 0..64 {
        store(&desk.page.0, index * 8, MARK);
    }
}

/// No byte but `from..to` differs from the mark.
fn untouched_but(desk: &Desk, from: u64, to: u64) -> Outcome {
    for index in 0..64 {
        for (byte, found) in (0..).zip(load(&desk.page.0, index * 8).to_le_bytes()) {
            let at = index as u64 * 8 + byte;
            check((from..to).contains(&at) || found == 0x6b, "a byte outside of what was written")?;
        }
    }
    Ok(())
}

fn inside(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    for len in [24, 31, 39, 40, 47, 56] {
        mark(&desk);
        let args = [0, desk.page.1 + 64, len];
        let bytes = expect(&mut desk.bound, op::METER_READ, &args, status::OK, "METER_READ")?;
        check(bytes <= len, "more bytes than there is room for")?;
        settle(&mut desk.bound)?;
        untouched_but(&desk, 64, 64 + bytes)?;
    }
    Ok(())
}

/// The range begins and ends anywhere.
fn unaligned(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let epoch = desk.read()?.epoch;
    for shift in [1, 3, 4, 7] {
        mark(&desk);
        let args = [row::CALLS, desk.page.1 + 64 + shift, 24];
        equal(expect(&mut desk.bound, op::METER_READ, &args, status::OK, "METER_READ")?, 24, "bytes")?;
        let mut bytes = [0; 24];
        check(desk.page.0.read(64 + shift as usize, &mut bytes), "the page")?;
        let (words, _) = bytes.as_chunks::<8>();
        let found: [u64; 2] = core::array::from_fn(|index| u64::from_le_bytes(words[index]));
        equal(found[0], epoch, "the epoch")?;
        equal(found[1], row::CALLS, "the first row")?;
        untouched_but(&desk, 64 + shift, 64 + shift + 24)?;
    }
    Ok(())
}

/// Each of these is refused with this status.
fn refused(desk: &mut Desk, all: &[([u64; 4], u16, &'static str)]) -> Outcome {
    for (args, status, what) in all {
        expect(&mut desk.bound, op::METER_READ, args, *status, what)?;
    }
    Ok(())
}

fn too_short(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let at = desk.page.1;
    for len in [0, 1, 7, 8, 16, 23] {
        refused(&mut desk, &[([0, at, len, 0], status::BAD_ARGUMENT, "no room for a row")])?;
    }
    // Also where no row is asked for.
    refused(&mut desk, &[([0xffff_ffff, at, 8, 0], status::BAD_ARGUMENT, "room for the epoch alone")])
}

fn too_long(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let (at, most) = (desk.page.1, u64::from(raw::record(ctx.env).max_payload.get()));
    for len in [most + 1, 1 << 32, (1 << 32) | 24, 1 << 63, u64::MAX] {
        refused(&mut desk, &[([0, at, len, 0], status::TOO_LONG, "more than max_payload")])?;
    }
    Ok(())
}

fn bad_range(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let (at, end) = (desk.page.1, raw::record(ctx.env).region0_len.get());
    refused(
        &mut desk,
        &[
            ([0, end, 24, 0], status::BAD_RANGE, "behind the end"),
            ([0, end - 23, 24, 0], status::BAD_RANGE, "a byte beyond the end"),
            ([0, (1 << 48) - 8, 24, 0], status::BAD_RANGE, "a range that wraps in 48 bits"),
            ([0, (0xffff << 48) | at, 24, 0], status::BAD_REGION, "a region that does not exist"),
        ],
    )?;
    if open_memory(ctx.env).is_err() {
        return Ok(());
    }
    let end = end_of_memory(&mut desk.bound)?;
    let bytes = expect(&mut desk.bound, op::METER_READ, &[1, end - 24, 24], status::OK, "the last bytes")?;
    equal(bytes, 24, "bytes of a row")
}

fn bad_first(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let at = desk.page.1;
    for first in [1 << 32, (1 << 32) | 1, u64::MAX] {
        refused(&mut desk, &[([first, at, LEN, 0], status::BAD_ARGUMENT, "a number of more than 32 bits")])?;
    }
    Ok(())
}

fn bad_reserved(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let at = desk.page.1;
    for extra in 3..6 {
        let mut args = [0, at, LEN, 0, 0, 0];
        args[extra] = 1;
        expect(&mut desk.bound, op::METER_READ, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    for first_word in [2, 1 << 31, 1 << 32, INLINE | (8 << 32)] {
        let done = desk.bound.call_words(op::METER_READ, [first_word, 0, at, LEN, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "flags and count")?;
    }
    // The first rule that is broken counts.
    expect(&mut desk.bound, op::METER_READ, &[1 << 32, 0, 0, 1], status::BAD_RESERVED, "several rules")
        .map(|_| ())
}

fn refusals_write_nothing(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let before = desk.read()?;
    mark(&desk);
    let at = desk.page.1;
    let all = [
        ([0, at, 23, 0], status::BAD_ARGUMENT, "no room for a row"),
        ([0, at, u64::MAX, 0], status::TOO_LONG, "more than max_payload"),
        ([1 << 32, at, LEN, 0], status::BAD_ARGUMENT, "a number of more than 32 bits"),
        ([0, at, LEN, 1], status::BAD_RESERVED, "an unused argument"),
    ];
    refused(&mut desk, &all)?;
    settle(&mut desk.bound)?;
    untouched_but(&desk, 0, 0)?;
    let after = desk.read()?;
    after.follows(&before)?;
    // They were calls, as the NOP and this read were.
    equal(after.more(&before, row::CALLS)?, all.len() as u64 + 2, "calls")
}

fn not_negotiated(ctx: &Ctx) -> Outcome {
    let desk = desk::Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features() & !(1 << 11), 16)?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    for args in [[0, at, LEN, 0], [0, 0, 0, 1], [1 << 32, at, 0, 0]] {
        expect(&mut bound, op::METER_READ, &args, status::NOT_SUPPORTED, "without METER")?;
    }
    equal(load(&page, 0), 0, "what does not exist wrote something")?;
    let args = [u64::from(op::METER_READ)];
    equal(expect(&mut bound, op::PROBE, &args, status::OK, "PROBE")?, 0, "PROBE's value")
}

fn not_in_the_lane(ctx: &Ctx) -> Outcome {
    let desk = Desk::open(ctx)?;
    let done = emergency(&desk.bound, 0, op::METER_READ, [0, 0, desk.page.1, LEN, 0, 0, 0])?;
    equal(u64::from(done.status), u64::from(status::NOT_SUPPORTED), "METER_READ in the emergency lane")
}

/// Arguments of any kind: a status, and no byte outside of what the value says.
fn random_reads(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let mut random = Random::new(ctx.seed ^ 0x3e7e);
    for _ in 0..200 {
        mark(&desk);
        let first = if random.below(4) == 0 { random.word() } else { random.below(16) };
        let (offset, len) = (random.below(200), random.below(128));
        let args = [first, desk.page.1 + offset, len, 0, 0, 0];
        let done = desk.bound.call(op::METER_READ, args)?;
        let expected = match (first >> 32, len) {
            (0, 24..) => status::OK,
            _ => status::BAD_ARGUMENT,
        };
        if done.status != expected {
            return Err(Fail::Failed("status", u64::from(done.status), u64::from(expected)));
        }
        check(done.value <= len, "more bytes than there is room for")?;
        untouched_but(&desk, offset, offset + done.value)?;
    }
    Ok(())
}
