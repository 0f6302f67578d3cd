// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening a queue (DEV-8): its number, its size, its port.

use super::rig::{BLOCK_KIND, DISK, DISK_EVENTS, Info, NET_KIND, NO_PORT, Rig, clear};
use crate::case::{Case, Ctx, Fail, Outcome, check, equal};
use crate::cases::tools::{bind_port, case, expect, op, settle, status};
use crate::raw::{self, load, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("device.queue-opens", &["DEV-8", "DEV-9", "BLK-1"], DISK, opens),
    case("device.queue-numbers-differ", &["DEV-8"], DISK, numbers),
    case("device.queue-depths", &["DEV-8", "CALL-1", "BLK-1"], DISK, depths),
    case("device.queue-device-not-open", &["DEV-8"], DISK, not_open),
    case("device.queue-index", &["DEV-8"], DISK, index),
    case("device.queue-twice", &["DEV-8"], DISK, twice),
    case("device.queue-size", &["DEV-8", "BLK-1"], DISK, size),
    case("device.queue-data-of-a-disk", &["DEV-8", "BLK-1"], DISK, data),
    case("device.queue-port", &["DEV-7", "CALL-28"], DISK_EVENTS, port),
    case("device.queue-quota", &["DEV-2", "DEV-8"], DISK, quota),
    case("device.queue-refused-has-no-effect", &["GEN-5", "DEV-8"], DISK, no_effect),
    case("device.queue-number-of-another-device", &["DEV-8", "DEV-1"], DISK, another),
];

/// An open disk, and the arguments of a QUEUE_OPEN that would succeed.
pub(super) fn set_up(ctx: &Ctx) -> Result<(Rig, Info, [u64; 6]), Fail> {
    let mut rig = Rig::new(ctx)?;
    let info = rig.disk()?;
    let (_, guest) = rig.arena.take(0x40 + 8 * 64)?;
    let (_, host) = rig.arena.take(0x40 + 8 * 16)?;
    let args = [info.queue(0), info.max_depth.min(8).into(), NO_PORT, guest, host, 0];
    Ok((rig, info, args))
}

/// QUEUE_OPEN with one argument replaced has to be answered so.
pub(super) fn replaced(
    rig: &mut Rig,
    args: [u64; 6],
    place: usize,
    value: u64,
    wanted: u16,
    what: &'static str,
) -> Outcome {
    let mut args = args;
    args[place] = value;
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, wanted, what).map(|_| ())
}

fn opens(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.disk()?;
    let depth = info.depth();
    // What the host's part held before: the host clears it.
    let len = 0x40 + depth as usize * 16;
    let before = rig.arena;
    rig.arena.take(0x40 + depth as usize * 64)?;
    let (host, _) = rig.arena.take(len)?;
    (0..len).step_by(8).for_each(|at| store(&host, at, u64::MAX));
    rig.arena = before;
    let mut queue = rig.requests(&info, 0, depth, NO_PORT)?;
    equal(queue.state().0.into(), 1, "the state word of an open queue")?;
    for at in (0x40..len).step_by(8) {
        equal(load(&host, at), 0, "the host's part is not cleared")?;
    }
    queue.nop(0x1_0000_0001)
}

fn numbers(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.disk()?;
    let mut bells = [0u32; 16];
    let count = info.max_queues.min(16);
    for index in 0..count {
        let mut queue = rig.requests(&info, index, 2.min(info.max_depth), NO_PORT)?;
        queue.nop(index.into())?;
        check(!bells[..index as usize].contains(&queue.bell), "two open queues have one number")?;
        bells[index as usize] = queue.bell;
    }
    Ok(())
}

fn depths(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.disk()?;
    let fresh = rig.arena;
    let mut depth = 1;
    while depth <= info.max_depth.min(1024) {
        rig.arena = fresh;
        let mut queue = rig.requests(&info, 0, depth, NO_PORT)?;
        // Two laps and one more.
        for value in 0..u64::from(2 * depth.min(32) + 1) {
            queue.nop(value)?;
        }
        for id in 0..depth {
            queue.submit(op::NOP, id as u16, [1, 0, 0, 0, 0, 0]);
        }
        queue.kick();
        queue.reap(depth, |done| done.status == status::OK && done.value == 1)?;
        rig.close_queue(&info, 0)?;
        depth *= 2;
    }
    Ok(())
}

fn not_open(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND)?;
    let (_, guest) = rig.arena.take(4096)?;
    let (_, host) = rig.arena.take(4096)?;
    let args = [info.queue(0), 8, NO_PORT, guest, host, 0];
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::BAD_STATE, "a device that is not open")?;
    expect(&mut rig.bound, op::QUEUE_CLOSE, &[info.queue(0)], status::NOT_FOUND, "its queue")?;
    rig.open(&info, 0, NO_PORT)?;
    rig.close(&info)?;
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::BAD_STATE, "a device that was closed").map(|_| ())
}

fn index(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    for index in [info.max_queues, info.max_queues + 1, 0x8000_0000, u32::MAX] {
        let name = info.queue(index);
        replaced(&mut rig, args, 0, name, status::BAD_ARGUMENT, "an index beyond the last queue")?;
    }
    let last = info.queue(info.max_queues - 1);
    replaced(&mut rig, args, 0, last, status::OK, "the last queue")
}

