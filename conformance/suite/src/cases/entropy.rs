// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random bytes of the host's (ENT-1 to ENT-3).

use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::{INLINE, case, end_of_memory, expect, op, open_memory, settle, status};
use crate::raw::{self, load};
use crate::shim::{SuitePlatform, failed};
use tenon_abi::{Features, Granule};
use tenon_guest::Buffer;
use tenon_rings::Mapping;

/// The cases.
pub const CASES: &[Case] = &[
    case("entropy.bytes", &["ENT-1", "ENT-2"], ENTROPY, bytes),
    case("entropy.inside-the-range", &["ENT-3"], ENTROPY, inside),
    case("entropy.misuse", &["ENT-2", "REG-2", "REG-3", "CALL-9", "CALL-11"], ENTROPY, misuse),
    case("entropy.shim", &["ENT-1", "ENT-2"], ENTROPY, shim),
];

const ENTROPY: Needs = Needs { features: Features::ENTROPY, ..Needs::NONE };
/// How many bytes a case asks for.
const LEN: u64 = 64;

/// The words of a page.
fn words(page: &Mapping) -> [u64; 16] {
    core::array::from_fn(|index| load(page, index * 8))
}

fn bytes(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    let mut seen = [[0; 16]; 4];
    for draw in &mut seen {
        // What the host gives at once is its choice: at least a byte, and the rest by another call.
        let mut done = 0;
        while done < LEN {
            let more = expect(&mut bound, op::ENTROPY, &[at + done, LEN - done], status::OK, "ENTROPY")?;
            check(more >= 1 && more <= LEN - done, "bytes of one call")?;
            done += more;
        }
        *draw = words(&page);
    }
    // 64 bytes that are alike, or all zero, are no accident.
    for (index, draw) in seen.iter().enumerate() {
        check(draw.iter().take(8).any(|word| *word != 0), "nothing was written")?;
        check(seen.iter().skip(index + 1).all(|other| other != draw), "the same bytes again")?;
    }
    Ok(())
}

fn inside(ctx: &Ctx) -> Outcome {
    const MARK: u64 = 0x5a5a_5a5a_5a5a_5a5a;
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    for len in [1, 3, 8, 9, 32] {
        for index in 0..16 {
            raw::store(&page, index * 8, MARK);
        }
        // From the middle of a word on.
        let value = expect(&mut bound, op::ENTROPY, &[at + 13, len], status::OK, "ENTROPY")?;
        check(value >= 1 && value <= len, "bytes of one call")?;
        for (index, word) in words(&page).into_iter().enumerate() {
            for (byte, found) in word.to_le_bytes().into_iter().enumerate() {
                let offset = (index * 8 + byte) as u64;
                let is_inside = offset >= 13 && offset < 13 + value;
                check(is_inside || found == 0x5a, "a byte outside of what was asked for")?;
            }
        }
    }
    Ok(())
}

fn misuse(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    let record = raw::record(ctx.env);
    let (end, most) = (record.region0_len.get(), u64::from(record.max_payload.get()));
    let before = words(&page);
    for (args, wanted, what) in [
        (&[at, 0][..], status::BAD_ARGUMENT, "no bytes"),
        (&[at, most + 1], status::TOO_LONG, "more than max_payload"),
        (&[at, u64::MAX], status::TOO_LONG, "a length of 64 bits"),
        (&[end, 1], status::BAD_RANGE, "the byte behind the end"),
        (&[end - 1, 2], status::BAD_RANGE, "a byte beyond the end"),
        (&[(1 << 48) - 1, 2], status::BAD_RANGE, "a range that wraps in 48 bits"),
        (&[(0xffff << 48) | at, 8], status::BAD_REGION, "a region that does not exist"),
        (&[at, 8, 1], status::BAD_RESERVED, "a third argument"),
    ] {
        expect(&mut bound, op::ENTROPY, args, wanted, what)?;
    }
    let inline = bound.call_words(op::ENTROPY, [INLINE | (8 << 32), at, 8, 0, 0, 0, 0])?;
    equal(u64::from(inline.status), u64::from(status::BAD_RESERVED), "INLINE")?;
    settle(&mut bound)?;
    check(words(&page) == before, "what was refused wrote something")?;
    if open_memory(ctx.env).is_err() {
        return Ok(());
    }
    let end = end_of_memory(&mut bound)?;
    let all = expect(&mut bound, op::ENTROPY, &[end - 1, 1], status::OK, "the last byte")?;
    equal(all, 1, "bytes of one")
}

fn shim(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let buffer = Buffer::new(platform.pages(4096, Granule::K64)?);
    let filled = vcpu.entropy().fill(&buffer).map_err(|error| failed("ENTROPY", error))?;
    check(filled >= 1 && filled <= buffer.len(), "bytes of one call")
}
