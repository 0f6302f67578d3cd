// SPDX-License-Identifier: MIT OR Apache-2.0
//! BIND, by hand: which areas a host takes, and where it puts its own.

use super::desk::Desk;
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{case, op, status};
use crate::kit;
use crate::raw::{self, Bound, Control, load, store};
use tenon_abi::Features;

/// The cases.
pub const CASES: &[Case] = &[
    case(
        "session.area-in-the-window",
        &["NEG-6"],
        Needs { features: Features::WINDOW, ..Needs::NONE },
        area_in_the_window,
    ),
    case("session.area-donated", &["NEG-6"], Needs::NONE, area_donated),
    case("session.area-cleared", &["SES-2", "CALL-5", "VCPU-3"], Needs::NONE, area_cleared),
    case(
        "session.area-cleared-in-the-window",
        &["SES-2", "CALL-5"],
        Needs { features: Features::WINDOW, ..Needs::NONE },
        area_cleared_in_the_window,
    ),
    case("session.area-aligned", &["GEN-4"], Needs::NONE, area_aligned),
    case("session.areas-apart", &["VCPU-10"], Needs::NONE, areas_apart),
    case(
        "session.areas-of-two-vcpus-apart",
        &["VCPU-10", "VCPU-1"],
        Needs { vcpus: 2, ..Needs::NONE },
        areas_of_two,
    ),
    case("session.area-inside-region-0", &["GEN-3", "GEN-7", "VCPU-3"], Needs::NONE, area_inside),
    case("session.bind-sizes", &["CALL-1", "DISC-9", "VCPU-2"], Needs::NONE, sizes),
    case("session.bind-twice", &["VCPU-1", "GEN-7"], Needs::NONE, twice),
    case("session.bind-too-many", &["VCPU-1", "DISC-9"], Needs::NONE, too_many),
    case(
        "session.window-exhausted",
        &["NEG-6", "VCPU-4", "GEN-7"],
        Needs { features: Features::WINDOW, ..Needs::NONE },
        window_exhausted,
    ),
];

/// Length of the host-written area by the table: completions, then the entries of both rings, each on a cache
/// line.
fn host_len(depth: u64, events: u64) -> u64 {
    0x80 + (depth * 16).next_multiple_of(64) + 2 * (events * 8).next_multiple_of(64)
}

fn works(bound: &mut Bound) -> Outcome {
    equal(bound.call(op::NOP, [0x5a5a, 0, 0, 0, 0, 0])?.value, 0x5a5a, "NOP")
}

fn area_in_the_window(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    desk.negotiate(desk.features(), desk.smallest())?;
    let (_, area) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    // The guest has no say in where it lies.
    let mut request = Control::bind(ctx.env, 0, 64, [16, 16], area);
    for address in [desk.scratch.1, 0x1000, 1, 1 << 63] {
        request.0[8] = address;
        request.0[1] = Control::new(ctx.env, 2).0[1];
        if address != 0 {
            desk.expect(request, status::BAD_RESERVED, "a host_area beside WINDOW")?;
        }
    }
    let request = Control::bind(ctx.env, 0, 64, [16, 16], area);
    let value = desk.expect(request, status::OK, "BIND with WINDOW")?;
    let len = load(&ctx.env.window(), 0x38);
    check(value >= 256, "the area lies on the record")?;
    check(value.saturating_add(host_len(64, 16)) <= len, "the area lies beyond the window")?;
    equal(value & ((1 << desk.smallest()) - 1), 0, "the area is not aligned to the granule")?;
    let window = ctx.env.window();
    let state = load(&window, value as usize);
    equal(state & 0xffff_ffff, 1, "the state word in the window")
}

fn area_donated(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    desk.negotiate(desk.features() & !1, desk.smallest())?;
    let (_, guest) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let (host, at) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let mut request = Control::bind(ctx.env, 0, 64, [16, 16], guest);
    request.0[8] = at;
    equal(desk.expect(request, status::OK, "BIND without WINDOW")?, 0, "its value")?;
    for offset in (0..0x20).step_by(8) {
        equal(load(&host, offset), 1, "a state word in the donated area")?;
    }
    desk.reset()?;
    desk.negotiate(desk.features() & !1, desk.smallest())?;
    works(&mut desk.bind(0, 64, [16, 16])?)
}

