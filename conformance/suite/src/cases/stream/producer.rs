// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a producer leaves in memory, looked at word by word.

use super::side::{Line, Ring, setup, wrong};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::case;
use tenon_rings::Error;

/// The cases.
pub const CASES: &[Case] = &[
    case("stream.producer-line", &["STR-1", "STR-2", "STR-3", "STR-4"], Needs::NONE, line),
    case("stream.records-written", &["STR-7", "STR-1"], Needs::NONE, written),
    case("stream.granules", &["STR-1", "GEN-4"], Needs::NONE, granules),
    case("stream.record-behind-skip", &["STR-8", "STR-7"], Needs::NONE, skip),
    case("stream.publication", &["STR-6"], Needs::NONE, publication),
    case("stream.messages-written", &["STR-14", "STR-6"], Needs::NONE, messages),
    case("stream.producer-leaves", &["STR-13", "STR-3"], Needs::NONE, leaves),
];

/// The position after the next one is zero.
const WRAPPING: u32 = u32::MAX;

fn line(ctx: &Ctx) -> Outcome {
    for (kind, shape) in [(0, 8), (1, 4 | 3 << 32)] {
        let ring = Ring::new(ctx, 128, 0x0001_2345)?;
        ring.set(Line::Producer, 0x38, 77);
        let (near, _far) = ring.sides()?;
        if kind == 0 {
            near.records(64, ring.seed, ()).map_err(|error| setup("a producer of records", error))?;
        } else {
            near.messages::<[u64; 3], _>(4, ring.seed, ())
                .map_err(|error| setup("a producer of messages", error))?;
        }
        for (offset, expected) in [(0x00, ring.at(0)), (0x08, ring.at(0)), (0x10, shape), (0x18, 1)] {
            equal(ring.word(Line::Producer, offset), expected, "the producer's line")?;
        }
        for offset in (0x20..0x80).step_by(8) {
            equal(ring.word(Line::Producer, offset), 0, "what is reserved in the producer's page")?;
        }
        for offset in (0..0x80).step_by(8) {
            equal(ring.word(Line::Consumer, offset), 0, "the consumer's page is the consumer's")?;
        }
    }
    Ok(())
}

fn written(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 256, WRAPPING.wrapping_sub(31))?;
    let (near, _far) = ring.sides()?;
    let mut producer = near.records(256, ring.seed, ()).map_err(|error| setup("a producer", error))?;
    let text = b"abcdefghijklmnopq";
    // Zero, one, seven, eight, nine and seventeen bytes; the last two in parts.
    let mut at = 0;
    for (len, parts) in [(0usize, 1), (1, 1), (7, 1), (8, 1), (9, 3), (17, 5)] {
        let record = &text[..len];
        if parts == 1 {
            producer.write(record).map_err(wrong("a record"))?;
        } else {
            let (first, rest) = record.split_at(len / parts);
            producer.write_vectored(&[first, b"", rest]).map_err(wrong("a record in parts"))?;
        }
        producer.flush().map_err(wrong("publishing"))?;
        equal(ring.data(at, 32), ring.header(at, len as u32), "a record's header")?;
        let mut bytes = [0u8; 24];
        bytes[..len].copy_from_slice(record);
        let words = len.div_ceil(8);
        for (word, expected) in bytes.chunks_exact(8).take(words).enumerate() {
            let expected = u64::from_le_bytes(expected.try_into().unwrap_or_default());
            equal(ring.data(at + 1 + word as u32, 32), expected, "a record's bytes, filled up with zeros")?;
        }
        at += 1 + words as u32;
        ring.is_at(Line::Producer, at, "the position behind a record")?;
    }
    producer.write_words(&[0x0807_0605_0403_0201]).map_err(wrong("a record of words"))?;
    equal(ring.data(at, 32), ring.header(at, 8), "the header of a record of words")?;
    equal(ring.data(at + 1, 32), 0x0807_0605_0403_0201, "a word is little-endian")
}

