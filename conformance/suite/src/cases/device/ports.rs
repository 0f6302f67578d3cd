// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ports of queues (DEV-7, DEV-9, CALL-16).

use super::rig::{DISK, DISK_EVENTS, Info, NO_PORT, Queue, Rig};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check};
use crate::cases::tools::{
    FAR, Upcalls, bind_port, case, expect, no_entry, op, settle, status, wait_longer, want_entry,
};
use crate::raw::{full_fence, store};

const DIRECT: Needs = Needs { features: DISK.features.union(Needs::DIRECT.features), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("device.port-completion", &["DEV-9", "DEV-7", "CALL-16"], DISK_EVENTS, completion),
    case("device.port-armed-ahead", &["DEV-9", "CALL-16", "CALL-27"], DISK_EVENTS, ahead),
    case("device.port-not-wanted", &["DEV-7", "CALL-27"], DISK_EVENTS, not_wanted),
    case("device.port-of-two-queues", &["DEV-7"], DISK_EVENTS, two_queues),
    case("device.port-unbound", &["DEV-7", "EVT-5"], DISK_EVENTS, unbound),
    case("device.port-bound-again", &["DEV-7"], DISK_EVENTS, again),
    case("device.port-moved", &["DEV-7", "EVT-17"], DISK_EVENTS, moved),
    case("device.port-direct", &["DEV-7", "EVT-22"], DIRECT, direct),
    case("device.port-direct-moved", &["DEV-7", "EVT-22"], DIRECT, direct_moved),
];

/// A disk with one queue whose port 9 is bound to ring 1.
fn set_up(ctx: &Ctx) -> Result<(Rig, Info, Queue), Fail> {
    let mut rig = Rig::new(ctx)?;
    bind_port(&mut rig.bound, 9, 0, 1)?;
    let info = rig.disk()?;
    let queue = rig.requests(&info, 0, info.depth(), 9)?;
    Ok((rig, info, queue))
}

/// Stores the armed position, and fences.
fn arm(queue: &Queue, position: u32) {
    store(&queue.guest.0, 0, position.into());
    full_fence();
}

fn completion(ctx: &Ctx) -> Outcome {
    let (mut rig, _, mut queue) = set_up(ctx)?;
    for round in 0..6u32 {
        arm(&queue, queue.reaped);
        queue.nop(round.into())?;
        want_entry(&rig.bound, 1, round, 9)?;
        rig.bound.take_until(1, round + 1);
        // A value that was answered stays quiet.
        queue.nop(1)?;
        queue.nop(2)?;
        no_entry(&mut rig.bound, 1, round + 1, "an armed position is answered twice")?;
    }
    Ok(())
}

fn ahead(ctx: &Ctx) -> Outcome {
    let (mut rig, _, mut queue) = set_up(ctx)?;
    for round in 0..4 {
        arm(&queue, queue.reaped.wrapping_add(3));
        (0..3).try_for_each(|value| queue.nop(value))?;
        no_entry(&mut rig.bound, 1, round, "a completion before the armed position raises the port")?;
        queue.nop(3)?;
        want_entry(&rig.bound, 1, round, 9)?;
        rig.bound.take_until(1, round + 1);
    }
    Ok(())
}

fn not_wanted(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = set_up(ctx)?;
    arm(&queue, queue.reaped.wrapping_add(FAR));
    (0..10).try_for_each(|value| queue.nop(value))?;
    no_entry(&mut rig.bound, 1, 0, "a guest that wants no upcall gets one")?;
    // And where there is no port, an armed position tells nobody.
    rig.close_queue(&info, 0)?;
    let mut queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
    (0..3).try_for_each(|value| queue.nop(value))?;
    no_entry(&mut rig.bound, 1, 0, "a queue without a port raises one")
}

fn two_queues(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut one) = set_up(ctx)?;
    if info.max_queues < 2 {
        return Ok(());
    }
    let mut two = rig.requests(&info, 1, 8.min(info.max_depth), 9)?;
    arm(&one, FAR);
    arm(&two, FAR);
    for round in 0..4 {
        let queue = if round % 2 == 0 { &mut one } else { &mut two };
        arm(queue, queue.reaped);
        queue.nop(round.into())?;
        want_entry(&rig.bound, 1, round, 9)?;
        rig.bound.take_until(1, round + 1);
    }
    Ok(())
}

