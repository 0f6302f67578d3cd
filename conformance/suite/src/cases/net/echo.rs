// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames there and back (NET-2 to NET-4, NET-8).

use super::ring::{Receiver, Sender};
use super::{CSUM_TO_GUEST, CSUM_TO_HOST, Card, SEGMENT_TO_GUEST, SEGMENT_TO_HOST, pattern, words};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::device::rig::{NET, NET_KIND, NO_PORT, Rig};
use crate::cases::session::desk::Random;
use crate::cases::tools::{bind_port, case, no_entry, want_entry};
use crate::raw::{load, store};
use tenon_abi::Features;

const EVENTS: Needs = Needs { features: NET.features.union(Features::EVENTS), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("net.info", &["NET-2", "NET-3", "NET-4", "GEN-5"], NET, info),
    case("net.ring-opens", &["NET-11", "NET-3", "STR-1", "STR-3", "STR-4", "DEV-8"], NET, opens),
    case("net.echo", &["NET-1", "NET-3", "NET-4", "NET-8"], NET, echo),
    case("net.every-length", &["NET-4", "STR-7", "STR-8"], NET, lengths),
    case("net.order", &["NET-8", "STR-6", "STR-10"], NET, order),
    case("net.batches", &["NET-8", "STR-6"], NET, batches),
    case("net.pairs", &["NET-8", "NET-3"], NET, pairs),
    case("net.wake", &["NET-3", "STR-11", "DEV-7"], EVENTS, wake),
    case("net.no-wake-unasked", &["STR-11", "DEV-7"], EVENTS, unasked),
    case("net.other-sources", &["NET-10", "NET-4"], NET, sources),
    case("net.random-frames", &["NET-4", "NET-8"], NET, random),
];

fn info(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(NET_KIND)?;
    let at = |offset| u64::from(info.own32(offset));
    equal(info.own[0] >> 48, 0, "an address of 48 bits")?;
    equal(info.own[0] & 1, 0, "an address of one interface, not of a group")?;
    let (mtu, longest) = (at(0x08), at(0x0c));
    check((68..=65_535).contains(&mtu), "`mtu`")?;
    check(longest >= 18 + mtu && longest <= 65_550, "`max_frame`")?;
    check(at(0x10) <= 1, "`link`")?;
    check((1..=256).contains(&at(0x18)), "`pairs`")?;
    equal(info.max_queues.into(), 2 * at(0x18), "`max_queues`: two for each pair")?;
    equal(at(0x1c), 0, "a reserved field of NetInfo")?;
    check(info.own[4..] == [0; 4], "reserved fields of NetInfo")
}

fn opens(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(NET_KIND)?;
    rig.open(&info, 0, NO_PORT)?;
    let words = words(&info, 0, SEGMENT_TO_HOST);
    let out = Sender::open(&mut rig, &info, 0, words, NO_PORT)?;
    let back = Receiver::open(&mut rig, &info, 0, words, NO_PORT)?;
    for side in [&out.0, &back.0] {
        equal(side.state().0.into(), 1, "the host has come to the ring")?;
        equal(load(&side.host.0, 0x00), side.position(0), "the host's position: the seed")?;
        equal(load(&side.host.0, 0x10), words.into(), "the host's shape")?;
        for reserved in (0x20..0x40).step_by(8) {
            equal(load(&side.host.0, reserved), 0, "a reserved word of the host's line")?;
        }
    }
    check(out.0.bell != back.0.bell, "two rings have one number")?;
    let mut data = (0..back.0.data.0.byte_len()).step_by(8);
    check(data.all(|at| load(&back.0.data.0, at) == 0), "data that the host produces is not cleared")
}

fn echo(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    for key in 0..16 {
        card.echoes(60, key)?;
    }
    equal(card.out.0.state().0.into(), 1, "the state of the ring to the host")
}

fn lengths(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let longest = card.longest();
    for (key, len) in (0..).zip([
        14,
        15,
        16,
        17,
        21,
        22,
        23,
        24,
        59,
        60,
        61,
        63,
        64,
        65,
        127,
        128,
        512,
        1000,
        1514,
        longest - 1,
        longest,
    ]) {
        if len <= longest {
            card.echoes(len, key)?;
        }
    }
    Ok(())
}

/// Many laps of both rings, one frame after the other.
fn order(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    for key in 0..600u64 {
        card.echoes(14 + (key as usize * 37) % 90, key)?;
    }
    Ok(())
}

