// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices that come, go and change (DEV-3, DEV-5, DEV-13). Whoever runs the machine does what these cases
//! write to the console (REP-5).

use super::rig::{BLOCK_KIND, DISK_EVENTS, Info, NET_KIND, NO_PORT, OPEN_FLAG, Queue, REMOVED_FLAG, Rig};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{bind_port, case, expect, no_entry, op, order, status, wait_longer, want_entry};
use crate::raw::{self, Bound, load, store};
use tenon_abi::Features;

const ASKED: Needs = Needs { features: DISK_EVENTS.features.union(Features::CONSOLE), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("device.resized", &["DEV-3", "BLK-2", "BLK-3"], ASKED, resized),
    case("device.changed-while-it-works", &["DEV-3", "BLK-2"], ASKED, under_load),
    case("device.read-only", &["BLK-5", "BLK-8", "BLK-9", "BLK-2"], ASKED, read_only),
    case("device.failed", &["BLK-7", "BLK-6"], ASKED, failed),
    case("device.failed-outlives-sessions", &["BLK-7", "SES-6"], ASKED, failed_outlives),
    case("device.comes", &["DEV-3", "DEV-5"], ASKED, comes),
    case("device.goes", &["DEV-3", "DEV-13"], ASKED, goes),
    case("device.removed", &["DEV-13", "DEV-3", "DEV-7"], ASKED, removed),
    case("device.removed-in-flight", &["DEV-13", "CALL-7"], ASKED, removed_in_flight),
    case("device.removed-is-not-opened", &["DEV-13", "DEV-6", "DEV-8"], ASKED, not_opened),
    case("device.removed-by-reset", &["DEV-13", "DEV-12"], ASKED, removed_by_reset),
    case("device.incarnations", &["DEV-5"], ASKED, incarnations),
    case("device.watch-another-port", &["DEV-3"], ASKED, another_port),
    case("device.watch-ends", &["DEV-3", "EVT-5", "SES-6"], ASKED, watch_ends),
];

/// What asks whoever runs the machine to do something about a device, as words of a write by value.
pub(in crate::cases) fn asking(what: u8, info: &Info, value: u32) -> [u64; 7] {
    order::bare(what, info.number | u64::from(value) << 32)
}

/// Asks, without waiting until it is done.
pub(in crate::cases) fn ask(bound: &mut Bound, what: u8, info: &Info, value: u32) -> Outcome {
    order::followed(bound.env)?;
    order::order(bound, what, info.number | u64::from(value) << 32)
}

/// Asks, and waits until it is done.
pub(super) fn ask_and_wait(bound: &mut Bound, what: u8, info: &Info, value: u32) -> Outcome {
    order::followed(bound.env)?;
    order::order_and_wait(bound, what, info.number | u64::from(value) << 32)
}

/// Asks, and waits until DEVICE_QUERY shows a change of the device.
fn changed(rig: &mut Rig, what: u8, info: &Info, value: u32) -> Result<Info, Fail> {
    let before = rig.info(info.number)?;
    ask(&mut rig.bound, what, info, value)?;
    let env = rig.bound.env;
    let mut now = before;
    let done = wait_longer(env, || {
        now = rig.query(info.number).ok().flatten().unwrap_or(now);
        now.change != before.change
    });
    if !done {
        return Err(Fail::Warn("whoever runs the machine changes no device"));
    }
    check(now.change > before.change, "`change` grows")?;
    Ok(now)
}

/// A disk that comes, so that what the machine had is left alone: whoever runs the machine is asked for it.
pub(super) fn new_disk(rig: &mut Rig) -> Result<Info, Fail> {
    new_device(rig, BLOCK_KIND.into())
}

/// What comes where a case asks for a disk that is read only.
const READ_ONLY_DISK: u64 = 0x101;

fn new_device(rig: &mut Rig, what: u64) -> Result<Info, Fail> {
    order::followed(rig.bound.env)?;
    let (devices, _) = rig.limits()?;
    let mut there = [false; 64];
    let all = devices.min(64) as usize;
    for (number, place) in there.iter_mut().enumerate().take(all) {
        *place = rig.query(number as u64)?.is_some();
    }
    order::order(&mut rig.bound, b'c', what)?;
    let env = rig.bound.env;
    let mut found = None;
    wait_longer(env, || {
        let mut new = (0..all).filter(|&number| !there[number]);
        found = new.find_map(|number| rig.query(number as u64).ok().flatten());
        found.is_some()
    });
    found.ok_or(Fail::Warn("whoever runs the machine adds no device"))
}