fn twice(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "QUEUE_OPEN")?;
    let (_, guest) = rig.arena.take(0x40 + 8 * 64)?;
    let (_, host) = rig.arena.take(0x40 + 8 * 16)?;
    let other = [args[0], args[1], args[2], guest, host, 0];
    expect(&mut rig.bound, op::QUEUE_OPEN, &other, status::EXISTS, "a queue that is open, elsewhere")?;
    rig.close_queue(&info, 0)?;
    expect(&mut rig.bound, op::QUEUE_OPEN, &other, status::OK, "closed, and opened again").map(|_| ())
}

fn size(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let most = u64::from(info.max_depth);
    let beyond = (most + 1).next_power_of_two();
    for size in [0, 3, 5, 7, 12, most + 1, beyond, 2 * beyond, 1 << 31, 0xffff_ffff, 1 << 32, 1 << 63] {
        if size.is_power_of_two() && size <= most {
            continue;
        }
        replaced(&mut rig, args, 1, size, status::BAD_ARGUMENT, "a size that no queue has")?;
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "a size that it may have").map(|_| ())
}

fn data(ctx: &Ctx) -> Outcome {
    let (mut rig, _, args) = set_up(ctx)?;
    let (_, data) = rig.arena.take(4096)?;
    for place in [data, 1, 1 << 63, u64::MAX] {
        let done = rig.bound.call(op::QUEUE_OPEN, [args[0], args[1], args[2], args[3], args[4], place])?;
        equal(done.status.into(), status::BAD_RESERVED.into(), "a part that the kind does not use")?;
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "without it").map(|_| ())
}

fn port(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let ports = u64::from(raw::record(ctx.env).max_ports.get());
    for (port, wanted, what) in [
        (3, status::NOT_FOUND, "a port that is not bound"),
        (ports - 1, status::NOT_FOUND, "the last port"),
        (ports, status::BAD_ARGUMENT, "a port beyond the last"),
        (NO_PORT - 1, status::BAD_ARGUMENT, "port 2^32 - 2"),
        (1 << 32 | 3, status::BAD_ARGUMENT, "a port of 33 bits"),
        (u64::MAX, status::BAD_ARGUMENT, "port 2^64 - 1"),
    ] {
        replaced(&mut rig, args, 2, port, wanted, what)?;
    }
    bind_port(&mut rig.bound, 3, 0, 0)?;
    replaced(&mut rig, args, 2, 3, status::OK, "a port that is bound")?;
    rig.close_queue(&info, 0)
}

fn quota(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let (_, most) = rig.limits()?;
    let mut open = 0;
    let info = rig.disk()?;
    for index in 0..info.max_queues.min(64) {
        let guest = rig.arena.take(4096)?.1;
        let host = rig.arena.take(4096)?.1;
        let done = rig.bound.call(op::QUEUE_OPEN, [info.queue(index), 2, NO_PORT, guest, host, 0])?;
        match done.status {
            status::OK => open += 1,
            status::NO_CAPACITY => {
                equal(open, most.into(), "queues that are open when there is no room for more")?;
                // Room comes back with a queue that is closed.
                rig.close_queue(&info, 0)?;
                let args = [info.queue(index), 2, NO_PORT, guest, host, 0];
                return expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "room again").map(|_| ());
            }
            other => return Err(Fail::Failed("QUEUE_OPEN", other.into(), index.into())),
        }
        check(open <= u64::from(most), "more open queues than DEVICE_LIMITS says")?;
    }
    Ok(())
}

fn no_effect(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let all = rig.arena.memory;
    (0..0x4000).step_by(8).for_each(|at| store(&all, at, !at as u64));
    for (place, value) in [
        (0, info.queue(info.max_queues)),
        (1, 3),
        (2, 1 << 40),
        (3, args[3] + 8),
        (4, args[3]),
        (4, args[4] + 8),
        (5, 4096),
    ] {
        let mut args = args;
        args[place] = value;
        let [a, b, c, d, e, f] = args;
        let done = rig.bound.call(op::QUEUE_OPEN, [a, b, c, d, e, f])?;
        check(done.status != status::OK && done.value == 0, "a QUEUE_OPEN that breaks a rule")?;
    }
    settle(&mut rig.bound)?;
    for at in (0..0x4000).step_by(8) {
        equal(load(&all, at), !at as u64, "memory that was named in what was refused")?;
    }
    expect(&mut rig.bound, op::QUEUE_CLOSE, &[info.queue(0)], status::NOT_FOUND, "a queue is open")?;
    clear(&all);
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "QUEUE_OPEN").map(|_| ())
}

/// Queues of two devices with the same index are two queues.
fn another(ctx: &Ctx) -> Outcome {
    let (mut rig, info, queue) = Rig::disk_queue(ctx)?;
    let Ok(net) = rig.find(NET_KIND) else { return Ok(()) };
    expect(&mut rig.bound, op::QUEUE_CLOSE, &[net.queue(0)], status::NOT_FOUND, "the other device's queue")?;
    expect(&mut rig.bound, op::DEVICE_CLOSE, &[net.number], status::NOT_FOUND, "the other device")?;
    equal(queue.state().0.into(), 1, "the disk's queue")?;
    rig.open(&net, 0, NO_PORT)?;
    rig.close(&net)?;
    equal(queue.state().0.into(), 1, "the disk's queue after the other device was closed")?;
    let mut queue = queue;
    queue.nop(info.number)
}