fn unbound(ctx: &Ctx) -> Outcome {
    let (mut rig, _, mut queue) = set_up(ctx)?;
    expect(&mut rig.bound, op::EVENT_UNBIND, &[9], status::OK, "EVENT_UNBIND")?;
    arm(&queue, queue.reaped);
    queue.nop(1)?;
    no_entry(&mut rig.bound, 1, 0, "a port that was released is raised")?;
    queue.nop(2)
}

fn again(ctx: &Ctx) -> Outcome {
    let (mut rig, _, mut queue) = set_up(ctx)?;
    arm(&queue, queue.reaped.wrapping_add(FAR));
    expect(&mut rig.bound, op::EVENT_UNBIND, &[9], status::OK, "EVENT_UNBIND")?;
    bind_port(&mut rig.bound, 9, 0, 0)?;
    // It is raised once for the open queue: what came meanwhile may have been lost.
    want_entry(&rig.bound, 0, 0, 9)?;
    rig.bound.take_until(0, 1);
    no_entry(&mut rig.bound, 0, 1, "it is raised for a queue twice")?;
    arm(&queue, queue.reaped);
    queue.nop(5)?;
    want_entry(&rig.bound, 0, 1, 9)?;
    no_entry(&mut rig.bound, 1, 0, "its old ring")
}

fn moved(ctx: &Ctx) -> Outcome {
    let (mut rig, _, mut queue) = set_up(ctx)?;
    arm(&queue, queue.reaped.wrapping_add(FAR));
    expect(&mut rig.bound, op::EVENT_MOVE, &[9, 0, 0], status::OK, "EVENT_MOVE")?;
    want_entry(&rig.bound, 0, 0, 9)?;
    rig.bound.take_until(0, 1);
    arm(&queue, queue.reaped);
    queue.nop(5)?;
    want_entry(&rig.bound, 0, 1, 9)?;
    no_entry(&mut rig.bound, 1, 0, "its old ring")
}

fn direct(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let interrupts = Upcalls::count(ctx.env, 5);
    let args = [9, 0, interrupts.vector()];
    expect(&mut rig.bound, op::EVENT_BIND_DIRECT, &args, status::OK, "EVENT_BIND_DIRECT")?;
    let info = rig.disk()?;
    let mut queue = rig.requests(&info, 0, info.depth(), 9)?;
    settle(&mut rig.bound)?;
    for round in 0..8 {
        interrupts.forget();
        arm(&queue, queue.reaped);
        queue.nop(round)?;
        check(wait_longer(ctx.env, || interrupts.seen() > 0), "no interrupt of a queue's direct port")?;
    }
    arm(&queue, queue.reaped.wrapping_add(FAR));
    settle(&mut rig.bound)?;
    interrupts.forget();
    queue.nop(9)?;
    settle(&mut rig.bound)?;
    check(interrupts.seen() == 0, "an interrupt that was not wanted")
}

/// The port of an open queue has an interrupt of its own, then entries of a ring, and then the interrupt
/// again.
fn direct_moved(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let interrupts = Upcalls::count(ctx.env, 5);
    let direct = [9, 0, interrupts.vector()];
    let unbind = |rig: &mut Rig| expect(&mut rig.bound, op::EVENT_UNBIND, &[9], status::OK, "EVENT_UNBIND");
    expect(&mut rig.bound, op::EVENT_BIND_DIRECT, &direct, status::OK, "EVENT_BIND_DIRECT")?;
    let info = rig.disk()?;
    let mut queue = rig.requests(&info, 0, info.depth(), 9)?;
    for round in 0..3 {
        interrupts.forget();
        arm(&queue, queue.reaped);
        queue.nop(1)?;
        check(wait_longer(ctx.env, || interrupts.seen() > 0), "no interrupt of a queue's direct port")?;
        unbind(&mut rig)?;
        bind_port(&mut rig.bound, 9, 0, 1)?;
        // It is raised once for the open queue.
        want_entry(&rig.bound, 1, round * 2, 9)?;
        rig.bound.take_until(1, round * 2 + 1);
        interrupts.forget();
        arm(&queue, queue.reaped);
        queue.nop(2)?;
        want_entry(&rig.bound, 1, round * 2 + 1, 9)?;
        rig.bound.take_until(1, round * 2 + 2);
        check(interrupts.seen() == 0, "an interrupt of a port that has entries")?;
        unbind(&mut rig)?;
        expect(&mut rig.bound, op::EVENT_BIND_DIRECT, &direct, status::OK, "EVENT_BIND_DIRECT")?;
    }
    Ok(())
}
