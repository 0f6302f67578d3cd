// SPDX-License-Identifier: MIT OR Apache-2.0
//! NEGOTIATE, by hand.

use super::desk::{BAD_FEATURES, BAD_SESSION, BAD_VERSION, Desk};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::{case, op, status};
use crate::raw::{self, Control, load};
use crate::since;

/// The cases.
pub const CASES: &[Case] = &[
    case("session.version", &["NEG-1", "NEG-5"], Needs::NONE, version),
    case("session.features-not-offered", &["NEG-2"], Needs::NONE, features_not_offered),
    case("session.features-of-the-version", &["NEG-1", "NEG-2", "NEG-7"], Needs::NONE, of_version),
    case("session.features-subset", &["NEG-2", "NEG-5"], Needs::NONE, features_subset),
    case("session.granule", &["NEG-3", "NEG-5"], Needs::NONE, granule),
    case(
        "session.granule-counts",
        &["GEN-4", "DISC-8"],
        Needs { granules: 0x1_1000, ..Needs::NONE },
        granule_counts,
    ),
    case("session.negotiate-twice", &["NEG-4", "NEG-5"], Needs::NONE, twice),
    case("session.active-until-reset", &["NEG-5"], Needs::NONE, active_until_reset),
    case("session.not-negotiated", &["NEG-7", "CALL-12", "CALL-21"], Needs::NONE, not_negotiated),
];

/// Idle: nothing stands in `active`, and a BIND is refused.
fn is_idle(desk: &Desk) -> Outcome {
    let window = desk.env.window();
    equal(load(&window, 0x88), 0, "active of an idle session")?;
    equal(load(&window, 0x90), 0, "active_features of an idle session")
}

/// `active` as it has to be for version 0.`minor`.
fn active(minor: u64, shift: u32) -> u64 {
    (minor << 16) | (u64::from(shift) << 32) | (1 << 48)
}

fn version(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let shift = desk.smallest();
    let offered = (load(&ctx.env.window(), 0x08) >> 16) & 0xffff;
    // Major in the low half, minor in the high one: never another major, never a later minor.
    let later = ((offered + 1) & 0xffff) << 16;
    for version in [1, 1 | (1 << 16), 0xffff, 0xffff | (1 << 16), later, 0xffff_0000, 0xffff_ffff] {
        if version == later && later == 0 {
            continue;
        }
        let mut request = Control::negotiate(ctx.env, 0, shift);
        request.0[3] = version | (u64::from(shift) << 32);
        desk.expect(request, BAD_VERSION, "a version that the host does not speak")?;
        is_idle(&desk)?;
    }
    for minor in [0, offered] {
        let mut request = Control::negotiate(ctx.env, 0, shift);
        request.0[3] = (minor << 16) | (u64::from(shift) << 32);
        desk.expect(request, status::OK, "a version that the host speaks")?;
        equal(load(&ctx.env.window(), 0x88), active(minor, shift), "the version that was negotiated")?;
        desk.reset()?;
    }
    Ok(())
}

fn features_not_offered(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let offered = desk.features();
    for bit in (0..64).map(|bit| 1u64 << bit).filter(|bit| offered & bit == 0) {
        desk.expect(
            Control::negotiate(ctx.env, bit, desk.smallest()),
            BAD_FEATURES,
            "a feature that is not offered",
        )?;
        desk.expect(
            Control::negotiate(ctx.env, offered | bit, desk.smallest()),
            BAD_FEATURES,
            "one among others",
        )?;
    }
    desk.expect(Control::negotiate(ctx.env, u64::MAX, desk.smallest()), BAD_FEATURES, "all features")?;
    is_idle(&desk)?;
    desk.open()
}

/// NEGOTIATE for this minor version.
fn for_minor(ctx: &Ctx, minor: u64, features: u64, shift: u32) -> Control {
    let mut request = Control::negotiate(ctx.env, features, shift);
    request.0[3] = (minor << 16) | (u64::from(shift) << 32);
    request
}