/// The host-written area is as at its birth: zero but for the four state words.
fn is_fresh(host: &tenon_rings::Mapping, len: usize) -> Outcome {
    // Behind the state words. Stolen time is a count that goes on (VCPU-11).
    for offset in (0x20..len).step_by(8).filter(|offset| *offset != 0x28) {
        if load(host, offset) != 0 {
            return Err(Fail::Failed(
                "the host-written area is not cleared",
                offset as u64,
                load(host, offset),
            ));
        }
    }
    Ok(())
}

fn area_cleared(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    desk.negotiate(desk.features() & !1, desk.smallest())?;
    let (_, guest) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let (host, at) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let len = host_len(64, 16) as usize;
    let seed = desk.session() as u32;
    // What an enemy of the guest would leave there: completions whose turns count.
    for offset in (0..len).step_by(16) {
        let position = (offset.wrapping_sub(0x80) / 16) as u32;
        store(&host, offset, u64::MAX);
        store(&host, offset + 8, u64::from(seed.wrapping_add(position).wrapping_add(1)) << 32);
    }
    store(&host, len, 0x1234_5678_9abc_def0);
    let mut request = Control::bind(ctx.env, 0, 64, [16, 16], guest);
    request.0[8] = at;
    desk.expect(request, status::OK, "BIND of a dirty area")?;
    is_fresh(&host, len)?;
    equal(load(&host, len), 0x1234_5678_9abc_def0, "the host cleared more than its area")
}

fn area_cleared_in_the_window(ctx: &Ctx) -> Outcome {
    kit::share_nothing();
    let desk = Desk::new(ctx.env)?;
    for lap in 0..3 {
        desk.open()?;
        let mut bound = desk.bind(0, 64, [16, 16])?;
        is_fresh(&bound.host, host_len(64, 16) as usize)?;
        for id in 0..64 {
            bound.submit(op::NOP, id, [0, u64::MAX, 0, 0, 0, 0, 0]);
        }
        // Left untaken, for the next session to find.
        bound.kick();
        for _ in 0..64 - lap {
            bound.wait()?;
        }
        desk.reset()?;
    }
    Ok(())
}

fn area_aligned(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let offered = load(&ctx.env.window(), 0x18) as u32;
    let (_, guest) = raw::pages(ctx.env, 0x2_0000, 0x1_0000)?;
    let (_, host) = raw::pages(ctx.env, 0x2_0000, 0x1_0000)?;
    for shift in (0..32).filter(|shift| offered & (1 << shift) != 0) {
        desk.negotiate(desk.features() & !1, shift)?;
        let granule = 1u64 << shift;
        for off in [1, 4, 8, 64, 0x200, granule / 2, granule - 8] {
            for (guest, host) in [(guest + off, host), (guest, host + off)] {
                let mut request = Control::bind(ctx.env, 0, 64, [16, 16], guest);
                request.0[8] = host;
                desk.expect(request, status::BAD_ALIGNMENT, "an area that is not aligned to the granule")?;
            }
        }
        let mut request = Control::bind(ctx.env, 0, 64, [16, 16], guest);
        request.0[8] = host;
        desk.expect(request, status::OK, "an aligned area, after refused ones")?;
        desk.reset()?;
    }
    Ok(())
}

/// A BIND of vCPU `vcpu` with these areas; WINDOW was not negotiated.
fn donated(ctx: &Ctx, vcpu: u32, events: u32, guest: u64, host: u64) -> Control {
    let mut request = Control::bind(ctx.env, vcpu, 64, [events, events], guest);
    request.0[8] = host;
    request
}

