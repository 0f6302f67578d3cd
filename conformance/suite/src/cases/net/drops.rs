// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames that are dropped, guests that never drain, and rings that go on (NET-4, NET-8).

use super::ring::{HEADER, Sender};
use super::{ARENA, CSUM_TO_GUEST, CSUM_TO_HOST, Card, SEGMENT_TO_GUEST, SEGMENT_TO_HOST, pattern, words};
use crate::case::{Case, Ctx, Outcome, check, equal};
use crate::cases::device::rig::{NET, NET_KIND, NO_PORT, Rig};
use crate::cases::tools::{case, settle};

/// The cases.
pub const CASES: &[Case] = &[
    case("net.short-frames", &["NET-4"], NET, short),
    case("net.records-without-a-header", &["NET-4"], NET, headless),
    case("net.long-frames", &["NET-4"], NET, long),
    case("net.longest-frames", &["NET-4", "NET-6"], NET, longest),
    case("net.guest-never-drains", &["NET-8", "DEV-14"], NET, never_drains),
    case("net.ring-that-was-full", &["NET-8"], NET, was_full),
    case("net.one-ring-alone", &["NET-8", "NET-3"], NET, alone),
    case("net.second-pair-full", &["NET-8", "DEV-14"], NET, second_full),
];

const ALL: u64 = CSUM_TO_HOST | CSUM_TO_GUEST | SEGMENT_TO_HOST | SEGMENT_TO_GUEST;

/// Frames of 0 to 13 bytes.
fn short(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    for len in 0..14 {
        card.send([0; 2], len, 50 + len as u64)?;
        card.only(80 + len as u64)?;
    }
    equal(card.out.0.state().0.into(), 1, "the ring to the host")
}

/// Records of 0 to 15 bytes.
fn headless(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    for len in 0..HEADER {
        card.out.record(len, |_| 0)?;
        card.only(80 + len as u64)?;
    }
    equal(card.out.0.state().0.into(), 1, "the ring to the host")
}

fn long(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let longest = card.longest();
    // As long as a quarter of the ring lets a record be.
    let most = (card.out.0.words as usize / 4 - 1) * 8 - HEADER;
    for len in [longest + 1, longest + 2, longest + 100, most] {
        if len > longest && len <= most {
            card.send([0; 2], len, 5)?;
            card.only(len as u64)?;
        }
    }
    equal(card.out.0.state().0.into(), 1, "the ring to the host")
}

/// A frame of 65,551 bytes, and one that is longer than the network takes without saying why.
fn longest(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, ALL)?;
    if card.features & SEGMENT_TO_HOST == 0 {
        return Ok(());
    }
    let (longest, most) = (card.info.own32(0x0c) as usize, (card.out.0.words as usize / 4 - 1) * 8 - HEADER);
    let segments = [1 | 1 << 16 | 54 << 32 | 1000 << 48, 34 | 16 << 16];
    for (header, len) in
        [(segments, longest + 1), (segments, 65_551), ([0; 2], card.longest() + 1), ([0; 2], longest)]
    {
        if len <= most && (len > longest || header == [0; 2]) {
            card.send(header, len, 6)?;
            card.only(len as u64)?;
        }
    }
    equal(card.out.0.state().0.into(), 1, "the ring to the host")
}

/// The host takes what it is sent, and drops what has no room. What it did write is whole, in order, and no
/// frame twice.
fn never_drains(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let frames = 3 * u64::from(card.back.0.words) / 16;
    for key in 0..frames {
        card.send([0; 2], 100 + (key % 3) as usize, key & 0xff)?;
    }
    drain_in_order(&mut card)?;
    for key in 0..20 {
        card.echoes(90, key)?;
    }
    Ok(())
}

/// Takes all that is there: the keys go up, as they were sent, except for what was dropped.
fn drain_in_order(card: &mut Card) -> Outcome {
    // An echo that waits for room may come in while this drains.
    let (mut count, mut quiet) = (0, 0);
    let mut last: Option<u64> = None;
    while quiet < 100 {
        if !card.back.there()? {
            quiet += 1;
            card.rig.bound.env.relax();
            continue;
        }
        quiet = 0;
        let key = u64::from(card.back.byte(14));
        let (len, _) = card.back.frame();
        card.back.is([0; 2], len, |at| pattern(key, at))?;
        if let Some(last) = last {
            let step = key.wrapping_sub(last) & 0xff;
            check(step != 0 && step < 200, "frames twice, or out of order")?;
        }
        last = Some(key);
        count += 1;
        card.back.release();
    }
    check(count > 0, "a ring that was full holds nothing")
}

fn was_full(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    for lap in 0..4 {
        for key in 0..u64::from(card.back.0.words) / 32 {
            card.send([0; 2], 200, key & 0xff)?;
        }
        card.out.drained()?;
        drain_in_order(&mut card)?;
        card.echoes(61, lap)?;
    }
    Ok(())
}

/// Without a ring to the guest, frames have nowhere to come back: the host goes on taking them.
fn alone(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::with(ctx, ARENA)?;
    let info = rig.find(NET_KIND)?;
    rig.open(&info, 0, NO_PORT)?;
    let size = words(&info, 0, SEGMENT_TO_HOST);
    let mut out = Sender::open(&mut rig, &info, 0, size, NO_PORT)?;
    for key in 0..200 {
        out.send([0; 2], 120, |at| pattern(key, at))?;
    }
    out.drained()?;
    equal(out.0.state().0.into(), 1, "the ring to the host")
}

/// A pair that nobody drains holds up no other.
fn second_full(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    if card.info.own32(0x18) < 2 {
        return Ok(());
    }
    let size = words(&card.info, 0, SEGMENT_TO_HOST);
    let mut out = Sender::open(&mut card.rig, &card.info, 1, size, NO_PORT)?;
    let back = super::ring::Receiver::open(&mut card.rig, &card.info, 1, size, NO_PORT)?;
    for key in 0..u64::from(size) / 16 {
        if out.has_room(HEADER + 100)? {
            out.send([0; 2], 100, |at| pattern(key, at))?;
        }
    }
    settle(&mut card.rig.bound)?;
    for key in 0..30 {
        card.echoes(64, key)?;
    }
    equal(back.state().0.into(), 1, "the ring that is full")
}