/// A guest of an older version finds what that version had, and nothing else.
fn of_version(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let (offered, shift) = (load(&ctx.env.window(), 0x10), desk.smallest());
    for minor in 1..=since::minor(ctx.env) {
        let known = offered & since::features(minor);
        for bit in since::bits().filter(|bit| offered & bit & !known != 0) {
            for features in [bit, known | bit] {
                let request = for_minor(ctx, minor, features, shift);
                desk.expect(request, BAD_FEATURES, "a feature that is newer than the version")?;
            }
            is_idle(&desk)?;
        }
        desk.expect(for_minor(ctx, minor, known, shift), status::OK, "all features of the version")?;
        equal(load(&ctx.env.window(), 0x88), active(minor, shift), "active")?;
        let mut bound = desk.bind(0, 16, [16, 16])?;
        for op in since::OPS {
            let probed = bound.call(op::PROBE, [u64::from(op.op), 0, 0, 0, 0, 0])?;
            equal(probed.value & 1, u64::from(op.is_in(known)), "PROBE in a session of this version")?;
            if !op.is_in(known) {
                let done = bound.call(op.op, [0; 6])?;
                equal(u64::from(done.status), u64::from(status::NOT_SUPPORTED), "a newer operation")?;
            }
        }
        desk.reset()?;
    }
    Ok(())
}

fn features_subset(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let offered = desk.features();
    let single = (0..64).map(|bit| 1u64 << bit).filter(|bit| offered & bit != 0);
    for features in [0, offered].into_iter().chain(single) {
        desk.negotiate(features, desk.smallest())?;
        equal(load(&ctx.env.window(), 0x90), features, "active_features")?;
        desk.reset()?;
        is_idle(&desk)?;
    }
    Ok(())
}

fn granule(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let offered = load(&ctx.env.window(), 0x18) as u32;
    let strange = [32, 33, 44, 63, 64, 76, 256 + 12, 65_536 + 12, 0x8000_000c, u32::MAX];
    for shift in (0..32).chain(strange) {
        if shift < 32 && offered & (1 << shift) != 0 {
            continue;
        }
        desk.expect(
            Control::negotiate(ctx.env, 0, shift),
            status::BAD_ARGUMENT,
            "a granule that is not offered",
        )?;
        is_idle(&desk)?;
    }
    for shift in (0..32).filter(|shift| offered & (1 << shift) != 0) {
        desk.negotiate(0, shift)?;
        equal(load(&ctx.env.window(), 0x88), active(since::minor(ctx.env), shift), "active")?;
        desk.reset()?;
    }
    Ok(())
}

fn granule_counts(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let (pages, at) = raw::pages(ctx.env, 0x2_0000, 0x1_0000)?;
    // Before negotiation frames count in 4 KiB: this one is at no multiple of 64 KiB.
    let page = tenon_rings::Words::slice(&pages, 0x3000 / 8, 0x1000 / 8)
        .ok_or(crate::case::Fail::Error("no slice of the pages"))?;
    let request = Control::negotiate(ctx.env, 0, 16);
    equal(
        request.send(ctx.env, &page, at + 0x3000, 12).map_or(99, |(status, _)| status.into()),
        0,
        "at 4 KiB",
    )?;
    // Now in 64 KiB.
    let donated = raw::pages(ctx.env, 0x1_0000, 0x1_0000)?;
    for misaligned in [0x1000, 0x4000, 0x8000, 0xf000, 64, 8, 1] {
        let mut request = Control::bind(ctx.env, 0, 64, [16, 16], at + misaligned);
        request.0[8] = donated.1;
        desk.expect(request, status::BAD_ALIGNMENT, "a guest area that is not aligned to 64 KiB")?;
        let mut request = Control::bind(ctx.env, 0, 64, [16, 16], at);
        request.0[8] = donated.1 + misaligned;
        desk.expect(request, status::BAD_ALIGNMENT, "a host area that is not aligned to 64 KiB")?;
    }
    let mut request = Control::bind(ctx.env, 0, 64, [16, 16], at + 0x1_0000);
    request.0[8] = donated.1;
    desk.expect(request, status::OK, "BIND at 64 KiB")?;
    desk.reset()?;
    // And again in 4 KiB.
    let request = Control::new(ctx.env, 3);
    equal(
        request.send(ctx.env, &page, at + 0x3000, 12).map_or(99, |(status, _)| status.into()),
        0,
        "after RESET",
    )
}

