// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arming in both directions.

use super::side::{Line, Ring, setup, wrong};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::case;
use core::cell::Cell;

/// The cases.
pub const CASES: &[Case] = &[
    case("stream.producer-wakes", &["STR-11"], Needs::NONE, producer_wakes),
    case("stream.consumer-wakes", &["STR-11"], Needs::NONE, consumer_wakes),
    case("stream.producer-arms", &["STR-11", "STR-12"], Needs::NONE, producer_arms),
    case("stream.consumer-arms", &["STR-11", "STR-12"], Needs::NONE, consumer_arms),
];

/// Messages of a word through 64 slots, beginning before the wrap.
const SLOTS: u32 = 64;
const SEED: u32 = u32::MAX - 9;

fn producer_wakes(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 512, SEED)?;
    ring.come(Line::Consumer, u64::from(SLOTS) | 1 << 32);
    let rung = Cell::new(0u64);
    let (near, _far) = ring.sides()?;
    let mut producer = near
        .messages::<[u64; 1], _>(SLOTS, ring.seed, || rung.set(rung.get() + 1))
        .map_err(|error| setup("a producer", error))?;
    let mut send = |count: u32| -> Outcome {
        for _ in 0..count {
            producer.push([1]).map_err(wrong("a message"))?;
        }
        producer.flush().map_err(wrong("publishing"))
    };
    send(2)?;
    equal(rung.get(), 0, "nobody has armed")?;
    // One message too few, then the one.
    ring.set(Line::Consumer, 0x08, ring.at(5));
    send(2)?;
    equal(rung.get(), 0, "the position is ahead")?;
    send(1)?;
    equal(rung.get(), 1, "the position is reached")?;
    send(30)?;
    equal(rung.get(), 1, "one wake for a position")?;
    // Far beyond it, in one batch after the other.
    ring.set(Line::Consumer, 0x08, ring.at(36));
    send(20)?;
    equal(rung.get(), 2, "the position is passed")?;
    // A position behind, and one of another session.
    ring.set(Line::Consumer, 0x08, ring.at(55));
    send(1)?;
    ring.set(Line::Consumer, 0x08, ring.at(57) ^ 1 << 32);
    send(2)?;
    equal(rung.get(), 2, "a position behind, and one of another session")
}

fn consumer_wakes(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 512, SEED)?;
    ring.come(Line::Producer, u64::from(SLOTS) | 1 << 32);
    ring.go(Line::Producer, SLOTS);
    let rung = Cell::new(0u64);
    let (_near, far) = ring.sides()?;
    let mut consumer = far
        .messages::<[u64; 1], _>(SLOTS, ring.seed, || rung.set(rung.get() + 1))
        .map_err(|error| setup("a consumer", error))?;
    let mut take = |count: usize| -> Outcome {
        check(consumer.drain(count, |_| ()) == Ok(count), "messages")?;
        consumer.release().map_err(wrong("releasing"))
    };
    take(3)?;
    equal(rung.get(), 0, "nobody has armed")?;
    ring.set(Line::Producer, 0x08, ring.at(32));
    take(28)?;
    equal(rung.get(), 0, "the position is ahead")?;
    take(1)?;
    equal(rung.get(), 1, "the position is reached")?;
    take(20)?;
    equal(rung.get(), 1, "one wake for a position")
}

fn producer_arms(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 512, SEED)?;
    ring.come(Line::Consumer, u64::from(SLOTS) | 1 << 32);
    let (near, _far) = ring.sides()?;
    let mut producer =
        near.messages::<[u64; 1], _>(SLOTS, ring.seed, ()).map_err(|error| setup("a producer", error))?;
    check(producer.push_slice(&[[1]; SLOTS as usize]) == Ok(SLOTS as usize), "a full ring")?;
    // Room for 5: the consumer is to be at 5. At most half the ring, and at least one.
    for (wanted, expected) in [(5, 5), (0, 1), (32, 32), (33, 32), (u32::MAX, 32)] {
        check(producer.arm(wanted) == Ok(true), "the ring is full")?;
        equal(ring.word(Line::Producer, 0x08), ring.at(expected), "the armed position")?;
    }
    ring.go(Line::Consumer, 4);
    check(producer.arm(5) == Ok(true), "room for four")?;
    ring.go(Line::Consumer, 5);
    check(producer.arm(5) == Ok(false), "room for five")?;

    // Records: what is skipped needs room too. The ring's end lies four units ahead.
    let ring = Ring::new(ctx, 512, 60)?;
    ring.come(Line::Consumer, u64::from(SLOTS));
    let (near, _far) = ring.sides()?;
    let mut producer = near.records(512, ring.seed, ()).map_err(|error| setup("a producer", error))?;
    check(producer.arm(120) == Ok(false), "an empty ring has room for the longest record")?;
    equal(ring.word(Line::Producer, 0x08), ring.at(20u32.wrapping_sub(64)), "room for 16 units behind 4")?;
    check(producer.arm(u32::MAX) == Ok(false), "no record is longer")?;
    equal(ring.word(Line::Producer, 0x08), ring.at(20u32.wrapping_sub(64)), "the longest record")
}

fn consumer_arms(ctx: &Ctx) -> Outcome {
    let ring = Ring::new(ctx, 512, SEED)?;
    ring.come(Line::Producer, u64::from(SLOTS));
    let (_near, far) = ring.sides()?;
    let mut consumer = far.records(512, ring.seed, ()).map_err(|error| setup("a consumer", error))?;
    // In bytes, headers included.
    for (wanted, expected) in [(1, 1), (0, 1), (8, 1), (9, 2), (256, 32), (257, 32), (u32::MAX, 32)] {
        check(consumer.arm(wanted) == Ok(true), "the ring is empty")?;
        equal(ring.word(Line::Consumer, 0x08), ring.at(expected), "the armed position")?;
    }
    ring.go(Line::Producer, 3);
    check(consumer.arm(25) == Ok(true), "three units are there")?;
    check(consumer.arm(24) == Ok(false), "three units are enough")
}