/// Has a disk that came taken away again.
pub(super) fn take_away(rig: &mut Rig, info: &Info) -> Outcome {
    ask(&mut rig.bound, b'g', info, 0)?;
    gone(rig, info)
}

/// Waits until a device is not there any more.
fn gone(rig: &mut Rig, info: &Info) -> Outcome {
    let env = rig.bound.env;
    let gone = wait_longer(env, || matches!(rig.query(info.number), Ok(None)));
    check(gone, "a device that was taken away and closed is there")
}

fn blocks(info: &Info) -> u32 {
    (info.own[0] / u64::from(info.own32(8).max(1))) as u32
}

/// A disk that came, open with port 6, and one queue.
fn set_up(ctx: &Ctx) -> Result<(Rig, Info, Queue), Fail> {
    let mut rig = Rig::new(ctx)?;
    bind_port(&mut rig.bound, 6, 0, 1)?;
    let info = new_disk(&mut rig)?;
    rig.open(&info, 0, 6)?;
    let queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
    Ok((rig, info, queue))
}

/// Closes it, and has it taken away.
fn done(rig: &mut Rig, info: &Info) -> Outcome {
    rig.close(info)?;
    take_away(rig, info)
}

fn resized(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = set_up(ctx)?;
    let (_, buffer) = rig.arena.take(4096)?;
    let (block, all) = (u64::from(info.own32(8)), blocks(&info));
    let read = |queue: &mut Queue, at: u64, status| {
        queue.expect(op::READ, &[at * block, buffer, block, 0, 0, 1], status, "READ at the end of a disk")
    };
    read(&mut queue, u64::from(all) - 1, status::OK)?;
    for (round, now) in (0..).zip([all / 2, all, all / 4, all]) {
        let told = changed(&mut rig, b'z', &info, now)?;
        equal(told.own[0], u64::from(now) * block, "bytes of a disk that was resized")?;
        check(
            told.own[1..] == info.own[1..] && told.incarnation == info.incarnation,
            "nothing else changes",
        )?;
        equal(told.flags.into(), OPEN_FLAG.into(), "flags")?;
        want_entry(&rig.bound, 1, round, 6)?;
        rig.bound.take_until(1, round + 1);
        read(&mut queue, u64::from(now) - 1, status::OK)?;
        read(&mut queue, u64::from(now), status::BAD_RANGE)?;
    }
    no_entry(&mut rig.bound, 1, 4, "a change that is told twice")?;
    done(&mut rig, &info)
}

fn under_load(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = set_up(ctx)?;
    let (_, buffer) = rig.arena.take(4096)?;
    let all = blocks(&info);
    for round in 0..6 {
        for id in 0..queue.depth {
            queue.submit(op::READ, id as u16, [0, buffer, 512, 0, 0, 1]);
        }
        queue.kick();
        changed(&mut rig, b'z', &info, if round % 2 == 0 { all / 2 } else { all })?;
        queue.reap(queue.depth, |done| done.status == status::OK && done.value == 512)?;
    }
    done(&mut rig, &info)
}

fn read_only(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = new_device(&mut rig, READ_ONLY_DISK)?;
    check(info.own32(0x30) & 1 != 0, "the flag READ_ONLY")?;
    rig.open(&info, 0, NO_PORT)?;
    let mut queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
    let (page, buffer) = rig.arena.take(4096)?;
    let block = u64::from(info.own32(8));
    let args = [0, buffer, block, 0, 0, 1];
    queue.expect(op::READ, &args, status::OK, "READ of a disk that is read only")?;
    let before = load(&page, 0);
    store(&page, 0, !before);
    queue.expect(op::WRITE, &args, status::READ_ONLY, "WRITE to it")?;
    let durable = [0, buffer, block, 0, 0, 1 | 1 << 32];
    queue.expect(op::WRITE, &durable, status::READ_ONLY, "WRITE with DURABLE")?;
    for (op, most) in [(op::DISCARD, 0x24), (op::ZERO, 0x2c)] {
        let wanted = if info.own32(most) == 0 { status::NOT_SUPPORTED } else { status::READ_ONLY };
        let unit = u64::from(info.own32(0x28)).max(block);
        queue.expect(op, &[0, unit], wanted, "DISCARD or ZERO of it")?;
    }
    queue.expect(op::FLUSH, &[], status::OK, "FLUSH of it")?;
    queue.expect(op::READ, &args, status::OK, "READ of it")?;
    equal(load(&page, 0), before, "what a refused WRITE names")?;
    done(&mut rig, &info)
}

