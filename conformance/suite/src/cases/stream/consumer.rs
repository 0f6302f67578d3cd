// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a consumer makes of memory that was written by the spec alone.

use super::side::{Line, Ring, setup, wrong};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::case;
use tenon_rings::Error;

/// The cases.
pub const CASES: &[Case] = &[
    case("stream.consumer-line", &["STR-1", "STR-3", "STR-4"], Needs::NONE, line),
    case("stream.records-read", &["STR-4", "STR-6", "STR-7"], Needs::NONE, read),
    case("stream.skip-read", &["STR-8"], Needs::NONE, skip),
    case("stream.release", &["STR-10"], Needs::NONE, release),
    case("stream.messages-read", &["STR-14", "STR-10"], Needs::NONE, messages),
    case("stream.another-session", &["STR-4", "STR-3"], Needs::NONE, another_session),
];

fn line(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 64, u32::MAX)?;
    ring.set(Line::Consumer, 0x20, 77);
    let (_near, far) = ring.sides()?;
    let consumer = far.records(64, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
    for (offset, expected) in [(0x00, ring.at(0)), (0x08, ring.at(0)), (0x10, 8), (0x18, 1)] {
        equal(ring.word(Line::Consumer, offset), expected, "the consumer's line")?;
    }
    for offset in (0x20..0x80).step_by(8) {
        equal(ring.word(Line::Consumer, offset), 0, "what is reserved in the consumer's page")?;
    }
    for offset in (0..0x80).step_by(8) {
        equal(ring.word(Line::Producer, offset), 0, "the producer's page is the producer's")?;
    }
    consumer.close();
    equal(ring.word(Line::Consumer, 0x18), 0, "the state of who left")
}

