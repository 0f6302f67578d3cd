// SPDX-License-Identifier: MIT OR Apache-2.0
//! MEMORY_INFO, by hand (MEM-2 to MEM-4).

use super::{Desk, MEMORY};
use crate::case::{Case, Ctx, Outcome, check, equal};
use crate::cases::tools::{INLINE, case, expect, op, settle, status};
use crate::raw::{self, load, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("memory.info", &["MEM-1", "MEM-2", "MEM-3", "MEM-4"], MEMORY, told),
    case("memory.pieces", &["MEM-3", "REG-1"], MEMORY, pieces),
    case("memory.info-front", &["MEM-3"], MEMORY, front),
    case("memory.info-misuse", &["MEM-3", "REG-2", "REG-3", "CALL-9", "CALL-11"], MEMORY, misuse),
];

fn told(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    let info = desk.info(&mut bound)?;
    check(info.granule.is_power_of_two(), "a unit that is no power of two")?;
    check((4096..=2 << 20).contains(&info.granule), "a unit that is too small or too large")?;
    check(info.max_range != 0 && info.max_range.is_multiple_of(info.granule), "max_range")?;
    check(info.target.is_multiple_of(info.granule) && info.target <= info.memory, "target")?;
    equal(info.given, 0, "bytes that are given in a new session")?;
    check(info.pieces >> 32 == 0 && info.pieces != 0, "the number of pieces, or a reserved word")?;
    equal(load(&desk.page, 0x30) | load(&desk.page, 0x38), 0, "reserved words")?;
    check(desk.info(&mut bound)? == info, "two answers in a row differ")
}

fn pieces(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    let info = desk.info(&mut bound)?;
    let (mut end, mut sum) = (0, 0);
    for index in 0..info.pieces.min(16) {
        let (offset, len) = desk.piece(index);
        check(len != 0 && offset >= end, "a piece that is empty, or not behind the one before it")?;
        check(offset.checked_add(len).is_some(), "a piece that wraps")?;
        (end, sum) = (offset + len, sum + len);
    }
    check(end <= raw::record(ctx.env).region0_len.get(), "a piece beyond region0_len")?;
    if info.pieces <= 16 {
        equal(sum, info.memory, "the bytes of all pieces, and `memory`")?;
    }
    // What this case itself uses is memory.
    let inside = (0..info.pieces.min(16)).map(|index| desk.piece(index));
    let (mut at_page, mut at_area) = (false, false);
    for (offset, len) in inside {
        at_page |= (offset..offset + len).contains(&desk.at);
        at_area |= (offset..offset + len).contains(&bound.guest.1);
    }
    check(at_page && at_area, "memory of the guest's is in no piece")
}

fn front(ctx: &Ctx) -> Outcome {
    const FILL: u64 = 0xa5a5_a5a5_a5a5_a5a5;
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    let whole = 64 + 16 * desk.info(&mut bound)?.pieces;
    for len in [1, 7, 8, 9, 63, 64, 65, 71, 79, 80, 4000] {
        for at in (0..4096).step_by(8) {
            store(&desk.page, at, FILL);
        }
        let value = expect(&mut bound, op::MEMORY_INFO, &[desk.at, len], status::OK, "MEMORY_INFO")?;
        equal(value, len.min(whole), "bytes of an answer")?;
        for at in (0..4096).step_by(8).filter(|at| *at as u64 >= value) {
            equal(load(&desk.page, at), FILL, "a word behind the answer")?;
        }
        if value % 8 != 0 && value < 4088 {
            let last = load(&desk.page, value as usize / 8 * 8) >> (value % 8 * 8);
            equal(last, FILL >> (value % 8 * 8), "a byte behind the answer")?;
        }
    }
    // Not aligned: the same bytes.
    expect(&mut bound, op::MEMORY_INFO, &[desk.at, 64], status::OK, "MEMORY_INFO")?;
    let first = load(&desk.page, 0x08);
    expect(&mut bound, op::MEMORY_INFO, &[desk.at + 131, 64], status::OK, "MEMORY_INFO")?;
    let low = load(&desk.page, 136) >> 24 | load(&desk.page, 144) << 40;
    equal(low, first, "an answer at an odd address")
}

fn misuse(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    desk.info(&mut bound)?;
    let record = raw::record(ctx.env);
    let (end, most) = (record.region0_len.get(), u64::from(record.max_payload.get()));
    let before: [u64; 8] = core::array::from_fn(|index| load(&desk.page, index * 8));
    for (args, wanted, what) in [
        (&[desk.at, 0][..], status::BAD_ARGUMENT, "no bytes"),
        (&[desk.at, most + 1], status::TOO_LONG, "more than max_payload"),
        (&[desk.at, u64::MAX], status::TOO_LONG, "a length of 64 bits"),
        (&[end, 64], status::BAD_RANGE, "behind the end"),
        (&[end - 1, 64], status::BAD_RANGE, "beyond the end"),
        (&[(1 << 48) - 8, 64], status::BAD_RANGE, "a range that wraps in 48 bits"),
        (&[(0xffff << 48) | desk.at, 64], status::BAD_REGION, "a region that does not exist"),
        (&[desk.at, 64, 1], status::BAD_RESERVED, "a third argument"),
    ] {
        expect(&mut bound, op::MEMORY_INFO, args, wanted, what)?;
    }
    let inline = bound.call_words(op::MEMORY_INFO, [INLINE | (8 << 32), desk.at, 8, 0, 0, 0, 0])?;
    equal(u64::from(inline.status), u64::from(status::BAD_RESERVED), "INLINE")?;
    settle(&mut bound)?;
    let after: [u64; 8] = core::array::from_fn(|index| load(&desk.page, index * 8));
    check(before == after, "what was refused wrote something")
}
