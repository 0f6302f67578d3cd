// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening a device (DEV-5, DEV-6).

use super::rig::{BLOCK_KIND, DEVICES, DISK, Info, NET, NET_KIND, NO_PORT, OPEN_FLAG, Rig};
use crate::case::{Case, Ctx, Fail, Lacks, Needs, Outcome, check, equal};
use crate::cases::memory::Desk;
use crate::cases::tools::{bind_port, case, expect, op, open_memory, status};
use crate::raw;
use tenon_abi::Features;

const EVENTS: Needs = Needs { features: Features::DEVICES.union(Features::EVENTS), ..Needs::NONE };
const MEMORY: Needs = Needs { features: DISK.features.union(Features::MEMORY), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("device.open-and-close", &["DEV-6", "DEV-12"], DEVICES, open_close),
    case("device.open-twice", &["DEV-6"], DEVICES, twice),
    case("device.open-number", &["DEV-1", "DEV-6"], DEVICES, number),
    case("device.open-other-incarnation", &["DEV-5", "DEV-6"], DEVICES, incarnation),
    case("device.open-disk-features", &["BLK-1", "DEV-6"], DISK, disk_features),
    case("device.open-unoffered-features", &["DEV-6"], NET, net_features),
    case("device.open-features-that-need-others", &["DEV-6", "NET-6"], NET, needing),
    case("device.open-arena-region", &["DEV-6"], DEVICES, region),
    case("device.open-arena-unaligned", &["DEV-6", "GEN-4"], DEVICES, unaligned),
    case("device.open-arena-empty", &["DEV-6"], DEVICES, empty),
    case("device.open-arena-range", &["DEV-6", "REG-3"], DEVICES, range),
    case("device.open-all-of-memory", &["DEV-6", "REG-1"], DISK, all),
    case("device.open-arena-given", &["DEV-6", "MEM-6", "MEM-8"], MEMORY, given),
    case("device.open-port", &["DEV-7", "CALL-28"], EVENTS, port),
    case("device.open-refused-opens-nothing", &["DEV-6", "DEV-8"], DEVICES, refused),
    case("device.arenas-overlap", &["DEV-6"], DISK, overlap),
];

/// A device of any kind, with the arguments of a DEVICE_OPEN that would succeed.
fn set_up(ctx: &Ctx) -> Result<(Rig, Info, [u64; 5]), Fail> {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND).or_else(|_| rig.find(NET_KIND))?;
    let args = [info.name(), 0, rig.arena.at, rig.arena.len(), NO_PORT];
    Ok((rig, info, args))
}

/// DEVICE_OPEN with one argument replaced has to be refused so.
fn replaced(
    rig: &mut Rig,
    args: [u64; 5],
    place: usize,
    value: u64,
    wanted: u16,
    what: &'static str,
) -> Outcome {
    let mut args = args;
    args[place] = value;
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, wanted, what).map(|_| ())
}

fn open_close(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    for _ in 0..16 {
        equal(expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "DEVICE_OPEN")?, 0, "its value")?;
        equal(rig.info(info.number)?.flags.into(), OPEN_FLAG.into(), "flags of an open device")?;
        rig.close(&info)?;
        equal(rig.info(info.number)?.flags.into(), 0, "flags of a closed device")?;
    }
    Ok(())
}

fn twice(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    rig.open(&info, 0, NO_PORT)?;
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::EXISTS, "a device that is open")?;
    let half = args[3] / 2;
    replaced(&mut rig, args, 3, half, status::EXISTS, "with another arena")?;
    rig.close(&info)?;
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "closed, and opened again").map(|_| ())
}

fn number(ctx: &Ctx) -> Outcome {
    let (mut rig, _, args) = set_up(ctx)?;
    let (devices, _) = rig.limits()?;
    for number in [u64::from(devices), u64::from(devices) + 1, 0x7fff_ffff, 0xffff_ffff] {
        let done = rig.bound.call(op::DEVICE_OPEN, [number, 0, args[2], args[3], NO_PORT, 0])?;
        let refused = [status::BAD_ARGUMENT, status::NOT_FOUND].contains(&done.status);
        check(refused && done.value == 0, "a number beyond the last")?;
    }
    Ok(())
}