/// Neither area lies on the other, nor on the frame of the request; side by side they are fine.
fn areas_apart(ctx: &Ctx) -> Outcome {
    const EVENTS: u32 = 256;
    // Large enough for a host that takes what it must refuse, and clears it.
    let desk = Desk { env: ctx.env, scratch: raw::pages(ctx.env, 0x2_0000, 0x1_0000)? };
    desk.negotiate(desk.features() & !1, desk.smallest())?;
    let granule = 1u64 << desk.smallest();
    let (guest_len, host_len) = (0x200 + 64 * 64u64, host_len(64, u64::from(EVENTS)));
    let (_, at) = raw::pages(ctx.env, 0x2_0000, 0x1_0000)?;
    let ask = |guest, host, status, what| {
        desk.expect(donated(ctx, 0, EVENTS, guest, host), status, what).map(|_| ())
    };
    ask(at, at, status::BAD_RANGE, "both areas in one place")?;
    // Areas of more than one granule, of which only the second is shared.
    if guest_len > granule {
        ask(at, at + granule, status::BAD_RANGE, "a host area on the end of the guest area")?;
    }
    if host_len > granule {
        ask(at + granule, at, status::BAD_RANGE, "a guest area on the end of the host area")?;
    }
    let (_, request) = desk.scratch;
    ask(request, at, status::BAD_RANGE, "a guest area on the request itself")?;
    ask(at, request, status::BAD_RANGE, "a host area on the request itself")?;
    // Nothing was taken, and whatever lies next to each other is apart.
    let behind = at + guest_len.next_multiple_of(granule);
    ask(at, behind, status::OK, "areas side by side")?;
    desk.reset()?;
    desk.negotiate(desk.features() & !1, desk.smallest())?;
    ask(request + 0x1_0000, at, status::OK, "an area behind the request")
}

/// Nor does an area lie on one of a vCPU that is bound.
fn areas_of_two(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for features in [desk.features() & !1, desk.features()] {
        desk.negotiate(features, desk.smallest())?;
        let pages = || Ok::<u64, Fail>(raw::pages(ctx.env, 0x1_0000, 0x1_0000)?.1);
        let [guest, host, other, spare] = [pages()?, pages()?, pages()?, pages()?];
        // With WINDOW the host places its areas, and only the guest's can lie on each other.
        let own = |at| if features & 1 == 0 { at } else { 0 };
        let ask = |vcpu, guest, host, status, what| {
            desk.expect(donated(ctx, vcpu, 16, guest, own(host)), status, what).map(|_| ())
        };
        ask(0, guest, host, status::OK, "BIND of vCPU 0")?;
        ask(1, guest, spare, status::BAD_RANGE, "a guest area on that of vCPU 0")?;
        if features & 1 == 0 {
            ask(1, host, spare, status::BAD_RANGE, "a guest area on the host area of vCPU 0")?;
            ask(1, other, host, status::BAD_RANGE, "a host area on that of vCPU 0")?;
            ask(1, other, guest, status::BAD_RANGE, "a host area on the guest area of vCPU 0")?;
        }
        ask(1, other, spare, status::OK, "BIND of vCPU 1 after refused ones")?;
        desk.reset()?;
        // Areas of a session that is over are free.
        desk.negotiate(features, desk.smallest())?;
        ask(1, guest, host, status::OK, "areas of the last session")?;
        desk.reset()?;
    }
    Ok(())
}

fn area_inside(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    desk.negotiate(desk.features() & !1, desk.smallest())?;
    let granule = 1u64 << desk.smallest();
    let len = load(&ctx.env.window(), 0x58);
    let top = len & !(granule - 1);
    let (_, guest) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let (_, host) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let ask = |guest: u64, host: u64, status: u16, what| {
        let mut request = Control::bind(ctx.env, 0, 64, [16, 16], guest);
        request.0[8] = host;
        desk.expect(request, status, what)
    };
    // Beyond the end, across it, at the top of the 48 bits, where only a sum that wraps would be inside.
    let across = (top - granule).max(len.saturating_sub(0x1000) & !(granule - 1));
    let last = ((1 << 48) - 1) & !(granule - 1);
    for outside in [top.max(len.next_multiple_of(granule)), across, 1 << 47, last] {
        // 64 slots and what is before them are longer than a page; the rest of the list is outside for any
        // length.
        if outside + 0x1200 > len {
            ask(outside, host, status::BAD_RANGE, "a guest area outside region 0")?;
        }
        if outside + host_len(64, 16) > len {
            ask(guest, outside, status::BAD_RANGE, "a host area outside region 0")?;
        }
    }
    for region in [1u64, 2, 0x7fff, 0xffff] {
        ask((region << 48) | guest, host, status::BAD_REGION, "a guest area in another region")?;
        ask(guest, (region << 48) | host, status::BAD_REGION, "a host area in another region")?;
    }
    ask(guest, host, status::OK, "BIND after refused ones").map(|_| ())
}