/// A write-back that fails: from then on FLUSH and DURABLE answer IO_ERROR.
fn fail(rig: &mut Rig, info: &Info, queue: &mut Queue) -> Outcome {
    ask_and_wait(&mut rig.bound, b'f', info, 1)?;
    queue.submit(op::FLUSH, 0, [0; 6]);
    queue.kick();
    if queue.wait()?.status == status::OK {
        return Err(Fail::Warn("whoever runs the machine lets no write-back fail"));
    }
    check(rig.info(info.number)?.own32(0x30) & 4 != 0, "FAILED is set before a status tells of it")
}

/// What a disk does while FAILED is set.
fn is_failed(queue: &mut Queue, buffer: u64) -> Outcome {
    for _ in 0..3 {
        queue.expect(op::FLUSH, &[], status::IO_ERROR, "FLUSH after a write-back failed")?;
    }
    let args = [0, buffer, 4096, 0, 0, 1];
    let durable = [0, buffer, 4096, 0, 0, 1 | 1 << 32];
    queue.expect(op::WRITE, &durable, status::IO_ERROR, "WRITE with DURABLE")?;
    queue.expect(op::WRITE, &args, status::OK, "WRITE")?;
    queue.expect(op::READ, &args, status::OK, "READ").map(|_| ())
}

fn failed(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = set_up(ctx)?;
    let (_, buffer) = rig.arena.take(4096)?;
    fail(&mut rig, &info, &mut queue)?;
    want_entry(&rig.bound, 1, 0, 6)?;
    rig.bound.take_until(1, 1);
    is_failed(&mut queue, buffer)?;
    let told = changed(&mut rig, b'f', &info, 0)?;
    equal((told.own32(0x30) & 4).into(), 0, "FAILED after the embedder cleared it")?;
    want_entry(&rig.bound, 1, 1, 6)?;
    queue.expect(op::FLUSH, &[], status::OK, "FLUSH after that")?;
    done(&mut rig, &info)
}

fn failed_outlives(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = set_up(ctx)?;
    fail(&mut rig, &info, &mut queue)?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let mut rig = Rig::new(ctx)?;
    check(rig.info(info.number)?.own32(0x30) & 4 != 0, "FAILED in the next session")?;
    rig.open(&info, 0, NO_PORT)?;
    let mut queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
    let (_, buffer) = rig.arena.take(4096)?;
    is_failed(&mut queue, buffer)?;
    rig.close(&info)?;
    ask(&mut rig.bound, b'f', &info, 0)?;
    take_away(&mut rig, &info)
}

fn comes(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    bind_port(&mut rig.bound, 7, 0, 1)?;
    expect(&mut rig.bound, op::DEVICE_WATCH, &[7], status::OK, "DEVICE_WATCH")?;
    let info = new_disk(&mut rig)?;
    want_entry(&rig.bound, 1, 0, 7)?;
    rig.bound.take_until(1, 1);
    check(info.kind == BLOCK_KIND && info.flags == 0, "the device that came")?;
    rig.open(&info, 0, NO_PORT)?;
    let mut queue = rig.requests(&info, 0, 4.min(info.max_depth), NO_PORT)?;
    queue.nop(1)?;
    no_entry(&mut rig.bound, 1, 1, "a device that is opened is no change")?;
    done(&mut rig, &info)
}

fn goes(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = new_disk(&mut rig)?;
    bind_port(&mut rig.bound, 7, 0, 1)?;
    expect(&mut rig.bound, op::DEVICE_WATCH, &[7], status::OK, "DEVICE_WATCH")?;
    // Nobody has it open: it is not there any more.
    take_away(&mut rig, &info)?;
    want_entry(&rig.bound, 1, 0, 7)?;
    let args = [info.name(), 0, rig.arena.at, rig.arena.len(), NO_PORT, 0];
    let done = rig.bound.call(op::DEVICE_OPEN, args)?;
    check([status::NOT_FOUND, status::REMOVED].contains(&done.status), "DEVICE_OPEN of what has gone")
}

fn removed(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = set_up(ctx)?;
    bind_port(&mut rig.bound, 7, 0, 0)?;
    expect(&mut rig.bound, op::DEVICE_WATCH, &[7], status::OK, "DEVICE_WATCH")?;
    let (_, buffer) = rig.arena.take(4096)?;
    queue.nop(1)?;
    let told = changed(&mut rig, b'g', &info, 0)?;
    equal(told.flags.into(), (REMOVED_FLAG | OPEN_FLAG).into(), "flags of a device that is taken away")?;
    want_entry(&rig.bound, 1, 0, 6)?;
    want_entry(&rig.bound, 0, 0, 7)?;
    rig.bound.take_until(0, 1);
    queue.expect(op::READ, &[0, buffer, 512, 0, 0, 1], status::REMOVED, "READ")?;
    queue.expect(op::WRITE, &[0, buffer, 512, 0, 0, 1], status::REMOVED, "WRITE")?;
    queue.expect(op::FLUSH, &[], status::REMOVED, "FLUSH")?;
    rig.close(&info)?;
    gone(&mut rig, &info)?;
    want_entry(&rig.bound, 0, 1, 7)
}

