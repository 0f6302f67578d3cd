// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arenas of closed domains (DEV-6, MEM-11).

use super::rig::{DISK, NO_PORT, Rig};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::memory::closed::{secret, share};
use crate::cases::tools::{case, expect, op, status};
use crate::raw::{self, load, store};
use tenon_abi::Features;

const CLOSED: Needs =
    Needs { features: DISK.features.union(Features::CLOSED).union(Features::CONSOLE), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("device.closed-arena", &["DEV-6", "MEM-11"], CLOSED, arena),
    case("device.closed-arena-is-payload", &["DEV-6", "MEM-11"], CLOSED, payload),
    case("device.closed-arena-over-a-share", &["DEV-6", "MEM-11", "MEM-13"], CLOSED, over),
    case("device.closed-arena-ends-with-reset", &["DEV-6", "MEM-14", "DEV-12"], CLOSED, reset),
];

fn arena(ctx: &Ctx) -> Outcome {
    // Nothing of it is shared: the arena alone lets the host in.
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    let (page, buffer) = rig.arena.take(4096)?;
    (0..512).step_by(8).for_each(|at| store(&page, at, 0x5eed + at as u64));
    queue.expect(op::WRITE, &[0, buffer, 512, 0, 0, 1], status::OK, "WRITE")?;
    (0..512).step_by(8).for_each(|at| store(&page, at, 0));
    queue.expect(op::READ, &[0, buffer, 512, 0, 0, 1], status::OK, "READ")?;
    for at in (0..512).step_by(8) {
        equal(load(&page, at), 0x5eed + at as u64, "what was written")?;
    }
    rig.close(&info)
}

fn payload(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let at = rig.arena.at;
    let write = |rig: &mut Rig, wanted, what| {
        expect(&mut rig.bound, op::CONSOLE_WRITE, &[at + 4096, 8], wanted, what).map(|_| ())
    };
    write(&mut rig, status::DENIED, "payload before the device is open")?;
    let info = rig.disk()?;
    write(&mut rig, status::OK, "payload in the arena of an open device")?;
    let query = [info.number, at + 8192, 128];
    expect(&mut rig.bound, op::DEVICE_QUERY, &query, status::OK, "an answer in it")?;
    rig.close(&info)?;
    write(&mut rig, status::DENIED, "payload in it when the device is closed")
}

fn over(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(super::rig::BLOCK_KIND)?;
    let (_, at, unit) = secret(ctx, 4)?;
    share(&mut rig.bound, at, unit, 1)?;
    let args = [info.name(), 0, at, 4 * unit, NO_PORT];
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "an arena over a share")?;
    let done = rig.bound.call(op::UNSHARE, [at + unit, unit, 0, 0, 0, 0])?;
    check(done.status != status::OK, "UNSHARE of an arena")?;
    rig.close(&info)?;
    expect(&mut rig.bound, op::CONSOLE_WRITE, &[at, 8], status::OK, "the share is what it was")?;
    let beside = [at + unit, 8];
    expect(&mut rig.bound, op::CONSOLE_WRITE, &beside, status::DENIED, "and the rest is shared no more")?;
    Ok(())
}

fn reset(ctx: &Ctx) -> Outcome {
    let (rig, _, mut queue) = Rig::disk_queue(ctx)?;
    queue.nop(1)?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let mut bound = raw::attach(ctx.env)?;
    let payload = [rig.arena.at, 8];
    expect(&mut bound, op::CONSOLE_WRITE, &payload, status::DENIED, "the last session's arena").map(|_| ())
}