fn incarnation(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    for other in [1, u32::MAX, 1 << 31, 0x8000_0001] {
        let name = info.number | u64::from(info.incarnation.wrapping_add(other)) << 32;
        replaced(&mut rig, args, 0, name, status::REMOVED, "another incarnation")?;
    }
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "this incarnation").map(|_| ())
}

fn disk_features(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND)?;
    let args = [info.name(), 0, rig.arena.at, rig.arena.len(), NO_PORT];
    for bit in 0..64 {
        replaced(&mut rig, args, 1, 1 << bit, status::BAD_FEATURES, "a feature of a disk")?;
    }
    replaced(&mut rig, args, 1, u64::MAX, status::BAD_FEATURES, "all features")
}

fn net_features(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(NET_KIND)?;
    let args = [info.name(), 0, rig.arena.at, rig.arena.len(), NO_PORT];
    for bit in (0..64).map(|bit| 1u64 << bit).filter(|bit| info.features & bit == 0) {
        let both = info.features | bit;
        replaced(&mut rig, args, 1, bit, status::BAD_FEATURES, "a feature that is not offered")?;
        replaced(&mut rig, args, 1, both, status::BAD_FEATURES, "beside all that are")?;
    }
    replaced(&mut rig, args, 1, info.features, status::OK, "all that are offered")
}

fn needing(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(NET_KIND)?;
    let args = [info.name(), 0, rig.arena.at, rig.arena.len(), NO_PORT];
    // SEGMENT needs CSUM of its direction.
    for (segment, csum) in [(4, 1), (8, 2)] {
        if info.features & segment == 0 {
            continue;
        }
        replaced(&mut rig, args, 1, segment, status::BAD_FEATURES, "SEGMENT without CSUM")?;
        let others = info.features & !csum;
        replaced(&mut rig, args, 1, others, status::BAD_FEATURES, "all but what SEGMENT needs")?;
        replaced(&mut rig, args, 1, segment | csum, status::OK, "both")?;
        rig.close(&info)?;
    }
    Ok(())
}

fn region(ctx: &Ctx) -> Outcome {
    let (mut rig, _, args) = set_up(ctx)?;
    for region in [1, 2, 0x8000, 0xffff] {
        let at = args[2] | region << 48;
        replaced(&mut rig, args, 2, at, status::BAD_REGION, "an arena of another region")?;
    }
    Ok(())
}

fn unaligned(ctx: &Ctx) -> Outcome {
    let (mut rig, _, args) = set_up(ctx)?;
    let unit = rig.arena.unit as u64;
    for by in [1, 8, 512, unit / 2, unit - 1] {
        let (at, len) = (args[2] + by, args[3] - by);
        let mut moved = args;
        (moved[2], moved[3]) = (at, args[3] - unit);
        expect(&mut rig.bound, op::DEVICE_OPEN, &moved, status::BAD_ALIGNMENT, "its address")?;
        replaced(&mut rig, args, 3, len, status::BAD_ALIGNMENT, "its length")?;
        replaced(&mut rig, args, 3, by, status::BAD_ALIGNMENT, "less than a granule")?;
    }
    Ok(())
}

fn empty(ctx: &Ctx) -> Outcome {
    let (mut rig, _, args) = set_up(ctx)?;
    replaced(&mut rig, args, 3, 0, status::BAD_ARGUMENT, "an empty arena")?;
    let mut args = args;
    args[2] = 0;
    replaced(&mut rig, args, 3, 0, status::BAD_ARGUMENT, "nothing of nothing")
}

fn range(ctx: &Ctx) -> Outcome {
    let (mut rig, _, args) = set_up(ctx)?;
    let unit = rig.arena.unit as u64;
    let end = raw::record(ctx.env).region0_len.get();
    let (floor, top) = (end / unit * unit, 1u64 << 48);
    for (at, len, what) in [
        (end.next_multiple_of(unit), unit, "behind the end"),
        (floor - unit, 2 * unit + (end - floor).next_multiple_of(unit), "beyond the end"),
        (0, end.next_multiple_of(unit) + unit, "all of the region and more"),
        (top - unit, unit, "the end of 48 bits"),
        (top - unit, 2 * unit, "a range that wraps in 48 bits"),
        (unit, u64::MAX / unit * unit, "a range that wraps in 64 bits"),
        (args[2], top, "2^48 bytes"),
    ] {
        let mut args = args;
        (args[2], args[3]) = (at, len);
        expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::BAD_RANGE, what)?;
    }
    Ok(())
}

