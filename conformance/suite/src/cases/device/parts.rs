// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the parts of a queue may lie (DEV-8).

use super::queue::{replaced, set_up};
use super::rig::{BLOCK_KIND, DISK, NO_PORT, Rig};
use crate::case::{Case, Ctx, Needs, Outcome, check};
use crate::cases::tools::{case, end_of_memory, expect, op, status};
use crate::raw::{self, Control, load};

const TWO: Needs = Needs { vcpus: 2, ..DISK };

/// The cases.
pub const CASES: &[Case] = &[
    case("device.part-unaligned", &["DEV-8", "GEN-4"], DISK, unaligned),
    case("device.part-before-the-arena", &["DEV-8", "DEV-6"], DISK, before),
    case("device.part-behind-the-arena", &["DEV-8", "DEV-6"], DISK, behind),
    case("device.part-wraps", &["DEV-8", "REG-3"], DISK, wraps),
    case("device.part-region", &["DEV-8", "REG-2"], DISK, region),
    case("device.part-in-a-hole", &["DEV-8", "REG-1"], DISK, hole),
    case("device.parts-overlap", &["DEV-8"], DISK, overlap),
    case("device.parts-of-two-queues-overlap", &["DEV-8"], DISK, two_queues),
    case("device.part-has-its-granules", &["DEV-8"], DISK, granules),
    case("device.part-on-an-area", &["DEV-8", "VCPU-3"], DISK, on_area),
    case("device.area-on-a-part", &["DEV-8", "VCPU-3"], TWO, area_on_part),
];

/// The places of the two parts among the arguments.
const PARTS: [usize; 2] = [3, 4];

fn unaligned(ctx: &Ctx) -> Outcome {
    let (mut rig, _, args) = set_up(ctx)?;
    for place in PARTS {
        for by in [1, 8, 64, 512, rig.arena.unit as u64 / 2] {
            let at = args[place] + by;
            replaced(&mut rig, args, place, at, status::BAD_ALIGNMENT, "a part that is not aligned")?;
        }
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "QUEUE_OPEN").map(|_| ())
}

/// A smaller arena in the midst of what is ours, and arguments of parts inside it.
fn inner(ctx: &Ctx) -> Result<(Rig, [u64; 6], u64, u64), crate::case::Fail> {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND)?;
    let unit = rig.arena.unit as u64;
    let (start, len) = (rig.arena.at + 8 * unit, 4 * unit);
    let args = [info.name(), 0, start, len, NO_PORT];
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "DEVICE_OPEN")?;
    let depth = info.max_depth.min(8).into();
    Ok((rig, [info.queue(0), depth, NO_PORT, start, start + unit, 0], start, len))
}

fn before(ctx: &Ctx) -> Outcome {
    let (mut rig, args, start, _) = inner(ctx)?;
    let unit = rig.arena.unit as u64;
    for place in PARTS {
        for at in [start - unit, start - 2 * unit, rig.arena.at] {
            replaced(&mut rig, args, place, at, status::BAD_RANGE, "a part before the arena")?;
        }
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "its first granule").map(|_| ())
}

fn behind(ctx: &Ctx) -> Outcome {
    let (mut rig, args, start, len) = inner(ctx)?;
    let unit = rig.arena.unit as u64;
    for place in PARTS {
        for at in [start + len, start + len + unit] {
            replaced(&mut rig, args, place, at, status::BAD_RANGE, "a part behind the arena")?;
        }
    }
    // A part of two granules that ends behind it. The guest's is the larger one.
    let slots = (unit / 64).next_power_of_two();
    if slots <= 64 {
        let mut long = args;
        (long[1], long[3]) = (slots, start + len - unit);
        expect(&mut rig.bound, op::QUEUE_OPEN, &long, status::BAD_RANGE, "a part that ends behind it")?;
    }
    let mut last = args;
    (last[3], last[4]) = (start + len - unit, start + len - 2 * unit);
    expect(&mut rig.bound, op::QUEUE_OPEN, &last, status::OK, "its last granules").map(|_| ())
}

fn wraps(ctx: &Ctx) -> Outcome {
    let (mut rig, _, args) = set_up(ctx)?;
    let unit = rig.arena.unit as u64;
    let end = raw::record(ctx.env).region0_len.get().next_multiple_of(unit);
    for place in PARTS {
        for at in [(1 << 48) - unit, end, end + unit] {
            replaced(&mut rig, args, place, at, status::BAD_RANGE, "the end of 48 bits, or of the region")?;
        }
    }
    Ok(())
}

fn region(ctx: &Ctx) -> Outcome {
    let (mut rig, _, args) = set_up(ctx)?;
    for place in PARTS {
        for region in [1, 0x7fff, 0xffff] {
            let mut args = args;
            args[place] |= region << 48;
            let [a, b, c, d, e, f] = args;
            let done = rig.bound.call(op::QUEUE_OPEN, [a, b, c, d, e, f])?;
            let refused = [status::BAD_RANGE, status::BAD_REGION].contains(&done.status);
            check(refused && done.value == 0, "a part in another region")?;
        }
    }
    Ok(())
}

fn hole(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND)?;
    let unit = rig.arena.unit as u64;
    // An arena may have holes; a part may not lie there.
    let Some((start, end)) = ctx.env.hole() else { return no_hole(ctx, rig) };
    let (start, end) = (start.next_multiple_of(unit), end / unit * unit);
    let args = [info.name(), 0, 0, raw::record(ctx.env).region0_len.get() / unit * unit, NO_PORT];
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "an arena with a hole")?;
    let (_, guest) = rig.arena.take(4096)?;
    let (_, host) = rig.arena.take(4096)?;
    let args = [info.queue(0), 8, NO_PORT, guest, host, 0];
    for place in PARTS {
        for at in [start, end - unit] {
            replaced(&mut rig, args, place, at, status::BAD_RANGE, "a part in a hole")?;
        }
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "parts in memory").map(|_| ())
}

