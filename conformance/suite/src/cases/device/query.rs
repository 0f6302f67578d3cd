// SPDX-License-Identifier: MIT OR Apache-2.0
//! Limits, and what is known of devices (DEV-1 to DEV-4).

use super::rig::{BLOCK_KIND, DEVICES, DISK, NET, NET_KIND, NO_PORT, OPEN_FLAG, REMOVED_FLAG, Rig};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{INLINE, bind_port, case, expect, op, settle, status};
use crate::raw::{self, load, store};
use crate::since::BLOCK_OPS;
use tenon_abi::Features;

const EVENTS: Needs = Needs { features: Features::DEVICES.union(Features::EVENTS), ..Needs::NONE };
/// DEVICES, BLOCK and NET, as the spec prints them.
const ALL: u64 = 7 << 15;
const BLOCK: u64 = 1 << 16;
const NET_BIT: u64 = 1 << 17;
/// Every operation of the family on a call queue.
const OPS: [u16; 8] = [
    op::DEVICE_LIMITS,
    op::DEVICE_WATCH,
    op::DEVICE_QUERY,
    op::DEVICE_OPEN,
    op::DEVICE_CLOSE,
    op::QUEUE_OPEN,
    op::QUEUE_CLOSE,
    op::NET_FILTER,
];

/// The cases.
pub const CASES: &[Case] = &[
    case("device.limits", &["DEV-2"], DEVICES, limits),
    case("device.query", &["DEV-4", "DEV-1", "GEN-5"], DEVICES, query),
    case("device.query-again", &["DEV-3", "DEV-4", "DEV-6"], DEVICES, again),
    case("device.query-front", &["DEV-4"], DEVICES, front),
    case("device.query-number", &["DEV-4", "CALL-28"], DEVICES, number),
    case("device.query-length", &["DEV-4", "REG-3"], DEVICES, length),
    case("device.query-range", &["DEV-4", "REG-2", "REG-3"], DEVICES, range),
    case("device.query-unused", &["CALL-11", "CALL-9", "GEN-5"], DEVICES, unused),
    case("device.none-without-devices", &["DEV-1", "NEG-7"], DEVICES, without_devices),
    case("device.no-disk-without-block", &["DEV-1", "NEG-7"], DISK, without_block),
    case("device.no-net-without-net", &["DEV-1", "NEG-7"], NET, without_net),
    case("device.block-operations-elsewhere", &["DEV-10", "CALL-12"], DISK, elsewhere),
    case("device.watch-misuse", &["DEV-3", "CALL-28", "CALL-11"], EVENTS, watch),
    case("device.lane-takes-none", &["CALL-23"], DEVICES, lane),
];

fn limits(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let (devices, queues) = rig.limits()?;
    check(devices != 0, "max_devices is zero")?;
    check(queues != 0, "no queue may be open")?;
    for spare in 0..6 {
        let mut args = [0; 6];
        args[spare] = 1;
        expect(&mut rig.bound, op::DEVICE_LIMITS, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    check(rig.limits()? == (devices, queues), "limits that change")
}

fn query(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let (devices, _) = rig.limits()?;
    for number in 0..u64::from(devices.min(64)) {
        let Some(info) = rig.query(number)? else { continue };
        check(info.kind == BLOCK_KIND || info.kind == NET_KIND, "a kind that nobody negotiated")?;
        equal(u64::from(info.flags & !REMOVED_FLAG), 0, "flags of a device that nobody has opened")?;
        check(info.max_queues != 0 && info.max_depth != 0, "a device without queues")?;
        for reserved in [0x34, 0x38] {
            let word = load(&rig.page.0, reserved & !7) >> (reserved % 8 * 8);
            equal(word, 0, "a reserved field of DeviceInfo")?;
        }
        check(info.kind == NET_KIND || info.features == 0, "a disk with features")?;
        check(info.features >> 5 == 0, "features that the text does not know")?;
    }
    Ok(())
}

fn again(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND).or_else(|_| rig.find(NET_KIND))?;
    let same = |rig: &mut Rig, flags: u32| {
        let now = rig.info(info.number)?;
        equal(now.flags.into(), flags.into(), "flags")?;
        equal(now.change, info.change, "a change while nothing changed")?;
        check((now.own, now.incarnation) == (info.own, info.incarnation), "what is told of a device")
    };
    same(&mut rig, 0)?;
    rig.open(&info, 0, NO_PORT)?;
    same(&mut rig, OPEN_FLAG)?;
    rig.close(&info)?;
    same(&mut rig, 0)
}

fn front(ctx: &Ctx) -> Outcome {
    const MARK: u64 = 0x5a5a_5a5a_5a5a_5a5a;
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND).or_else(|_| rig.find(NET_KIND))?;
    let whole: [u64; 16] = core::array::from_fn(|index| load(&rig.page.0, index * 8));
    let (page, at) = rig.page;
    for len in [1, 4, 8, 13, 64, 127, 128, 129, 200, 4096 - 24] {
        (0..64).for_each(|index| store(&page, index * 8, MARK));
        // From the middle of a word on.
        let args = [info.number, at + 3, len];
        let told = expect(&mut rig.bound, op::DEVICE_QUERY, &args, status::OK, "DEVICE_QUERY")?;
        equal(told, len.min(128), "bytes of DeviceInfo, as much as the length admits")?;
        let byte = |offset: usize| (load(&page, offset & !7) >> (offset % 8 * 8)) as u8;
        for offset in 0..512usize {
            let inside = offset.wrapping_sub(3);
            let expected =
                if inside < told as usize { whole[inside / 8].to_le_bytes()[inside % 8] } else { 0x5a };
            equal(byte(offset).into(), expected.into(), "a byte of what was told, or beside it")?;
        }
    }
    Ok(())
}