fn sizes(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    desk.negotiate(desk.features() & !1, desk.smallest())?;
    let window = ctx.env.window();
    let max_depth = (load(&window, 0x40) >> 32) as u32;
    let max_events = load(&window, 0x48) as u32;
    let (_, guest) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let (_, host) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let ask = |depth, events, status, what| {
        let mut request = Control::bind(ctx.env, 0, depth, events, guest);
        request.0[8] = host;
        desk.expect(request, status, what)
    };
    let never = [0, 3, 5, 63, 65, 0x8000_0000, 0x8000_0001, u32::MAX];
    for depth in never.into_iter().chain([max_depth * 2, max_depth + 1, 8192]) {
        ask(depth, [16, 16], status::BAD_ARGUMENT, "a depth that cannot be")?;
    }
    for events in never.into_iter().chain([max_events.saturating_mul(2), max_events + 1, 0x2_0000]) {
        ask(16, [events, 16], status::BAD_ARGUMENT, "entries of ring 0 that cannot be")?;
        ask(16, [16, events], status::BAD_ARGUMENT, "entries of ring 1 that cannot be")?;
    }
    for depth in [1, 2, 4, 64] {
        ask(depth, [1, 2], status::OK, "a depth that can be")?;
        desk.reset()?;
        desk.negotiate(desk.features() & !1, desk.smallest())?;
    }
    Ok(())
}

fn twice(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    desk.open()?;
    let mut bound = desk.bind(0, 64, [16, 16])?;
    works(&mut bound)?;
    let (_, other) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let donated = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    for depth in [64, 1] {
        let mut request = Control::bind(ctx.env, 0, depth, [16, 16], other);
        if load(&ctx.env.window(), 0x90) & 1 == 0 {
            request.0[8] = donated.1;
        }
        desk.expect(request, status::EXISTS, "a second BIND of a vCPU")?;
    }
    // The first one stands, positions included.
    works(&mut bound)
}

fn too_many(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let max_vcpus = load(&ctx.env.window(), 0x40) as u32;
    for features in [desk.features(), desk.features() & !1] {
        desk.negotiate(features, desk.smallest())?;
        let (_, guest) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
        let (_, host) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
        for vcpu in [max_vcpus, max_vcpus + 1, max_vcpus | 0x8000_0000, u32::MAX] {
            let mut request = Control::bind(ctx.env, vcpu, 64, [16, 16], guest);
            request.0[8] = if features & 1 == 0 { host } else { 0 };
            desk.expect(request, status::BAD_ARGUMENT, "a vCPU at or above max_vcpus")?;
        }
        works(&mut desk.bind(max_vcpus - 1, 4, [16, 16])?)?;
        desk.reset()?;
    }
    Ok(())
}

fn window_exhausted(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    desk.negotiate(desk.features(), desk.largest())?;
    let window = ctx.env.window();
    let max_vcpus = load(&window, 0x40) as u32;
    // Rings as large as can be; depth small, so that little of the guest's own memory is needed.
    let events = load(&window, 0x48) as u32;
    let len = host_len(4, u64::from(events));
    let mut first: Option<u64> = None;
    for vcpu in 0..max_vcpus.min(64) {
        let (_, guest) = raw::pages(ctx.env, 0x1000, 1 << desk.largest())?;
        let request = Control::bind(ctx.env, vcpu, 4, [events, events], guest);
        match desk.ask(request)? {
            (0, at) => {
                check(at.saturating_add(len) <= load(&window, 0x38), "an area beyond the window")?;
                let apart = first.is_none_or(|first| at >= first + len || first >= at + len);
                check(apart, "two areas in the same place")?;
                first = first.or(Some(at));
            }
            (status, _) => {
                equal(u64::from(status), 7, "BIND without room in the window")?;
                // And once more: a refusal takes nothing.
                let request = Control::bind(ctx.env, vcpu, 4, [events, events], guest);
                desk.expect(request, status::NO_CAPACITY, "BIND without room, again")?;
                break;
            }
        }
    }
    desk.reset()?;
    desk.open()?;
    works(&mut desk.bind(0, 64, [16, 16])?)
}
