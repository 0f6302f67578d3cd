// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rings that are opened wrongly or broken, and filters (NET-3, NET-9, STR-5, STR-9).

use super::ring::Side;
use super::{Card, SEGMENT_TO_HOST, words};
use crate::case::{Case, Ctx, Fail, Outcome, check, equal};
use crate::cases::device::rig::{BLOCK_KIND, Info, NET, NET_KIND, NO_PORT, Rig};
use crate::cases::session::desk::Random;
use crate::cases::tools::{case, expect, op, settle, status};
use crate::raw::{self, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("net.ring-size", &["NET-3", "STR-8", "DEV-8"], NET, size),
    case("net.ring-parts", &["DEV-8", "NET-3"], NET, parts),
    case("net.ring-parts-overlap", &["DEV-8", "NET-3"], NET, overlap),
    case("net.ring-bad-turn", &["STR-9", "DEV-9", "DEV-14"], NET, |ctx| breach(ctx, 8, bad_turn)),
    case("net.ring-bad-length", &["STR-9", "STR-8"], NET, |ctx| breach(ctx, 8, bad_length)),
    case("net.ring-beyond-published", &["STR-9"], NET, |ctx| breach(ctx, 8, beyond)),
    case("net.ring-position-too-far", &["STR-5"], NET, |ctx| breach(ctx, 7, too_far)),
    case("net.ring-position-goes-back", &["STR-5"], NET, |ctx| breach(ctx, 7, goes_back)),
    case("net.ring-other-seed", &["STR-5", "STR-4"], NET, |ctx| breach(ctx, 7, other_seed)),
    case("net.ring-shape", &["STR-3"], NET, shape),
    case("net.ring-reserved", &["STR-3", "GEN-5"], NET, reserved),
    case("net.ring-random", &["GEN-7", "DEV-14"], NET, random),
    case("net.filter", &["NET-9"], NET, filter),
    case("net.filter-misuse", &["NET-9", "REG-2", "REG-3"], NET, filter_misuse),
    case("net.filter-device", &["NET-9", "CALL-11"], NET, filter_device),
];

/// An interface that is open, and the arguments of a QUEUE_OPEN that would succeed.
fn set_up(ctx: &Ctx) -> Result<(Rig, Info, [u64; 6]), Fail> {
    let mut rig = Rig::with(ctx, super::ARENA)?;
    let info = rig.find(NET_KIND)?;
    rig.open(&info, 0, NO_PORT)?;
    let words = words(&info, 0, SEGMENT_TO_HOST);
    let (_, guest) = rig.arena.take(64)?;
    let (_, host) = rig.arena.take(64)?;
    let (_, data) = rig.arena.take(words as usize * 8)?;
    Ok((rig, info, [info.queue(0), words.into(), NO_PORT, guest, host, data]))
}

fn size(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let least = args[1];
    let beyond = 2 * u64::from(info.max_depth).next_power_of_two();
    for index in [0, 1] {
        for size in [0, 1, 8, least / 2, least - 1, least + 1, least * 3, beyond, 1 << 31, 1 << 32] {
            let mut args = args;
            (args[0], args[1]) = (info.queue(index), size);
            let what = "a size that no ring of these frames has";
            expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::BAD_ARGUMENT, what)?;
        }
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "the smallest").map(|_| ())
}

fn parts(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let (start, end) = (rig.arena.at, rig.arena.at + rig.arena.len());
    let unit = rig.arena.unit as u64;
    for place in 3..6 {
        let mut one = |at: u64, wanted, what| {
            let mut args = args;
            args[place] = at;
            expect(&mut rig.bound, op::QUEUE_OPEN, &args, wanted, what).map(|_| ())
        };
        for by in [8, 64, unit / 2] {
            one(args[place] + by, status::BAD_ALIGNMENT, "a part that is not aligned")?;
        }
        one(start - unit, status::BAD_RANGE, "a part before the arena")?;
        one(end, status::BAD_RANGE, "a part behind the arena")?;
        one((1 << 48) - unit, status::BAD_RANGE, "the end of 48 bits")?;
    }
    // The data alone is longer than a granule.
    if args[1] * 8 > unit {
        let mut args = args;
        args[5] = end - unit;
        expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::BAD_RANGE, "data that ends behind the arena")?;
    }
    equal(rig.info(info.number)?.flags.into(), 2, "the interface is open")
}