fn all(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND)?;
    let unit = rig.arena.unit as u64;
    let len = raw::record(ctx.env).region0_len.get() / unit * unit;
    let args = [info.name(), 0, 0, len, NO_PORT];
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "an arena of all memory, with its holes")?;
    let mut queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
    queue.nop(0x1234_5678_9abc)?;
    rig.close(&info)
}

fn given(ctx: &Ctx) -> Outcome {
    open_memory(ctx.env)?;
    let (mut rig, info, args) = set_up(ctx)?;
    let memory = Desk::new(ctx.env)?.info(&mut rig.bound)?;
    let unit = memory.granule.max(rig.arena.unit as u64);
    let piece = [args[2] + args[3] - unit, unit];
    expect(&mut rig.bound, op::GIVE, &piece, status::OK, "GIVE of its end")?;
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::BAD_STATE, "an arena whose end is given")?;
    expect(&mut rig.bound, op::TAKE, &piece, status::OK, "TAKE")?;
    rig.open(&info, 0, NO_PORT)?;
    for op in [op::GIVE, op::HINT] {
        for at in [args[2], piece[0]] {
            let range = [at, unit];
            expect(&mut rig.bound, op, &range, status::BAD_STATE, "the arena of an open device")?;
        }
    }
    rig.close(&info)?;
    expect(&mut rig.bound, op::GIVE, &piece, status::OK, "GIVE when the device is closed")?;
    expect(&mut rig.bound, op::TAKE, &piece, status::OK, "TAKE").map(|_| ())
}

fn port(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let ports = u64::from(raw::record(ctx.env).max_ports.get());
    for (port, wanted, what) in [
        (3, status::NOT_FOUND, "a port that is not bound"),
        (ports - 1, status::NOT_FOUND, "the last port"),
        (ports, status::BAD_ARGUMENT, "a port beyond the last"),
        (NO_PORT - 1, status::BAD_ARGUMENT, "port 2^32 - 2"),
        (1 << 32, status::BAD_ARGUMENT, "port 2^32"),
        (u64::MAX, status::BAD_ARGUMENT, "port 2^64 - 1"),
    ] {
        replaced(&mut rig, args, 4, port, wanted, what)?;
    }
    bind_port(&mut rig.bound, 3, 0, 0)?;
    replaced(&mut rig, args, 4, 3, status::OK, "a port that is bound")?;
    rig.close(&info)
}

fn refused(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    let name = info.number | u64::from(info.incarnation ^ 1) << 32;
    for (place, value) in [(0, name), (1, 1 << 63), (2, args[2] + 8), (3, 0), (4, 1 << 40)] {
        let mut args = args;
        args[place] = value;
        let done = rig.bound.call(op::DEVICE_OPEN, [args[0], args[1], args[2], args[3], args[4], 0])?;
        check(done.status != status::OK, "a DEVICE_OPEN that breaks a rule")?;
        equal(rig.info(info.number)?.flags.into(), 0, "the device is open all the same")?;
        let queue = [info.queue(0), 8, NO_PORT, args[2] & !0xffff, (args[2] & !0xffff) + (1 << 16), 0];
        expect(&mut rig.bound, op::QUEUE_OPEN, &queue, status::BAD_STATE, "a queue of it")?;
        expect(&mut rig.bound, op::DEVICE_CLOSE, &[info.number], status::NOT_FOUND, "DEVICE_CLOSE")?;
    }
    rig.open(&info, 0, NO_PORT)
}

fn overlap(ctx: &Ctx) -> Outcome {
    let (mut rig, info, args) = set_up(ctx)?;
    rig.open(&info, 0, NO_PORT)?;
    let other = rig.find(NET_KIND).map_err(|_| Fail::Skip(Lacks::Device("second device")))?;
    for (at, len) in [(args[2], args[3]), (args[2] + args[3] / 2, args[3] / 2), (args[2], args[3] / 4)] {
        let args = [other.name(), 0, at, len, NO_PORT];
        expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "an arena over another one")?;
        rig.close(&other)?;
    }
    let mut queue = rig.requests(&info, 0, 8, NO_PORT)?;
    queue.nop(7)
}
