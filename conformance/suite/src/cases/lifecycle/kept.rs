// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host holds of a crash: whoever boots the machine compares its record with the one that these
//! cases leave (LIFE-4).

use super::ends::{corrupt_queue, ends, goes_on};
use crate::case::{Case, Crash, Ctx, Ends, Outcome, check, equal};
use crate::cases::tools::{INLINE, emergency, emergency_post, expect, op, settle, status};
use crate::raw::{self, Bound};

/// The cases.
pub const CASES: &[Case] = &[
    ends("lifecycle.crash-kept-by-value", &["LIFE-4"], kept(31, 0, SHORT), by_value),
    ends("lifecycle.crash-kept-of-a-range", &["LIFE-4"], kept(32, 0xdead_beef_0bad_cafe, LONG), of_a_range),
    ends("lifecycle.crash-kept-in-the-lane", &["LIFE-4", "CALL-23"], kept(33, 7, BYTES), in_the_lane),
];

const fn kept(exit: u32, code: u64, text: &'static [u8]) -> Ends {
    Ends::ExitAfterCrash(exit, Crash { code, text })
}

const SHORT: &[u8; 48] = b"the second of two crash records, 48 bytes of it\n";
/// No text, but any bytes.
const BYTES: &[u8; 256] = &pattern(1);
/// As long as can be.
const LONG: &[u8; 1024] = &pattern(11);

const fn pattern<const N: usize>(step: usize) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = (at * step + at / 256) as u8;
        at += 1;
    }
    bytes
}

fn leave(bound: &mut Bound, text: &[u8]) -> Outcome {
    let done = bound.call_words(op::CRASH, by_value_words(text))?;
    equal(u64::from(done.status), 0, "CRASH by value")
}

fn by_value_words(text: &[u8]) -> [u64; 7] {
    let mut words = [INLINE | ((text.len() as u64) << 32), 0, 0, 0, 0, 0, 0];
    for (index, byte) in text.iter().enumerate() {
        words[1 + index / 8] |= u64::from(*byte) << (index % 8 * 8);
    }
    words
}

/// Ends the machine, whose host then holds the record.
fn exit(ctx: &Ctx, bound: &mut Bound, code: u64) -> Outcome {
    bound.submit(op::EXIT, 0, [0, code, 0, 0, 0, 0, 0]);
    bound.kick();
    goes_on(ctx)
}

/// The last one counts, and one that is refused does not replace it.
fn by_value(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    leave(&mut bound, b"the first of two, longer than nothing at all")?;
    leave(&mut bound, SHORT)?;
    let (_, at) = raw::pages(ctx.env, 4096, 4096)?;
    expect(&mut bound, op::CRASH, &[at, 1025, 5], status::TOO_LONG, "1025 bytes")?;
    exit(ctx, &mut bound, 31)
}

fn of_a_range(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    leave(&mut bound, b"one from before")?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    check(page.write(1021, LONG), "the page")?;
    let args = [at + 1021, LONG.len() as u64, 0xdead_beef_0bad_cafe];
    expect(&mut bound, op::CRASH, &args, status::OK, "CRASH with a range")?;
    // The record is the host's: what becomes of the memory does not matter.
    check(page.write(1021, &[0xff; 1024]), "the page")?;
    settle(&mut bound)?;
    exit(ctx, &mut bound, 32)
}

/// Of a kernel whose call queue is beyond use.
fn in_the_lane(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 4, [4, 4])?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    check(page.write(3, BYTES), "the page")?;
    corrupt_queue(&mut bound)?;
    let done = emergency(&bound, 0, op::CRASH, [0, at + 3, BYTES.len() as u64, 7, 0, 0, 0])?;
    equal(u64::from(done.status), 0, "CRASH in the emergency lane")?;
    emergency_post(&bound, 1, op::EXIT, [0, 33, 0, 0, 0, 0, 0]);
    goes_on(ctx)
}
