// SPDX-License-Identifier: MIT OR Apache-2.0
//! A generation that is not repaired: no frame is carried, and all else goes on (NET-11, LIFE-8).

use super::{Card, SEGMENT_TO_HOST, words};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::device::rig::{BLOCK_KIND, NET, NO_PORT};
use crate::cases::generation::{ASKED, Page, repaired};
use crate::cases::tools::{case, expect, op, order, rest, settle, status, wait_longer};
use tenon_abi::Features;

const HELD_BACK: Needs = Needs { features: NET.features.union(ASKED.features), ..Needs::NONE };
const WITH_DISK: Needs = Needs { features: HELD_BACK.features.union(Features::BLOCK), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("net.unrepaired", &["NET-11", "LIFE-8"], HELD_BACK, unrepaired),
    case("net.unrepaired-disk", &["LIFE-8", "BLK-5", "DEV-9"], WITH_DISK, disk),
];

/// A card whose frames went round, after a restore: its page, with the id of now.
fn restored(ctx: &Ctx, card: &mut Card) -> Result<Page, crate::case::Fail> {
    let page = Page::of(&mut card.rig.bound)?;
    let first = page.id()?;
    repaired(&mut card.rig.bound, first, status::OK, "REPAIRED with the id")?;
    card.echoes(60, 1)?;
    order::order(&mut card.rig.bound, b'r', 0)?;
    // Ends of queues come home first, so that it may take a while.
    let changed = wait_longer(ctx.env, || page.id().is_ok_and(|id| id != first));
    check(changed, "the id of before the restore")?;
    // A call is answered when it is done.
    settle(&mut card.rig.bound)?;
    Ok(page)
}

fn unrepaired(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut card = Card::new(ctx)?;
    let page = restored(ctx, &mut card)?;
    for key in 0..4 {
        card.send([0; 2], 60, 40 + key)?;
    }
    settle(&mut card.rig.bound)?;
    rest(ctx.env);
    check(!card.back.there()?, "a frame of a generation that is not repaired")?;
    let info = card.info;
    if info.own32(0x18) > 1 {
        let size = words(&info, 0, SEGMENT_TO_HOST);
        let arena = &mut card.rig.arena;
        let parts = [arena.take(64)?.1, arena.take(64)?.1, arena.take(size as usize * 8)?.1];
        let args = [info.queue(2), size.into(), NO_PORT, parts[0], parts[1], parts[2]];
        expect(&mut card.rig.bound, op::QUEUE_OPEN, &args, status::BAD_STATE, "a ring before REPAIRED")?;
    }
    let now = page.id()?;
    repaired(&mut card.rig.bound, now, status::OK, "REPAIRED with the id of now")?;
    // What was sent meanwhile was dropped, or waited for its turn.
    card.out.drained()?;
    settle(&mut card.rig.bound)?;
    rest(ctx.env);
    while card.back.there()? {
        card.back.release();
    }
    card.echoes(60, 9)
}

fn disk(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut card = Card::new(ctx)?;
    let info = card.rig.find(BLOCK_KIND)?;
    card.rig.open(&info, 0, NO_PORT)?;
    let mut queue = card.rig.requests(&info, 0, info.depth(), NO_PORT)?;
    let (_, buffer) = card.rig.arena.take(4096)?;
    let page = restored(ctx, &mut card)?;
    for _ in 0..8 {
        let read = queue.expect(op::READ, &[0, buffer, 4096, 0, 0, 1], status::OK, "READ before REPAIRED")?;
        equal(read, 4096, "bytes of a READ before REPAIRED")?;
    }
    check(!card.back.there()?, "a frame that nobody sent")?;
    let now = page.id()?;
    repaired(&mut card.rig.bound, now, status::OK, "REPAIRED with the id of now")?;
    card.echoes(60, 2)
}