/// Where nobody tells of a hole, memory may still end before the region does.
fn no_hole(ctx: &Ctx, mut rig: Rig) -> Outcome {
    let unit = rig.arena.unit as u64;
    let end = end_of_memory(&mut rig.bound)?.next_multiple_of(unit);
    let region = raw::record(ctx.env).region0_len.get() / unit * unit;
    let info = rig.find(BLOCK_KIND)?;
    let args = [info.name(), 0, 0, region, NO_PORT];
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "an arena of everything")?;
    let (_, guest) = rig.arena.take(4096)?;
    let args = [info.queue(0), 8, NO_PORT, guest, end, 0];
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::BAD_RANGE, "behind the end of memory").map(|_| ())
}

fn overlap(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let same = args[3];
    replaced(&mut rig, args, 4, same, status::BAD_RANGE, "both parts in one place")?;
    // The larger part covers two granules.
    let unit = rig.arena.unit as u64;
    let slots = unit / 64;
    if slots <= u64::from(info.max_depth) && slots <= 64 {
        let (_, place) = rig.arena.take(4 * unit as usize)?;
        let long = [args[0], slots, NO_PORT, place, place + unit, 0];
        expect(&mut rig.bound, op::QUEUE_OPEN, &long, status::BAD_RANGE, "the host's part on its end")?;
        let beside = [args[0], slots, NO_PORT, place, place + 2 * unit, 0];
        expect(&mut rig.bound, op::QUEUE_OPEN, &beside, status::OK, "right behind it")?;
    }
    Ok(())
}

fn two_queues(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    if info.max_queues < 2 {
        return Ok(());
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "QUEUE_OPEN")?;
    let (_, guest) = rig.arena.take(0x40 + 8 * 64)?;
    let (_, host) = rig.arena.take(0x40 + 8 * 16)?;
    let next = [info.queue(1), args[1], NO_PORT, guest, host, 0];
    for place in PARTS {
        for taken in [args[3], args[4]] {
            replaced(&mut rig, next, place, taken, status::BAD_RANGE, "a part on another queue's")?;
        }
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &next, status::OK, "beside it")?;
    // When the first queue is closed, its parts are free.
    rig.close_queue(&info, 0)?;
    rig.close_queue(&info, 1)?;
    let moved = [info.queue(1), args[1], NO_PORT, args[4], args[3], 0];
    expect(&mut rig.bound, op::QUEUE_OPEN, &moved, status::OK, "where a closed queue was").map(|_| ())
}

/// A part has all granules that it touches to itself: so much as a word more would be another part's.
fn granules(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let unit = rig.arena.unit as u64;
    let slots = unit / 64;
    if slots > u64::from(info.max_depth) || slots > 64 || info.max_queues < 2 {
        return Ok(());
    }
    // The words in front of the slots reach into a second granule.
    let (_, place) = rig.arena.take(4 * unit as usize)?;
    let long = [args[0], slots, NO_PORT, place, args[4], 0];
    expect(&mut rig.bound, op::QUEUE_OPEN, &long, status::OK, "a part of two granules")?;
    let (_, host) = rig.arena.take(4096)?;
    let next = [info.queue(1), 1, NO_PORT, place + unit, host, 0];
    expect(&mut rig.bound, op::QUEUE_OPEN, &next, status::BAD_RANGE, "in the second of them")?;
    let next = [info.queue(1), 1, NO_PORT, place + 2 * unit, host, 0];
    expect(&mut rig.bound, op::QUEUE_OPEN, &next, status::OK, "behind it").map(|_| ())
}

/// An open disk whose arena is all memory.
fn everywhere(ctx: &Ctx) -> Result<(Rig, [u64; 6]), crate::case::Fail> {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND)?;
    let unit = rig.arena.unit as u64;
    let len = raw::record(ctx.env).region0_len.get() / unit * unit;
    expect(&mut rig.bound, op::DEVICE_OPEN, &[info.name(), 0, 0, len, NO_PORT], status::OK, "DEVICE_OPEN")?;
    let (_, guest) = rig.arena.take(4096)?;
    let (_, host) = rig.arena.take(4096)?;
    Ok((rig, [info.queue(0), info.max_depth.min(8).into(), NO_PORT, guest, host, 0]))
}

fn on_area(ctx: &Ctx) -> Outcome {
    let (mut rig, args) = everywhere(ctx)?;
    let area = rig.bound.guest.1;
    for place in PARTS {
        replaced(&mut rig, args, place, area, status::BAD_RANGE, "a part on a vCPU's area")?;
    }
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "beside it").map(|_| ())
}

fn area_on_part(ctx: &Ctx) -> Outcome {
    let (mut rig, args) = everywhere(ctx)?;
    expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "QUEUE_OPEN")?;
    let in_window = load(&ctx.env.window(), 0x90) & 1 != 0;
    let donated = raw::pages(ctx.env, 4096, 1 << 16)?.1;
    for part in [args[3], args[4]] {
        let mut bind = Control::bind(ctx.env, 1, 4, [4, 4], part);
        bind.0[8] = if in_window { 0 } else { donated };
        let answer = rig.bound.control(bind);
        check(answer == Some((status::BAD_RANGE, 0)), "an area on the part of an open queue")?;
    }
    Ok(())
}