fn read(ctx: &Ctx) -> Outcome {
    // The wrap of positions lies behind the first header.
    let ring = Ring::new(ctx, 256, u32::MAX)?;
    ring.come(Line::Producer, 32);
    let (_near, far) = ring.sides()?;
    let mut consumer = far.records(256, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
    check(consumer.read(|_| ()) == Err(Error::Empty), "nothing is published")?;
    let text = b"abcdefghijklmnopqrstuvwx";
    let mut at = 0;
    for len in [0usize, 1, 8, 12, 24] {
        let words = len.div_ceil(8) as u32;
        ring.put(at, 32, ring.header(at, len as u32));
        for (word, bytes) in (1..=words).zip(text.chunks_exact(8)) {
            // Bytes behind the record are not looked at, whatever they are.
            ring.put(at + word, 32, u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        }
        check(consumer.read(|_| ()) == Err(Error::Empty), "a record that is not published")?;
        at += 1 + words;
        ring.go(Line::Producer, at);
        let mut out = [0xee; 25];
        let found = consumer.read(|span| (span.len(), span.copy_into(&mut out).is_some()));
        check(found == Ok((len, true)), "a record's length")?;
        check(out[..len] == text[..len] && out[len] == 0xee, "a record's bytes")?;
    }
    ring.put(at, 32, ring.header(at, 13));
    ring.put(at + 1, 32, 0x0807_0605_0403_0201);
    ring.put(at + 2, 32, 0x0d_0c0b_0a09);
    ring.go(Line::Producer, at + 3);
    let found = consumer
        .read(|span| (span.read_u64(3), span.read_u32(9), span.read_u16(11), span.read_u8(13), span.words()))
        .map_err(wrong("a record"))?;
    check(found.0 == Some(0x0b0a_0908_0706_0504), "eight bytes of a record")?;
    check(found.1 == Some(0x0d0c_0b0a), "four bytes of a record")?;
    check(found.2 == Some(0x0d0c), "two bytes of a record")?;
    check(found.3.is_none(), "a byte behind a record")?;
    check(found.4 == Some([0x0807_0605_0403_0201]), "the words of a record")
}

fn skip(ctx: &Ctx) -> Outcome {
    // Three units before the end of 32.
    let ring = Ring::new(ctx, 256, u32::MAX.wrapping_sub(2))?;
    ring.come(Line::Producer, 32);
    let (_near, far) = ring.sides()?;
    let mut consumer = far.records(256, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
    ring.put(0, 32, ring.header(0, u32::MAX));
    ring.set_plain(0, ring.header(3, 56));
    for word in 1..8 {
        ring.set_plain(word, word as u64);
    }
    ring.go(Line::Producer, 11);
    let found =
        consumer.read(|span| (span.len(), span.words::<7>())).map_err(wrong("a record behind a skip"))?;
    check(found == (56, Some([1, 2, 3, 4, 5, 6, 7])), "the longest record, behind a skip")?;
    check(consumer.read(|_| ()) == Err(Error::Empty), "all is taken")?;
    ring.is_at(Line::Consumer, 11, "a skip is released with its record")
}

fn release(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 512, 0)?;
    ring.come(Line::Producer, 64);
    let (_near, far) = ring.sides()?;
    let mut consumer = far.records(512, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
    for at in (0..64).step_by(2) {
        ring.put(at, 64, ring.header(at, 8));
    }
    ring.go(Line::Producer, 62);
    for taken in (2..=62).step_by(2) {
        consumer.read(|_| ()).map_err(wrong("a record"))?;
        let shown = ring.word(Line::Consumer, 0) as u32;
        check(shown <= taken && taken - shown < 8, "less than an eighth is not released")?;
    }
    check(consumer.read(|_| ()) == Err(Error::Empty), "all is taken")?;
    ring.is_at(Line::Consumer, 62, "who finds nothing has released")?;
    ring.go(Line::Producer, 64);
    consumer.read(|_| ()).map_err(wrong("a record"))?;
    check(consumer.arm(1) == Ok(true), "nothing is there")?;
    ring.is_at(Line::Consumer, 64, "who arms has released")
}

fn messages(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 128, u32::MAX)?;
    ring.come(Line::Producer, 8 | 2 << 32);
    let (_near, far) = ring.sides()?;
    let mut consumer = far
        .messages::<[u64; 2], _>(8, ring.seed, ())
        .map_err(|error| setup("a consumer of messages", error))?;
    for word in 0..16 {
        ring.set_plain(word, 100 + word as u64);
    }
    check(consumer.pop() == Err(Error::Empty), "nothing is published")?;
    ring.go(Line::Producer, 8);
    // The first is in the last slot.
    check(consumer.pop() == Ok([114, 115]), "a message from its slot")?;
    let mut sum = 0;
    check(consumer.drain(2, |[first, _]| sum += first) == Ok(2), "messages one by one")?;
    equal(sum, 100 + 102, "messages in order")?;
    let mut out = [[0; 2]; 9];
    check(consumer.pop_slice(&mut out) == Ok(5), "a slice, as far as there are any")?;
    check(out[..2] == [[104, 105], [106, 107]] && out[5] == [0; 2], "messages in a slice")?;
    ring.is_at(Line::Consumer, 8, "an eighth of eight is one")
}

fn another_session(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 64, 0)?;
    // A line that a session before has left, with positions far on.
    for (offset, value) in [(0x00, 1 << 32 | 8), (0x08, 1 << 32 | 1), (0x10, 8), (0x18, 0)] {
        ring.set(Line::Producer, offset, value);
    }
    let (_near, far) = ring.sides()?;
    let mut consumer = far.records(64, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
    check(consumer.read(|_| ()) == Err(Error::Empty), "a position of another session")?;
    check(consumer.arm(1) == Ok(true), "a position of another session wakes nobody")?;
    // Cleared memory looks like the session with the seed 0 but for the shape.
    for offset in [0x00, 0x08, 0x10] {
        ring.set(Line::Producer, offset, 0);
    }
    check(consumer.read(|_| ()) == Err(Error::Empty), "a cleared line")?;
    ring.come(Line::Producer, 8);
    ring.put(0, 8, ring.header(0, 0));
    ring.go(Line::Producer, 1);
    check(consumer.read(|span| span.len()) == Ok(0), "the first record of this session")
}
