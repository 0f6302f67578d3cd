// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer that lies: found, named in the state word, and latched.

use super::side::{Line, Ring, setup, wrong};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::case;
use tenon_rings::{Error, Mapping, stream};

/// The cases.
pub const CASES: &[Case] = &[
    case("stream.producer-position", &["STR-5", "STR-13"], Needs::NONE, producer_position),
    case("stream.consumer-position", &["STR-5", "STR-13"], Needs::NONE, consumer_position),
    case("stream.bad-header", &["STR-9", "STR-8", "STR-13"], Needs::NONE, header),
    case("stream.bad-line", &["STR-3", "GEN-5", "STR-13"], Needs::NONE, bad_line),
];

/// Codes of the reasons.
const BAD_POSITION: u64 = 7;
const BAD_RECORD: u64 = 8;
const BAD_SHAPE: u64 = 9;
const NOT_ZERO: u64 = 10;

/// A consumer of 32 units that has taken a record of two, and its ring.
fn consumer(ctx: &Ctx) -> Result<(Ring, stream::Consumer<Mapping>), Fail> {
    let ring = Ring::new(ctx, 256, u32::MAX)?;
    ring.come(Line::Producer, 32);
    let (_near, far) = ring.sides()?;
    let mut consumer = far.records(256, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
    ring.put(0, 32, ring.header(0, 0));
    ring.put(1, 32, ring.header(1, 0));
    ring.go(Line::Producer, 2);
    check(consumer.drain(9, |_| ()) == Ok(2), "two records")?;
    consumer.release().map_err(wrong("releasing"))?;
    Ok((ring, consumer))
}

/// The breach stands in the state word of `line` with its position, and stays.
fn latched(
    ring: &Ring,
    line: Line,
    reason: u64,
    units: u32,
    again: &mut dyn FnMut() -> Result<(), Error>,
) -> Outcome {
    let position = u64::from(ring.seed.wrapping_add(units));
    equal(ring.word(line, 0x18), 2 | reason << 16 | position << 32, "the state word")?;
    let other = if matches!(line, Line::Producer) { Line::Consumer } else { Line::Producer };
    ring.go(other, units);
    for _ in 0..2 {
        match again() {
            Err(Error::Corrupt(corrupt)) => {
                equal(u64::from(corrupt.reason.0), reason, "the same reason again")?
            }
            _ => return Err(Fail::Failed("a corrupt ring is used again", reason, 0)),
        }
    }
    Ok(())
}

fn producer_position(ctx: &Ctx) -> Outcome {
    // One more than the ring beyond what is released, backwards, half the circle, another seed.
    for (units, flip) in [(35, 0), (1, 0), (2 + (1 << 31), 0), (3, 1 << 32), (2, 1 << 63)] {
        let (ring, mut consumer) = consumer(ctx)?;
        ring.set(Line::Producer, 0x00, ring.at(units) ^ flip);
        check(matches!(consumer.read(|_| ()), Err(Error::Corrupt(_))), "a position that cannot be")?;
        latched(&ring, Line::Consumer, BAD_POSITION, 2, &mut || consumer.read(|_| ()))?;
    }
    let (ring, mut consumer) = consumer(ctx)?;
    ring.go(Line::Producer, 34);
    check(consumer.arm(256) == Ok(false), "a full ring")
}

fn consumer_position(ctx: &Ctx) -> Outcome {
    for (units, flip, breach) in [(3, 0, true), (u32::MAX, 0, true), (1, 1 << 40, true), (2, 0, false)] {
        let ring = Ring::new(ctx, 256, 0)?;
        ring.come(Line::Consumer, 32);
        let (near, _far) = ring.sides()?;
        let mut producer = near.records(256, ring.seed, ()).map_err(|error| setup("a producer", error))?;
        check(producer.arm(0) == Ok(false), "the sides have met")?;
        producer.write(&[1]).map_err(wrong("a record"))?;
        producer.flush().map_err(wrong("publishing"))?;
        ring.set(Line::Consumer, 0x00, ring.at(units) ^ flip);
        let found = producer.arm(0);
        check(matches!(found, Err(Error::Corrupt(_))) == breach, "a position beyond what is published")?;
        if breach {
            latched(&ring, Line::Producer, BAD_POSITION, 2, &mut || producer.write(&[]))?;
        }
    }
    Ok(())
}

/// A header, made in its ring.
type Head = fn(&Ring) -> u64;

fn header(ctx: &Ctx) -> Outcome {
    // The header at unit 2, that at the start of the data (unit 33) where it matters, and how much is
    // published.
    let none: Head = |_| 0;
    let cases: [(Head, Head, u32); 11] = [
        // Another turn: one more, the slot's next one, the neighbour's, none.
        (|ring| ring.header(2, 0) ^ 1 << 32, none, 3),
        (|ring| ring.header(34, 0), none, 3),
        (|ring| ring.header(1, 0), none, 3),
        (none, none, 3),
        // Longer than a quarter, than what is published, than anything.
        (|ring| ring.header(2, 57), none, 34),
        (|ring| ring.header(2, 9), none, 4),
        (|ring| ring.header(2, 1 << 31), none, 34),
        (|ring| ring.header(2, u32::MAX - 1), none, 34),
        // A skip that is not all published, that has nothing behind it, that has a skip behind it.
        (|ring| ring.header(2, u32::MAX), none, 10),
        (|ring| ring.header(2, u32::MAX), |ring| ring.header(33, 0), 33),
        (|ring| ring.header(2, u32::MAX), |ring| ring.header(33, u32::MAX), 34),
    ];
    for (head, behind, published) in cases {
        let (ring, mut consumer) = consumer(ctx)?;
        ring.put(33, 32, behind(&ring));
        ring.put(2, 32, head(&ring));
        ring.go(Line::Producer, published);
        let Err(Error::Corrupt(corrupt)) = consumer.read(|span| span.len()) else {
            return Err(Fail::Failed("a bad header is taken", head(&ring), u64::from(published)));
        };
        let units = corrupt.position.wrapping_sub(ring.seed);
        latched(&ring, Line::Consumer, BAD_RECORD, units, &mut || consumer.read(|_| ()))?;
    }
    let (ring, mut good) = consumer(ctx)?;
    ring.put(33, 32, ring.header(33, 0));
    ring.put(2, 32, ring.header(2, u32::MAX));
    ring.go(Line::Producer, 34);
    check(good.read(|span| span.len()) == Ok(0), "a skip with a record behind it")?;
    // Beyond the end of the data, though published.
    let ring = Ring::new(ctx, 256, u32::MAX)?;
    ring.come(Line::Producer, 32);
    let (_near, far) = ring.sides()?;
    let mut consumer = far.records(256, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
    ring.put(0, 32, ring.header(0, 1));
    ring.go(Line::Producer, 2);
    check(matches!(consumer.read(|_| ()), Err(Error::Corrupt(_))), "a record beyond the end of the data")?;
    latched(&ring, Line::Consumer, BAD_RECORD, 0, &mut || consumer.read(|_| ()))
}

fn bad_line(ctx: &Ctx) -> Outcome {
    for (offset, value, reason) in [
        (0x10, 64, BAD_SHAPE),
        (0x10, 32 | 1 << 32, BAD_SHAPE),
        (0x20, 1, NOT_ZERO),
        (0x28, 1 << 63, NOT_ZERO),
        (0x30, u64::MAX, NOT_ZERO),
        (0x38, 1, NOT_ZERO),
    ] {
        let ring = Ring::new(ctx, 256, 3)?;
        ring.come(Line::Producer, 32);
        ring.set(Line::Producer, offset, value);
        let (_near, far) = ring.sides()?;
        let mut consumer = far.records(256, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
        check(matches!(consumer.read(|_| ()), Err(Error::Corrupt(_))), "a bad line of the producer's")?;
        latched(&ring, Line::Consumer, reason, 0, &mut || consumer.read(|_| ()))?;

        let ring = Ring::new(ctx, 256, 3)?;
        ring.come(Line::Consumer, 32);
        ring.set(Line::Consumer, offset, value);
        let (near, _far) = ring.sides()?;
        let mut producer = near.records(256, ring.seed, ()).map_err(|error| setup("a producer", error))?;
        check(matches!(producer.arm(0), Err(Error::Corrupt(_))), "a bad line of the consumer's")?;
        latched(&ring, Line::Producer, reason, 0, &mut || producer.write(&[]))?;
    }
    Ok(())
}