fn number(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let (devices, _) = rig.limits()?;
    let (devices, at) = (u64::from(devices), rig.page.1);
    for number in [devices, devices + 1, 0xffff_ffff, 1 << 32, 1 << 63, u64::MAX] {
        let args = [number, at, 128];
        expect(&mut rig.bound, op::DEVICE_QUERY, &args, status::BAD_ARGUMENT, "a number beyond the last")?;
    }
    if let Some(empty) = (0..devices.min(256)).rev().find(|&n| matches!(rig.query(n), Ok(None))) {
        for (op, args) in [
            (op::DEVICE_QUERY, [empty, at, 128, 0, 0, 0]),
            (op::DEVICE_OPEN, [empty, 0, rig.arena.at, rig.arena.len(), NO_PORT, 0]),
            (op::DEVICE_CLOSE, [empty, 0, 0, 0, 0, 0]),
            (op::QUEUE_OPEN, [empty, 8, NO_PORT, rig.arena.at, rig.arena.at + (1 << 16), 0]),
            (op::QUEUE_CLOSE, [empty, 0, 0, 0, 0, 0]),
        ] {
            expect(&mut rig.bound, op, &args, status::NOT_FOUND, "a device that is not there")?;
        }
    }
    Ok(())
}

fn length(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND).or_else(|_| rig.find(NET_KIND))?;
    let most = u64::from(raw::record(ctx.env).max_payload.get());
    for (len, wanted) in
        [(0, status::BAD_ARGUMENT), (most + 1, status::TOO_LONG), (u64::MAX, status::TOO_LONG)]
    {
        let args = [info.number, rig.page.1, len];
        expect(&mut rig.bound, op::DEVICE_QUERY, &args, wanted, "a length outside its range")?;
    }
    Ok(())
}

fn range(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND).or_else(|_| rig.find(NET_KIND))?;
    let end = raw::record(ctx.env).region0_len.get();
    for (at, len, wanted, what) in [
        (end, 1, status::BAD_RANGE, "the byte behind the end"),
        (end - 1, 2, status::BAD_RANGE, "a byte beyond the end"),
        ((1 << 48) - 1, 128, status::BAD_RANGE, "a range that wraps in 48 bits"),
        ((1 << 48) | rig.page.1, 128, status::BAD_REGION, "region 1"),
        ((0xffff << 48) | rig.page.1, 128, status::BAD_REGION, "the last region"),
    ] {
        expect(&mut rig.bound, op::DEVICE_QUERY, &[info.number, at, len], wanted, what)?;
    }
    Ok(())
}

fn unused(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND).or_else(|_| rig.find(NET_KIND))?;
    let (at, arena, len) = (rig.page.1, rig.arena.at, rig.arena.len());
    for (op, used, args) in [
        (op::DEVICE_QUERY, 3, [info.number, at, 128, 0, 0, 0]),
        (op::DEVICE_OPEN, 5, [info.name(), 0, arena, len, NO_PORT, 0]),
        (op::DEVICE_CLOSE, 1, [info.number, 0, 0, 0, 0, 0]),
        (op::QUEUE_CLOSE, 1, [info.queue(0), 0, 0, 0, 0, 0]),
    ] {
        for spare in used..6 {
            let mut args = args;
            args[spare] = 1 << 40;
            expect(&mut rig.bound, op, &args, status::BAD_RESERVED, "an unused argument")?;
        }
        let [a, b, c, d, e, f] = args;
        for flags in [INLINE, INLINE | 8 << 32, 2, 1 << 31] {
            let done = rig.bound.call_words(op, [flags, a, b, c, d, e, f])?;
            equal(done.status.into(), status::BAD_RESERVED.into(), "a flag that is not defined")?;
        }
    }
    equal(rig.info(info.number)?.flags.into(), 0, "what was refused has opened the device")
}

