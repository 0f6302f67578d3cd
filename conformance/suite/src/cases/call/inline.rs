// SPDX-License-Identifier: MIT OR Apache-2.0
//! Payload by value and by range, by hand.

use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{INLINE, case, op, status};
use crate::raw::{self, Bound, load};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.inline", &["CALL-10"], Needs::CONSOLE, inline),
    case("call.inline-rest", &["CALL-10", "GEN-5"], Needs::CONSOLE, inline_rest),
    case("call.wire-address", &["GEN-3", "GEN-7", "REG-2", "REG-3"], Needs::CONSOLE, wire_address),
    case("call.max-payload", &["DISC-9", "GEN-7", "CON-3"], Needs::CONSOLE, max_payload),
];

fn write(bound: &mut Bound, words: [u64; 7], expected: u16, what: &'static str) -> Result<u64, crate::Fail> {
    let done = bound.call_words(op::CONSOLE_WRITE, words)?;
    equal(u64::from(done.status), u64::from(expected), what)?;
    Ok(done.value)
}

/// `count` full stops in the six argument words, zero behind them.
fn stops(count: usize) -> [u64; 6] {
    let mut bytes = [0u8; 48];
    bytes[..count].fill(b'.');
    let mut words = [0; 6];
    for (word, eight) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = eight.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

fn with_count(count: u64, args: [u64; 6]) -> [u64; 7] {
    let [a, b, c, d, e, f] = args;
    [INLINE | (count << 32), a, b, c, d, e, f]
}

fn inline(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for count in [0, 1, 7, 8, 9, 47, 48] {
        let value = write(&mut bound, with_count(count as u64, stops(count)), status::OK, "INLINE")?;
        check(value <= count as u64, "more bytes were accepted than there are")?;
    }
    for count in [49, 50, 64, 0x100, 0x1_0000, 0x8000_0000, 0xffff_ffff] {
        let value = write(&mut bound, with_count(count, stops(48)), status::TOO_LONG, "49 bytes or more")?;
        equal(value, 0, "the value of what was refused")?;
    }
    Ok(())
}

fn inline_rest(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    // One byte beyond the count: the next, and the last.
    for count in [0, 1, 7, 8, 9, 40, 47] {
        for at in [count, 47] {
            let mut args = stops(count);
            args[at / 8] |= 0x80 << (at % 8 * 8);
            let what = "a byte behind the inline payload";
            write(&mut bound, with_count(count as u64, args), status::BAD_RESERVED, what)?;
        }
    }
    // A count is INLINE's.
    let range = [raw::pages(ctx.env, 0x1000, 0x1000)?.1, 4, 0, 0, 0, 0];
    for count in [1, 4, 48, 49] {
        let mut words = with_count(count, range);
        words[0] &= !INLINE;
        write(&mut bound, words, status::BAD_RESERVED, "a count without INLINE")?;
    }
    Ok(())
}

fn wire_address(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let len = load(&ctx.env.window(), 0x58);
    let (page, at) = raw::pages(ctx.env, 0x1000, 0x1000)?;
    raw::store(&page, 0, u64::from_le_bytes(*b"address\n"));
    let mut ask = |address: u64, len: u64, expected: u16, what| {
        write(&mut bound, [0, address, len, 0, 0, 0, 0], expected, what)
    };
    check(ask(at, 8, status::OK, "a range of region 0")? <= 8, "more bytes were accepted than there are")?;
    // The region is in the top 16 bits, all of them; the offset in the other 48, all of them.
    for bit in 48..64 {
        ask(at | (1 << bit), 8, status::BAD_REGION, "a region that there is not")?;
    }
    for bit in (0..48).filter(|bit| at | (1 << bit) >= len) {
        ask(at | (1 << bit), 8, status::BAD_RANGE, "an offset beyond the region")?;
    }
    // Up to the last byte. What lies there is the guest's business; a length of zero touches none of it.
    ask(len, 0, status::OK, "nothing at the end of the region")?;
    ask(len + 1, 0, status::BAD_RANGE, "nothing beyond the end of the region")?;
    for (address, count) in [(len - 7, 8), (len - 1, 2), (len, 1), (len + 1, 1)] {
        ask(address, count, status::BAD_RANGE, "a range that passes the end by one")?;
    }
    let top = (1 << 48) - 1;
    for (address, count) in [(top, 1), (top, 2), (top - 7, 16), (top, 4096)] {
        ask(address, count, status::BAD_RANGE, "a range that wraps at 48 bits")?;
    }
    // A read's range is only looked at when it is fetched: nothing but that check stands between the host and
    // the memory beyond.
    for (address, count) in [(len - 7, 8), (len, 1), (len + 1, 1), (top, 2), (at | (1 << 48), 8)] {
        let done = bound.call(op::CONSOLE_READ, [address, count, 0, 0, 0, 0])?;
        let expected = if address >> 48 == 0 { status::BAD_RANGE } else { status::BAD_REGION };
        equal(u64::from(done.status), u64::from(expected), "a read outside the region")?;
    }
    // It is never a virtual address. Where one happens to be an offset too, there is nothing to see.
    let pointer = page.base() as usize as u64;
    if pointer >= len {
        let done = bound.call(op::CONSOLE_WRITE, [pointer, 8, 0, 0, 0, 0])?;
        check(matches!(done.status, status::BAD_REGION | status::BAD_RANGE), "a virtual address is taken")?;
    }
    Ok(())
}

fn max_payload(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features(), 16)?;
    let limit = load(&ctx.env.window(), 0x50) & 0xffff_ffff;
    // Read, not written: nobody wants so much output.
    let (_, at) = raw::pages(ctx.env, limit as usize, 0x1000)?;
    super::held::hold_read(&mut bound, 2, at, limit)?;
    super::held::cancel_read(&mut bound, 2)?;
    for len in [limit + 1, limit * 2, 1 << 32, (1 << 32) | 8] {
        for op in [op::CONSOLE_READ, op::CONSOLE_WRITE] {
            let done = bound.call(op, [0, len, 0, 0, 0, 0])?;
            // Where region 0 is shorter than that, either answer is right.
            let short = load(&ctx.env.window(), 0x58) < len;
            let right = done.status == status::TOO_LONG || short && done.status == status::BAD_RANGE;
            check(right, "a payload longer than max_payload")?;
        }
    }
    for len in [1 << 63, u64::MAX] {
        for op in [op::CONSOLE_READ, op::CONSOLE_WRITE] {
            let done = bound.call(op, [at, len, 0, 0, 0, 0])?;
            check(matches!(done.status, status::TOO_LONG | status::BAD_RANGE), "a length that wraps")?;
        }
    }
    equal(bound.call(op::NOP, [1, 0, 0, 0, 0, 0])?.value, 1, "NOP")
}