fn overlap(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    for (place, on) in [(3, 4), (4, 3), (5, 3), (5, 4), (3, 5), (4, 5)] {
        let mut args = args;
        args[place] = args[on];
        expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::BAD_RANGE, "two parts in one place")?;
    }
    let unit = rig.arena.unit as u64;
    if args[1] * 8 > unit {
        let mut args = args;
        args[3] = args[5] + unit;
        expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::BAD_RANGE, "a page in the midst of the data")?;
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "apart")?;
    let mut next = args;
    next[0] = info.queue(1);
    let (_, guest) = rig.arena.take(64)?;
    let (_, host) = rig.arena.take(64)?;
    (next[3], next[4]) = (guest, host);
    expect(&mut rig.bound, op::QUEUE_OPEN, &next, status::BAD_RANGE, "the other ring's data").map(|_| ())
}

fn bad_turn(side: &mut Side) {
    side.put(side.at, side.head(side.at, 76) ^ 1 << 32);
    side.at += 11;
}

fn bad_length(side: &mut Side) {
    let most = side.words / 4 * 8;
    side.put(side.at, side.head(side.at, most + 1));
    side.at += side.words / 2;
}

fn beyond(side: &mut Side) {
    side.put(side.at, side.head(side.at, 200));
    side.at += 2;
}

fn too_far(side: &mut Side) {
    side.at += side.words + 1;
}

fn goes_back(side: &mut Side) {
    side.at -= 1;
}

fn other_seed(side: &mut Side) {
    side.seed ^= 0x10;
}

/// The ring to the host is broken after some frames: the host latches it with this reason, the other ring and
/// the call queue go on, and closing cures.
fn breach(ctx: &Ctx, reason: u16, break_it: fn(&mut Side)) -> Outcome {
    let mut card = Card::new(ctx)?;
    for round in 0..3 {
        for key in 0..3 {
            card.echoes(60, key)?;
        }
        card.out.drained()?;
        break_it(&mut card.out.0);
        card.out.0.publish();
        equal(card.out.0.corrupt()?.into(), reason.into(), "the reason of a corrupt ring")?;
        equal(card.back.state().0.into(), 1, "the other ring")?;
        expect(&mut card.rig.bound, op::NOP, &[round], status::OK, "the call queue")?;
        card.rig.close_queue(&card.info, 0)?;
        card.out.0.closed()?;
        let (info, rig) = (card.info, &mut card.rig);
        card.out.0.open(rig, &info, 0, NO_PORT)?;
    }
    card.echoes(60, 9)
}

/// A ring whose guest's line differs in one word.
fn line(ctx: &Ctx, offset: usize, value: u64, reason: u16) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let bell = expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "QUEUE_OPEN")?;
    let memory = rig.arena.memory;
    let at = |address: u64| (address - rig.arena.at) as usize;
    let seed = u64::from(rig.bound.seed) << 32 | u64::from(rig.bound.seed);
    for (place, word) in [(0x08, seed), (0x10, args[1]), (offset, value), (0x00, seed), (0x18, 1)] {
        store(&memory, at(args[3]) + place, word);
    }
    ctx.env.kick(bell as u32);
    let host = tenon_rings::Words::slice(&memory, at(args[4]) / 8, 8).ok_or(Fail::Error("no pages left"))?;
    let state = || raw::load(&host, 0x18);
    let latched = crate::cases::tools::wait_longer(ctx.env, || state() as u16 == 2);
    check(latched, "a line that breaks a rule does not make the ring corrupt")?;
    equal(state() >> 16 & 0xffff, reason.into(), "the reason")?;
    rig.close_queue(&info, 0)?;
    equal(state() & 0xffff, 0, "the state word of a closed ring")
}

fn shape(ctx: &Ctx) -> Outcome {
    line(ctx, 0x10, 1 << 20, 9)?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    line(ctx, 0x10, 64 | 2 << 32, 9)
}

fn reserved(ctx: &Ctx) -> Outcome {
    for offset in [0x20, 0x38] {
        line(ctx, offset, 1, 10)?;
        check(raw::reset(ctx.env), "the session cannot be reset")?;
    }
    Ok(())
}