/// Several frames published at once.
fn batches(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let mut key = 0;
    for lap in 0..40 {
        let count = 1 + lap % 5;
        check(card.out.has_room(count * 200)?, "the host takes nothing from its ring")?;
        for index in 0..count {
            let own = key + index as u64;
            card.out.write(16 + 100, |at| if at < 16 { 0 } else { pattern(own, at - 16) });
        }
        card.out.0.publish();
        for _ in 0..count {
            card.comes([0; 2], 100, key, "a frame of several")?;
            key += 1;
        }
        card.out.drained()?;
    }
    Ok(())
}

fn pairs(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    if card.info.own32(0x18) < 2 {
        return Ok(());
    }
    let size = words(&card.info, 0, SEGMENT_TO_HOST);
    let mut out = Sender::open(&mut card.rig, &card.info, 1, size, NO_PORT)?;
    let mut back = Receiver::open(&mut card.rig, &card.info, 1, size, NO_PORT)?;
    for key in 0..20 {
        out.send([0; 2], 70, |at| pattern(1000 + key, at))?;
        card.send([0; 2], 80, key)?;
        back.wait("a frame of the second pair")?;
        back.is([0; 2], 70, |at| pattern(1000 + key, at))?;
        back.release();
        card.comes([0; 2], 80, key, "a frame of the first pair")?;
    }
    // With its pair's other ring closed, a flow comes on the pair that is open.
    card.rig.close_queue(&card.info, 3)?;
    out.send([0; 2], 70, |at| pattern(77, at))?;
    card.comes([0; 2], 70, 77, "a frame for a pair that is not open")
}

fn wake(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::with(ctx, super::ARENA)?;
    bind_port(&mut rig.bound, 11, 0, 1)?;
    let info = rig.find(NET_KIND)?;
    rig.open(&info, 0, NO_PORT)?;
    let size = words(&info, 0, SEGMENT_TO_HOST);
    let mut out = Sender::open(&mut rig, &info, 0, size, NO_PORT)?;
    let mut back = Receiver::open(&mut rig, &info, 0, size, 11)?;
    for round in 0..8 {
        back.arm();
        check(!back.there()?, "a frame that nobody sent")?;
        out.send([0; 2], 60, |at| pattern(round.into(), at))?;
        want_entry(&rig.bound, 1, round, 11)?;
        rig.bound.take_until(1, round + 1);
        back.wait("the port was raised, and there is no frame")?;
        back.is([0; 2], 60, |at| pattern(round.into(), at))?;
        back.release();
    }
    Ok(())
}

fn unasked(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::with(ctx, super::ARENA)?;
    bind_port(&mut rig.bound, 11, 0, 1)?;
    let info = rig.find(NET_KIND)?;
    rig.open(&info, 0, NO_PORT)?;
    let size = words(&info, 0, SEGMENT_TO_HOST);
    let mut out = Sender::open(&mut rig, &info, 0, size, NO_PORT)?;
    let mut back = Receiver::open(&mut rig, &info, 0, size, 11)?;
    // What is armed lies behind the host's position: a wake-up was owed then, or never.
    store(&back.0.own.0, 0x08, back.0.position(0));
    let mut woken = 0;
    for key in 0..30 {
        out.send([0; 2], 60, |at| pattern(key, at))?;
        back.wait("a frame")?;
        back.is([0; 2], 60, |at| pattern(key, at))?;
        back.release();
        if rig.bound.entry(1, woken).is_some() {
            woken += 1;
            rig.bound.take_until(1, woken);
        }
    }
    // A wake-up that nobody waits for is legal; a storm of them is not what the text describes.
    check(woken <= 1, "each frame wakes a guest that does not sleep")?;
    no_entry(&mut rig.bound, 1, woken, "and goes on doing so")
}

/// A host may refuse frames from other addresses than the interface's. What it does not refuse comes back.
fn sources(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    for key in 0..8u64 {
        let other = |at: usize| if at == 11 { pattern(key, at) ^ 0x55 } else { pattern(key, at) };
        card.out.send([0; 2], 80, other)?;
        // Behind it one of the interface's own, which does come back.
        card.send([0; 2], 90, key)?;
        card.back.wait("a frame of the interface's own")?;
        if card.back.frame().0 == 80 {
            card.back.is([0; 2], 80, other)?;
            card.back.release();
        }
        card.comes([0; 2], 90, key, "a frame of the interface's own")?;
    }
    Ok(())
}

fn random(ctx: &Ctx) -> Outcome {
    let all = CSUM_TO_HOST | CSUM_TO_GUEST | SEGMENT_TO_HOST | SEGMENT_TO_GUEST;
    let mut card = Card::with(ctx, all)?;
    let mut random = Random::new(ctx.seed ^ 0x0e7);
    let longest = card.longest() as u64;
    for _ in 0..50 {
        let len = 14 + random.below(longest - 13);
        let key = random.word();
        card.echoes(len as usize, key)?;
    }
    Ok(())
}