fn without_devices(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features() & !ALL, 16)?;
    for op in OPS.into_iter().chain(BLOCK_OPS.iter().map(|known| known.op)) {
        expect(&mut bound, op, &[], status::NOT_SUPPORTED, "without DEVICES")?;
        let probed = expect(&mut bound, op::PROBE, &[op.into()], status::OK, "PROBE")?;
        equal(probed, 0, "PROBE without DEVICES")?;
    }
    Ok(())
}

/// Without its feature no device of this kind is there; those of the other kind are.
fn without(ctx: &Ctx, bit: u64, kind: u32) -> Outcome {
    let there = Rig::new(ctx)?.find(kind)?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let desk = Desk::new(ctx.env)?;
    let bound = desk.attach(desk.features() & !bit, 16)?;
    let mut rig = Rig::over(bound, super::rig::ARENA)?;
    check(rig.query(there.number)?.is_none(), "a device whose kind was not negotiated is there")?;
    let args = [there.name(), 0, rig.arena.at, rig.arena.len(), NO_PORT];
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::NOT_FOUND, "DEVICE_OPEN of it")?;
    expect(&mut rig.bound, op::DEVICE_CLOSE, &[there.number], status::NOT_FOUND, "DEVICE_CLOSE of it")?;
    let (devices, _) = rig.limits()?;
    for number in 0..u64::from(devices.min(64)) {
        let info = rig.query(number)?;
        check(info.is_none_or(|info| info.kind != kind), "another device of this kind")?;
    }
    Ok(())
}

fn without_block(ctx: &Ctx) -> Outcome {
    without(ctx, BLOCK, BLOCK_KIND)
}

fn without_net(ctx: &Ctx) -> Outcome {
    without(ctx, NET_BIT, NET_KIND)
}

fn elsewhere(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let before = load(&rig.arena.memory, 0);
    for known in BLOCK_OPS {
        let args = [0, rig.arena.at, 512, 0, 0, 1];
        expect(&mut rig.bound, known.op, &args, status::NOT_SUPPORTED, "on a call queue")?;
        expect(&mut rig.bound, known.op, &[u64::MAX; 6], status::NOT_SUPPORTED, "whatever its arguments")?;
        let probed = expect(&mut rig.bound, op::PROBE, &[known.op.into()], status::OK, "PROBE")?;
        equal(probed, 0, "PROBE on a call queue of what queues of disks take")?;
    }
    settle(&mut rig.bound)?;
    equal(load(&rig.arena.memory, 0), before, "memory that a refused READ names")
}

fn watch(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let ports = u64::from(raw::record(ctx.env).max_ports.get());
    for (port, wanted, what) in [
        (3, status::NOT_FOUND, "a port that is not bound"),
        (ports - 1, status::NOT_FOUND, "the last port"),
        (ports, status::BAD_ARGUMENT, "a port beyond the last"),
        (NO_PORT, status::BAD_ARGUMENT, "no port"),
        (1 << 32, status::BAD_ARGUMENT, "port 2^32"),
        (u64::MAX, status::BAD_ARGUMENT, "port 2^64 - 1"),
    ] {
        expect(&mut bound, op::DEVICE_WATCH, &[port], wanted, what)?;
    }
    bind_port(&mut bound, 3, 0, 0)?;
    expect(&mut bound, op::DEVICE_WATCH, &[3, 1], status::BAD_RESERVED, "an unused argument")?;
    for _ in 0..2 {
        expect(&mut bound, op::DEVICE_WATCH, &[3], status::OK, "DEVICE_WATCH")?;
    }
    Ok(())
}

fn lane(ctx: &Ctx) -> Outcome {
    let rig = Rig::new(ctx)?;
    let ops = OPS.into_iter().chain(BLOCK_OPS.iter().map(|known| known.op));
    for (position, op) in (0..).zip(ops) {
        let words = [0, 0, rig.page.1, 128, 0, 0, 0];
        let done = crate::cases::tools::emergency(&rig.bound, position, op, words)?;
        equal(done.status.into(), status::NOT_SUPPORTED.into(), "the emergency lane takes it")?;
    }
    Ok(())
}
