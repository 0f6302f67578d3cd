// SPDX-License-Identifier: MIT OR Apache-2.0
//! The link, and the end of rings with frames on their way (NET-2, DEV-11, DEV-12).

use super::{Card, pattern};
use crate::case::{Case, Ctx, Ends, Needs, Outcome, check, equal};
use crate::cases::device::change;
use crate::cases::device::rig::{NET, NET_KIND, NO_PORT, Rig, clear};
use crate::cases::lifecycle::ends::goes_on;
use crate::cases::tools::{bind_port, case, expect, op, rest, settle, status, want_entry};
use crate::raw;
use tenon_abi::Features;

const LINK: Needs =
    Needs { features: NET.features.union(Features::CONSOLE).union(Features::EVENTS), ..Needs::NONE };
const LIFE: Needs = Needs { features: NET.features.union(Features::LIFECYCLE), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("net.link-is-told", &["NET-2", "DEV-3", "DEV-7"], LINK, told),
    case("net.link-down", &["NET-2"], LINK, down),
    case("net.link-flaps", &["NET-2", "NET-8"], LINK, flaps),
    case("net.close-with-frames", &["DEV-11", "STR-13"], NET, close),
    case("net.closed-ring-is-not-touched", &["DEV-11", "DEV-12"], NET, untouched),
    case("net.reset-with-frames", &["DEV-12", "SES-7"], NET, reset),
    Case {
        name: "net.exit-with-frames",
        clauses: &["DEV-12", "LIFE-2"],
        needs: LIFE,
        ends: Some(Ends::Exit(28)),
        run: exit,
    },
];

fn told(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    bind_port(&mut rig.bound, 6, 0, 1)?;
    bind_port(&mut rig.bound, 7, 0, 0)?;
    expect(&mut rig.bound, op::DEVICE_WATCH, &[7], status::OK, "DEVICE_WATCH")?;
    let info = rig.find(NET_KIND)?;
    rig.open(&info, 0, 6)?;
    for (round, up) in (0..).zip([false, true, false, true]) {
        let now = change::link(&mut rig, &info, up)?;
        equal(now.own32(0x10).into(), up.into(), "`link`")?;
        check((now.own[0], now.own32(0x08)) == (info.own[0], info.own32(0x08)), "address and MTU")?;
        want_entry(&rig.bound, 1, round, 6)?;
        want_entry(&rig.bound, 0, round, 7)?;
        rig.bound.take_until(1, round + 1);
        rig.bound.take_until(0, round + 1);
    }
    Ok(())
}

fn down(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    card.echoes(60, 1)?;
    let info = card.info;
    change::link(&mut card.rig, &info, false)?;
    for key in 0..20 {
        card.send([0; 2], 60, 100 + key)?;
    }
    // The host takes them all the same.
    card.out.drained()?;
    settle(&mut card.rig.bound)?;
    let dropped = !card.back.there()?;
    change::link(&mut card.rig, &info, true)?;
    check(dropped, "a frame while the link is down")?;
    card.only(2)?;
    card.echoes(60, 3)
}

fn flaps(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let info = card.info;
    for lap in 0..6 {
        for key in 0..8 {
            card.send([0; 2], 60, lap * 8 + key)?;
        }
        change::link(&mut card.rig, &info, lap % 2 != 0)?;
        while card.back.there()? {
            card.back.release();
        }
    }
    // What was on its way may still come; then frames come back again.
    card.out.drained()?;
    settle(&mut card.rig.bound)?;
    while card.back.there()? {
        card.back.release();
    }
    card.echoes(60, 99)
}

fn close(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let info = card.info;
    for lap in 0..4 {
        for key in 0..10 {
            card.send([0; 2], 60, key)?;
        }
        card.rig.close_queue(&info, 1)?;
        card.back.0.closed()?;
        card.rig.close_queue(&info, 0)?;
        card.out.0.closed()?;
        let out = expect(&mut card.rig.bound, op::QUEUE_CLOSE, &[info.queue(0)], status::NOT_FOUND, "closed");
        out?;
        card.out.0.open(&mut card.rig, &info, 0, NO_PORT)?;
        card.back.0.open(&mut card.rig, &info, 1, NO_PORT)?;
        card.echoes(60, lap)?;
    }
    Ok(())
}

fn untouched(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    let info = card.info;
    for key in 0..10 {
        card.send([0; 2], 60, key)?;
    }
    card.rig.close(&info)?;
    clear(&card.back.0.host.0);
    let before = card.back.sum();
    card.out.write(76, |at| if at < 16 { 0 } else { pattern(3, at - 16) });
    card.out.0.publish();
    ctx.env.kick(card.back.0.bell);
    settle(&mut card.rig.bound)?;
    rest(ctx.env);
    equal(card.back.sum(), before, "the data of a closed ring")?;
    for at in (0..0x40).step_by(8) {
        equal(raw::load(&card.back.0.host.0, at), 0, "the host's page of a closed ring")?;
    }
    Ok(())
}

fn reset(ctx: &Ctx) -> Outcome {
    for _ in 0..3 {
        let mut card = Card::new(ctx)?;
        for key in 0..10 {
            card.send([0; 2], 60, key)?;
        }
        check(raw::reset(ctx.env), "RESET with frames on their way")?;
        let before = card.back.sum();
        let mut bound = raw::attach(ctx.env)?;
        settle(&mut bound)?;
        equal(card.back.sum(), before, "the data of a ring of the last session")?;
        check(raw::reset(ctx.env), "the session cannot be reset")?;
    }
    Card::new(ctx)?.echoes(60, 1)
}

fn exit(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    for key in 0..30 {
        card.send([0; 2], 60, key)?;
    }
    card.rig.bound.submit(op::EXIT, 0, [0, 28, 0, 0, 0, 0, 0]);
    card.rig.bound.kick();
    goes_on(ctx)
}