fn twice(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let window = ctx.env.window();
    let shift = desk.smallest();
    // BIND has to wait for it.
    let (_, area) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let mut request = Control::bind(ctx.env, 0, 64, [16, 16], area);
    if desk.features() & 1 == 0 {
        request.0[8] = area + 0x1_0000;
    }
    desk.expect(request, status::BAD_STATE, "BIND on an idle session")?;
    is_idle(&desk)?;
    let features = desk.features() & !1;
    desk.negotiate(features, shift)?;
    let before = [load(&window, 0x80), load(&window, 0x88), load(&window, 0x90)];
    for again in [features, 0] {
        desk.expect(
            Control::negotiate(ctx.env, again, desk.largest()),
            status::BAD_STATE,
            "NEGOTIATE on an open session",
        )?;
        for (offset, before) in [0x80, 0x88, 0x90].into_iter().zip(before) {
            equal(load(&window, offset), before, "a refused NEGOTIATE changed the session")?;
        }
    }
    let mut bound = desk.bind(0, 64, [16, 16])?;
    desk.expect(Control::negotiate(ctx.env, 0, shift), status::BAD_STATE, "NEGOTIATE with a bound vCPU")?;
    equal(bound.call(op::NOP, [9, 0, 0, 0, 0, 0])?.value, 9, "NOP after a refused NEGOTIATE")
}

fn active_until_reset(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let window = ctx.env.window();
    is_idle(&desk)?;
    let features = desk.features();
    desk.negotiate(features, desk.smallest())?;
    let expected = active(since::minor(ctx.env), desk.smallest());
    let frozen = |what| {
        equal(load(&window, 0x88), expected, what)?;
        equal(load(&window, 0x90), features, what)
    };
    // Looked at before anything else happens: it stood there when the result came.
    frozen("active when NEGOTIATE was answered")?;
    let mut bound = desk.bind(0, 64, [16, 16])?;
    frozen("active after BIND")?;
    bound.call(op::NOP, [1, 0, 0, 0, 0, 0])?;
    bound.submit(op::NOP, 0xffff, [0; 7]);
    bound.kick();
    super::desk::wait_corrupt(&bound, 0)?;
    frozen("active after calls and a corrupt queue")?;
    let mut request = Control::reset(ctx.env);
    request.0[2] = request.0[2].wrapping_add(1) & 0xffff_ffff;
    desk.expect(request, BAD_SESSION, "RESET of another session")?;
    frozen("active after a refused RESET")?;
    desk.reset()?;
    is_idle(&desk)
}

fn not_negotiated(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let offered = desk.features();
    // Without anything, and each time with all but one family; WINDOW is no family.
    for without in since::bits().filter(|bit| *bit != 1).chain([!0]) {
        let features = offered & !without & !1;
        let mut bound = desk.attach(features, 16)?;
        for known in since::OPS.iter().filter(|known| known.needs != 0) {
            let (op, here) = (known.op, known.is_in(features));
            let probed = bound.call(op::PROBE, [u64::from(op), 0, 0, 0, 0, 0])?;
            equal(u64::from(probed.status), 0, "PROBE")?;
            check((probed.value != 0) == here, "PROBE of an operation whose feature was not negotiated")?;
            if !here {
                let done = bound.call(op, [0; 6])?;
                equal(u64::from(done.status), 1, "an operation whose feature was not negotiated")?;
                equal(done.value, 0, "its value")?;
            }
        }
        desk.reset()?;
    }
    Ok(())
}