fn random(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let mut random = Random::new(ctx.seed ^ 0x57e4);
    let (info, words) = (card.info, card.out.0.words);
    for _ in 0..8 {
        for _ in 0..64 {
            let at = random.below(words.into()) as u32;
            let turn = card.out.0.head(random.below(64) as u32, random.below(200) as u32);
            card.out.0.put(at, if random.below(2) == 0 { turn } else { random.word() });
        }
        for offset in (0..0x40).step_by(8) {
            if random.below(3) == 0 {
                store(&card.out.0.own.0, offset, random.word());
                store(&card.back.0.own.0, offset, random.word());
            }
            // What the host writes it never reads again.
            store(&card.out.0.host.0, offset, random.word());
            store(&card.back.0.host.0, offset, random.word());
        }
        ctx.env.kick(card.out.0.bell);
        ctx.env.kick(card.back.0.bell);
        settle(&mut card.rig.bound)?;
        for (index, side) in [(0, &mut card.out.0), (1, &mut card.back.0)] {
            card.rig.close_queue(&info, index)?;
            side.open(&mut card.rig, &info, index, NO_PORT)?;
        }
        card.echoes(60, 1)?;
    }
    Ok(())
}

fn filter(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    for index in 0..64 {
        store(&page, index * 8, 0x0102_0304_0500 | index as u64);
    }
    let number = card.info.number;
    for mode in 0..8 {
        for (at, count) in [(0, 0), (at, 1), (at, 2), (at, 64)] {
            let args = [number, mode, at, count];
            let value = expect(&mut card.rig.bound, op::NET_FILTER, &args, status::OK, "NET_FILTER")?;
            equal(value, 0, "its value")?;
        }
    }
    // All frames, and those to all, are wanted.
    let args = [number, 7, 0, 0];
    expect(&mut card.rig.bound, op::NET_FILTER, &args, status::OK, "NET_FILTER")?;
    card.echoes(60, 1)
}

fn filter_misuse(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    let end = raw::record(ctx.env).region0_len.get();
    store(&page, 0, 0x0102_0304_0506);
    let number = card.info.number;
    let mut refused = |args: [u64; 4], wanted, what| {
        expect(&mut card.rig.bound, op::NET_FILTER, &args, wanted, what).map(|_| ())
    };
    for bit in 3..64 {
        refused([number, 1 << bit, 0, 0], status::BAD_RESERVED, "an unknown mode")?;
    }
    for count in [65, 66, 512, 0xffff_ffff] {
        refused([number, 1, at, count], status::TOO_LONG, "more addresses than 64")?;
    }
    let done = card.rig.bound.call(op::NET_FILTER, [number, 1, at, 1 << 32, 0, 0])?;
    check([status::BAD_ARGUMENT, status::TOO_LONG].contains(&done.status), "a count of 33 bits")?;
    let mut refused = |args: [u64; 4], wanted, what| {
        expect(&mut card.rig.bound, op::NET_FILTER, &args, wanted, what).map(|_| ())
    };
    let done = |bound: &mut raw::Bound, at| bound.call(op::NET_FILTER, [number, 1, at, 0, 0, 0]);
    refused([number, 1, end, 1], status::BAD_RANGE, "a list behind the end")?;
    refused([number, 1, (1 << 48) - 8, 2], status::BAD_RANGE, "a list that wraps")?;
    refused([number, 1, at | 1 << 48, 1], status::BAD_REGION, "a list in another region")?;
    for high in [1u64 << 48, 1 << 63, 0xffff << 48] {
        store(&page, 8, high | 0x0102_0304_0506);
        refused([number, 1, at, 2], status::BAD_RESERVED, "an address of more than 48 bits")?;
        store(&page, 8, 0x0102_0304_0506);
    }
    let empty = done(&mut card.rig.bound, at)?;
    check(empty.status != status::OK, "an empty list with an address")?;
    card.echoes(60, 1)
}

fn filter_device(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(NET_KIND)?;
    let args = [info.number, 1, 0, 0];
    expect(&mut rig.bound, op::NET_FILTER, &args, status::BAD_STATE, "an interface that is not open")?;
    if let Ok(disk) = rig.find(BLOCK_KIND) {
        rig.open(&disk, 0, NO_PORT)?;
        let args = [disk.number, 1, 0, 0];
        expect(&mut rig.bound, op::NET_FILTER, &args, status::NOT_FOUND, "a disk")?;
    }
    for spare in 4..6 {
        let mut args = [info.number, 1, 0, 0, 0, 0];
        args[spare] = 1;
        expect(&mut rig.bound, op::NET_FILTER, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    rig.open(&info, 0, NO_PORT)?;
    expect(&mut rig.bound, op::NET_FILTER, &args, status::OK, "an interface that is open").map(|_| ())
}