fn removed_in_flight(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = set_up(ctx)?;
    let (_, buffer) = rig.arena.take(4096)?;
    for id in 0..queue.depth {
        queue.submit(op::READ, id as u16, [0, buffer, 4096, 0, 0, 1]);
    }
    queue.kick();
    ask(&mut rig.bound, b'g', &info, 0)?;
    queue.reap(queue.depth, |done| match done.status {
        status::OK => done.value == 4096,
        status => status == status::REMOVED && done.value == 0,
    })?;
    let env = rig.bound.env;
    let shown = wait_longer(env, || {
        rig.query(info.number).ok().flatten().is_some_and(|info| info.flags & REMOVED_FLAG != 0)
    });
    check(shown, "REMOVED")?;
    rig.close(&info)?;
    gone(&mut rig, &info)
}

fn not_opened(ctx: &Ctx) -> Outcome {
    let (mut rig, info, _queue) = set_up(ctx)?;
    changed(&mut rig, b'g', &info, 0)?;
    if info.max_queues > 1 {
        let (_, guest) = rig.arena.take(4096)?;
        let (_, host) = rig.arena.take(4096)?;
        let args = [info.queue(1), 1, NO_PORT, guest, host];
        expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::REMOVED, "a queue of a removed device")?;
    }
    rig.close(&info)?;
    let args = [info.name(), 0, rig.arena.at, rig.arena.len(), NO_PORT, 0];
    let done = rig.bound.call(op::DEVICE_OPEN, args)?;
    check([status::NOT_FOUND, status::REMOVED].contains(&done.status), "opening it again")
}

fn removed_by_reset(ctx: &Ctx) -> Outcome {
    let (mut rig, info, _queue) = set_up(ctx)?;
    changed(&mut rig, b'g', &info, 0)?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let mut rig = Rig::new(ctx)?;
    gone(&mut rig, &info)
}

fn incarnations(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let mut seen = [(0, 0); 5];
    for round in 0..5 {
        let info = new_disk(&mut rig)?;
        let name = (info.number, info.incarnation);
        check(!seen[..round].contains(&name), "a device that comes has the incarnation of one that went")?;
        seen[round] = name;
        if round > 0 && seen[round - 1].0 == info.number {
            let old = info.number | u64::from(seen[round - 1].1) << 32;
            let args = [old, 0, rig.arena.at, rig.arena.len(), NO_PORT];
            expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::REMOVED, "the incarnation before")?;
        }
        take_away(&mut rig, &info)?;
    }
    Ok(())
}

fn another_port(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    bind_port(&mut rig.bound, 7, 0, 0)?;
    bind_port(&mut rig.bound, 8, 0, 1)?;
    for port in [7, 8] {
        expect(&mut rig.bound, op::DEVICE_WATCH, &[port], status::OK, "DEVICE_WATCH")?;
    }
    let info = new_disk(&mut rig)?;
    want_entry(&rig.bound, 1, 0, 8)?;
    no_entry(&mut rig.bound, 0, 0, "a port that does not watch any more is told")?;
    take_away(&mut rig, &info)
}

fn watch_ends(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    bind_port(&mut rig.bound, 7, 0, 0)?;
    expect(&mut rig.bound, op::DEVICE_WATCH, &[7], status::OK, "DEVICE_WATCH")?;
    expect(&mut rig.bound, op::EVENT_UNBIND, &[7], status::OK, "EVENT_UNBIND")?;
    bind_port(&mut rig.bound, 7, 0, 0)?;
    let info = new_disk(&mut rig)?;
    no_entry(&mut rig.bound, 0, 0, "a port that was released is told")?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let mut rig = Rig::new(ctx)?;
    bind_port(&mut rig.bound, 7, 0, 0)?;
    take_away(&mut rig, &info)?;
    no_entry(&mut rig.bound, 0, 0, "a port of the last session is told")
}

/// A network interface's own port and watch tell of its link: for the cases of its chapter.
pub(in crate::cases) fn link(rig: &mut Rig, info: &Info, up: bool) -> Result<Info, Fail> {
    check(info.kind == NET_KIND, "a network interface")?;
    changed(rig, b'l', info, up.into())
}