/// Each control page takes a granule, and the data begins behind two.
fn granules(ctx: &Ctx) -> Outcome {
    for granule in [0x1000, 0x4000, 0x1_0000] {
        let ring = Ring::with(ctx, granule, 256, 1)?;
        let (near, far) = ring.sides()?;
        let mut producer = near.records(256, ring.seed, ()).map_err(|error| setup("a producer", error))?;
        let mut consumer = far.records(256, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
        producer.write(b"granules").map_err(wrong("a record"))?;
        producer.flush().map_err(wrong("publishing"))?;
        ring.is_at(Line::Producer, 2, "the producer's page")?;
        equal(ring.data(0, 32), ring.header(0, 8), "a header in the data")?;
        equal(ring.data(1, 32), u64::from_le_bytes(*b"granules"), "the record's bytes")?;
        let len = consumer.read(|span| span.len()).map_err(wrong("taking the record"))?;
        equal(len as u64, 8, "the record's length")?;
        consumer.release().map_err(wrong("releasing"))?;
        ring.is_at(Line::Consumer, 2, "the consumer's page")?;
    }
    Ok(())
}

fn skip(ctx: &Ctx) -> Outcome {
    // Two units before the end of 32.
    let ring = Ring::new(ctx, 256, WRAPPING.wrapping_sub(1))?;
    let (near, _far) = ring.sides()?;
    let mut producer = near.records(256, ring.seed, ()).map_err(|error| setup("a producer", error))?;
    equal(u64::from(producer.max_record()), 56, "the longest record: a quarter with its header")?;
    check(producer.write(&[1; 57]) == Err(Error::TooLong), "a record that is too long")?;
    producer.write(&[7; 9]).map_err(wrong("a record that does not fit before the end"))?;
    producer.flush().map_err(wrong("publishing"))?;
    equal(ring.data(0, 32), ring.header(0, u32::MAX), "the skip")?;
    equal(ring.plain(0), ring.header(2, 9), "the header at the start of the data")?;
    equal(ring.plain(1), 0x0707_0707_0707_0707, "the record's first word")?;
    equal(ring.plain(2), 7, "the record's last word")?;
    ring.is_at(Line::Producer, 5, "skip and record are published together")?;
    // Up to the last unit: no skip.
    let ring = Ring::new(ctx, 256, WRAPPING.wrapping_sub(1))?;
    let (near, _far) = ring.sides()?;
    let mut producer = near.records(256, ring.seed, ()).map_err(|error| setup("a producer", error))?;
    producer.write(&[7; 8]).map_err(wrong("a record that just fits"))?;
    equal(ring.data(0, 32), ring.header(0, 8), "a record that just fits before the end")
}

fn publication(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 512, WRAPPING)?;
    let (near, _far) = ring.sides()?;
    let mut producer = near.records(512, ring.seed, ()).map_err(|error| setup("a producer", error))?;
    // Records of two units through 64 that nobody takes; the first skips the last one.
    let mut written = 1;
    loop {
        match producer.write(&[1]) {
            Ok(()) => written += 2,
            Err(Error::Full) => break,
            Err(error) => return Err(wrong("a record")(error)),
        }
        let shown = (ring.word(Line::Producer, 0) as u32).wrapping_sub(ring.seed);
        check(shown <= written && written - shown < 8, "less than an eighth is not published")?;
    }
    equal(u64::from(written), 63, "records until it is full")?;
    ring.is_at(Line::Producer, written, "a full ring is published")?;
    let ring = Ring::new(ctx, 512, WRAPPING)?;
    let (near, _far) = ring.sides()?;
    let mut producer = near.records(512, ring.seed, ()).map_err(|error| setup("a producer", error))?;
    producer.write(&[]).map_err(wrong("a record"))?;
    check(producer.arm(8) == Ok(false), "there is room")?;
    ring.is_at(Line::Producer, 1, "who arms has published")
}

fn messages(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 128, WRAPPING.wrapping_sub(2))?;
    let (near, _far) = ring.sides()?;
    let mut producer = near
        .messages::<[u64; 3], _>(4, ring.seed, ())
        .map_err(|error| setup("a producer of messages", error))?;
    // Slots 1, 2, 3 and 0: the position wraps between the last two.
    let message = |n: u64| [n, n << 8, n << 56];
    producer.push(message(1)).map_err(wrong("a message"))?;
    check(producer.push_all(&mut [message(2)].into_iter()) == Ok(1), "messages one by one")?;
    check(
        producer.push_slice(&[message(3), message(4), message(5)]) == Ok(2),
        "a slice, as far as there is room",
    )?;
    for (n, slot) in [(1, 1), (2, 2), (3, 3), (4, 0)] {
        for (word, expected) in message(n).into_iter().enumerate() {
            equal(ring.plain(slot * 3 + word), expected, "a message's words in its slot")?;
        }
    }
    equal(ring.plain(12), 0, "what lies behind the ring")?;
    ring.is_at(Line::Producer, 4, "an eighth of four is one")?;
    check(producer.push(message(6)) == Err(Error::Full), "a fifth message")
}

fn leaves(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 512, 9)?;
    let (near, _far) = ring.sides()?;
    let mut producer = near.records(512, ring.seed, ()).map_err(|error| setup("a producer", error))?;
    producer.write(&[1]).map_err(wrong("a record"))?;
    producer.close();
    ring.is_at(Line::Producer, 2, "who leaves has published")?;
    equal(ring.word(Line::Producer, 0x18), 0, "the state of who left")?;
    let again = || ring.sides().map(|(near, _far)| near.records(512, ring.seed, ()).is_ok());
    check(!again()?, "a side that comes twice in a session")?;
    // Whoever lives in another session keeps this one out.
    ring.set(Line::Consumer, 0x00, 5 << 32 | 5);
    ring.set(Line::Consumer, 0x18, 1);
    let next = |seed| ring.sides().map(|(near, _far)| near.records(512, seed, ()).is_ok());
    check(!next(10)?, "a side that comes while another session lives")?;
    ring.set(Line::Consumer, 0x18, 0);
    check(next(10)?, "a side that comes when all have left")
}
