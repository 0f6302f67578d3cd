// SPDX-License-Identifier: MIT OR Apache-2.0
//! The record, by hand and through the shim.

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::{Desk, wait_corrupt};
use crate::cases::tools::{case, op};
use crate::raw::{self, load, store};
use crate::since;
use tenon_guest::{Error, Found};
use tenon_rings::{Mapping, Words};

/// The cases.
pub const CASES: &[Case] = &[
    case("discovery.record-layout", &["DISC-1", "GEN-5"], Needs::NONE, layout),
    case(
        "discovery.record-values",
        &["DISC-1", "DISC-6", "DISC-9", "GEN-4", "GEN-5", "VCPU-8"],
        Needs::NONE,
        values,
    ),
    case("discovery.limits", &["DISC-9"], Needs::NONE, limits),
    case("discovery.record-frozen", &["DISC-1", "DISC-3", "DISC-9"], Needs::NONE, frozen),
    case("discovery.not-present", &["DISC-1", "DISC-2"], Needs::NONE, not_present),
];

fn layout(ctx: &Ctx) -> Outcome {
    let window = ctx.env.window();
    check(window.byte_len() >= 256, "the window is shorter than the record")?;
    equal(load(&window, 0x00), u64::from_le_bytes(*b"Tenon\0DR"), "the magic")?;
    let version = load(&window, 0x08);
    equal(version & 0xffff, 0, "major")?;
    check((version >> 16) & 0xffff >= 1, "minor is at least 1")?;
    equal(version >> 32, 256, "size")?;
    for offset in (0x60..0x80).step_by(8).chain((0xa8..0x100).step_by(8)) {
        equal(load(&window, offset), 0, "a reserved word of the record")?;
    }
    equal((load(&window, 0xa0) >> 16) & 0xffff, 0, "the middle of control_result")
}

fn values(ctx: &Ctx) -> Outcome {
    let window = ctx.env.window();
    if !since::is_newer(ctx.env) {
        let known = since::features(since::offered(ctx.env));
        equal(load(&window, 0x10) & !known, 0, "features that the host's version does not know")?;
    }
    let granules = load(&window, 0x18) as u32;
    check(granules != 0, "no granule is offered")?;
    equal(u64::from(granules) & !0x0001_5000, 0, "granules other than 4, 16 and 64 KiB")?;
    let conduit = (load(&window, 0x18) >> 32) & 0xffff;
    check(conduit <= 4, "an unknown conduit")?;
    equal((load(&window, 0x18) >> 48) & !7, 0, "unknown conduit flags")?;
    let (kick, bind) = (load(&window, 0x20), load(&window, 0x30));
    match conduit {
        // Ports have 16 bits, and one doorbell does not do for both.
        1 => check(kick <= 0xffff && bind <= 0xffff && kick != bind, "ports of the conduit")?,
        // Aligned 32-bit stores.
        2 => check(kick % 4 == 0 && bind % 4 == 0 && kick != bind, "addresses of the conduit")?,
        _ => {}
    }
    let len = load(&window, 0x38);
    check(len >= 256 && len <= window.byte_len() as u64, "window_len")?;
    let (first, last) = (load(&window, 0x28) >> 32, load(&window, 0x50) >> 32);
    // UPCALL or DIRECT.
    if load(&window, 0x10) & 0xc == 0 {
        equal(first | last, 0, "interrupts of a host that has none")?;
    } else {
        check(first >= 1 && last >= first + 7, "irq_first and irq_last")?;
    }
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    check(at + page.byte_len() as u64 <= load(&window, 0x58), "region0_len is short of memory in use")
}

fn limits(ctx: &Ctx) -> Outcome {
    let window = ctx.env.window();
    let half = |offset: usize| (load(&window, offset & !7) >> (8 * (offset & 7))) as u32;
    check(half(0x40) >= 1, "max_vcpus is below 1")?;
    check(half(0x44) >= 64, "max_depth is below 64")?;
    check(half(0x48) >= 256, "max_events is below 256")?;
    check(half(0x4c) >= 64, "max_ports is below 64")?;
    check(half(0x50) >= 4096, "max_payload is below 4096")?;
    // What the limits promise can be had.
    let desk = Desk::new(ctx.env)?;
    desk.negotiate(desk.features(), desk.smallest())?;
    desk.bind(0, 64, [256, 256])?;
    desk.reset()?;
    // As donated memory, so that the window's length does not count.
    desk.negotiate(desk.features() & !1, desk.smallest())?;
    let mut bound = desk.bind(half(0x40) - 1, half(0x44).min(4096), [16, half(0x48).min(4096)])?;
    equal(bound.call(op::NOP, [7, 0, 0, 0, 0, 0])?.value, 7, "NOP at the limits")
}

fn frozen(ctx: &Ctx) -> Outcome {
    let window = ctx.env.window();
    let snapshot = || core::array::from_fn::<u64, 16, _>(|index| load(&window, index * 8));
    let first = snapshot();
    let same = |what| match first.iter().zip(snapshot()).find(|(a, b)| **a != *b) {
        None => Ok(()),
        Some((before, now)) => Err(Fail::Failed(what, now, *before)),
    };
    let desk = Desk::new(ctx.env)?;
    desk.open()?;
    same("a fixed word changed with NEGOTIATE")?;
    let mut bound = desk.bind(0, 64, [256, 256])?;
    same("a fixed word changed with BIND")?;
    bound.call(op::NOP, [1, 0, 0, 0, 0, 0])?;
    same("a fixed word changed with a call")?;
    bound.submit(op::NOP, 64, [0; 7]);
    bound.kick();
    wait_corrupt(&bound, 0)?;
    same("a fixed word changed with a corrupt queue")?;
    desk.reset()?;
    same("a fixed word changed with RESET")?;
    desk.negotiate(0, desk.largest())?;
    same("a fixed word changed in the next session")?;
    // Reserved words too, which have to be zero: what an earlier case changed once and for all would not show
    // above.
    layout(ctx)
}

fn not_present(ctx: &Ctx) -> Outcome {
    let (fake, _) = raw::pages(ctx.env, 4096, 4096)?;
    let absent = |window: Mapping, what| match Found::at(window) {
        Err(Error::NotPresent) => Ok(()),
        _ => check(false, what),
    };
    absent(fake, "a cleared window passes for a record")?;
    for offset in (0..256).step_by(8) {
        store(&fake, offset, load(&ctx.env.window(), offset));
    }
    check(Found::at(fake).is_ok(), "a copy of the record is not found")?;
    let (magic, second) = (load(&fake, 0), load(&fake, 8));
    for bit in 0..64 {
        store(&fake, 0, magic ^ (1 << bit));
        absent(fake, "another magic passes")?;
    }
    store(&fake, 0, magic);
    for size in [0, 128, 255, 257, 512, 0x100_0000, u64::from(u32::MAX)] {
        store(&fake, 8, (second & 0xffff_ffff) | (size << 32));
        absent(fake, "another size passes")?;
    }
    store(&fake, 8, second);
    let short = fake.slice(0, 1).ok_or(Fail::Error("no slice of a page"))?;
    absent(short, "a window of eight bytes passes")?;
    // Nothing was written while it looked.
    equal(load(&fake, 0), magic, "the shim wrote to a window")?;
    (16..256).step_by(8).try_for_each(|offset| match load(&ctx.env.window(), offset) {
        // Words that a session changes may have changed since.
        _ if offset >= 0x80 => Ok(()),
        expected => equal(load(&fake, offset), expected, "the shim wrote to a window"),
    })
}
