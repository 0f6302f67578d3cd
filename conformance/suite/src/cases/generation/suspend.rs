// SPDX-License-Identifier: MIT OR Apache-2.0
//! Suspension with the guest's consent (LIFE-9, LIFE-10).

use super::{ASKED, GENERATION, WATCHED};
use crate::case::{Case, Ctx, Needs, Outcome, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::order::{self, order_and_wait};
use crate::cases::tools::{INLINE, bind_port, case, expect, no_entry, op, status, want_entry};
use crate::raw::{self, Bound};
use tenon_abi::Features;

/// The cases.
pub const CASES: &[Case] = &[
    case("generation.watch", &["LIFE-9", "LIFE-10"], WATCHED, watch),
    case("generation.watch-asked-already", &["LIFE-9"], WATCHED, asked_already),
    case("generation.watch-moves", &["LIFE-9"], WATCHED, moves),
    case("generation.watch-ends-with-port", &["LIFE-9", "EVT-5"], WATCHED, ends_with_port),
    case("generation.watch-ends-with-reset", &["LIFE-9", "LIFE-10"], WATCHED, ends_with_reset),
    case("generation.watch-misuse", &["LIFE-9", "CALL-28", "CALL-11"], EVENTS, watch_misuse),
    case("generation.watch-without-events", &["NEG-7"], EVENTS, without_events),
    case("generation.asked-again", &["LIFE-10"], WATCHED, asked_again),
    case("generation.ready-unasked", &["LIFE-10"], GENERATION, ready_unasked),
    case("generation.ready-twice", &["LIFE-10"], ASKED, ready_twice),
    case("generation.ready-withdrawn", &["LIFE-10"], ASKED, withdrawn),
    case("generation.ready-misuse", &["CALL-9", "CALL-11"], GENERATION, ready_misuse),
];

const EVENTS: Needs = Needs { features: GENERATION.features.union(Features::EVENTS), ..Needs::NONE };

fn ready(bound: &mut Bound, status: u16, what: &'static str) -> Outcome {
    equal(expect(bound, op::SUSPEND_READY, &[], status, what)?, 0, "SUSPEND_READY's value")
}

fn watch_port(bound: &mut Bound, port: u64) -> Outcome {
    equal(expect(bound, op::SUSPEND_WATCH, &[port], status::OK, "SUSPEND_WATCH")?, 0, "its value")
}

fn watch(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 5, 0, 0)?;
    watch_port(&mut bound, 5)?;
    no_entry(&mut bound, 0, 0, "an entry before anybody asks")?;
    for round in 0..3 {
        order_and_wait(&mut bound, b's', 0)?;
        want_entry(&bound, 0, round, 5)?;
        bound.take_until(0, round + 1);
        ready(&mut bound, status::OK, "SUSPEND_READY")?;
        ready(&mut bound, status::BAD_STATE, "SUSPEND_READY a second time")?;
    }
    no_entry(&mut bound, 0, 3, "an entry that nobody asked for")
}

fn asked_already(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 5, 0, 0)?;
    order_and_wait(&mut bound, b's', 0)?;
    no_entry(&mut bound, 0, 0, "an entry of a port that does not watch")?;
    watch_port(&mut bound, 5)?;
    want_entry(&bound, 0, 0, 5)?;
    ready(&mut bound, status::OK, "SUSPEND_READY")
}

fn moves(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 5, 0, 0)?;
    bind_port(&mut bound, 6, 0, 0)?;
    watch_port(&mut bound, 5)?;
    watch_port(&mut bound, 6)?;
    order_and_wait(&mut bound, b's', 0)?;
    want_entry(&bound, 0, 0, 6)?;
    bound.take_until(0, 1);
    no_entry(&mut bound, 0, 1, "an entry of the port that watched before")?;
    // A port that moves goes on watching.
    expect(&mut bound, op::EVENT_MOVE, &[6, 0, 1], status::OK, "EVENT_MOVE")?;
    order_and_wait(&mut bound, b's', 0)?;
    want_entry(&bound, 1, 0, 6)?;
    ready(&mut bound, status::OK, "SUSPEND_READY")
}

fn ends_with_port(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 5, 0, 0)?;
    watch_port(&mut bound, 5)?;
    expect(&mut bound, op::EVENT_UNBIND, &[5], status::OK, "EVENT_UNBIND")?;
    bind_port(&mut bound, 5, 0, 0)?;
    order_and_wait(&mut bound, b's', 0)?;
    no_entry(&mut bound, 0, 0, "an entry of a port that was released")?;
    ready(&mut bound, status::OK, "SUSPEND_READY")
}

/// The watch ends, the question does not.
fn ends_with_reset(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 5, 0, 0)?;
    watch_port(&mut bound, 5)?;
    order_and_wait(&mut bound, b's', 0)?;
    assert_reset(ctx)?;
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 5, 0, 0)?;
    order_and_wait(&mut bound, b's', 0)?;
    no_entry(&mut bound, 0, 0, "an entry of a port of the session before")?;
    watch_port(&mut bound, 5)?;
    want_entry(&bound, 0, 0, 5)?;
    ready(&mut bound, status::OK, "SUSPEND_READY")?;
    ready(&mut bound, status::BAD_STATE, "SUSPEND_READY a second time")
}

fn assert_reset(ctx: &Ctx) -> Outcome {
    crate::case::check(raw::reset(ctx.env), "RESET")
}

fn watch_misuse(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let ports = u64::from(raw::record(ctx.env).max_ports.get());
    bind_port(&mut bound, 5, 0, 0)?;
    for (args, wanted, what) in [
        (&[6][..], status::NOT_FOUND, "a port that is not bound"),
        (&[0], status::NOT_FOUND, "port 0"),
        (&[ports - 1], status::NOT_FOUND, "the highest port"),
        (&[ports], status::BAD_ARGUMENT, "a port beyond the highest"),
        (&[1 << 32 | 5], status::BAD_ARGUMENT, "a port of 33 bits"),
        (&[u64::MAX], status::BAD_ARGUMENT, "a port of 64 bits"),
        (&[5, 1], status::BAD_RESERVED, "a second argument"),
        (&[u64::MAX, 0, 1], status::BAD_RESERVED, "a third argument, and a port beyond the highest"),
    ] {
        expect(&mut bound, op::SUSPEND_WATCH, args, wanted, what)?;
    }
    watch_port(&mut bound, 5)?;
    expect(&mut bound, op::SUSPEND_WATCH, &[6], status::NOT_FOUND, "a port that is not bound")?;
    expect(&mut bound, op::EVENT_UNBIND, &[5], status::OK, "EVENT_UNBIND")?;
    expect(&mut bound, op::SUSPEND_WATCH, &[5], status::NOT_FOUND, "a port that was released").map(|_| ())
}

fn without_events(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features() & !0b110, 16)?;
    expect(&mut bound, op::SUSPEND_WATCH, &[0], status::NOT_SUPPORTED, "without EVENTS")?;
    // The other one needs no port.
    ready(&mut bound, status::BAD_STATE, "SUSPEND_READY that nobody asked for")
}

fn asked_again(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 5, 0, 0)?;
    watch_port(&mut bound, 5)?;
    for round in 0..3 {
        order_and_wait(&mut bound, b's', 0)?;
        want_entry(&bound, 0, round, 5)?;
        bound.take_until(0, round + 1);
    }
    // Three times asked, once answered.
    ready(&mut bound, status::OK, "SUSPEND_READY")?;
    ready(&mut bound, status::BAD_STATE, "SUSPEND_READY a second time")
}

fn ready_unasked(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for _ in 0..10 {
        ready(&mut bound, status::BAD_STATE, "SUSPEND_READY that nobody asked for")?;
    }
    Ok(())
}

fn ready_twice(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    ready(&mut bound, status::BAD_STATE, "SUSPEND_READY that nobody asked for")?;
    order_and_wait(&mut bound, b's', 0)?;
    // Nobody watches, and it may be answered nevertheless.
    ready(&mut bound, status::OK, "SUSPEND_READY")?;
    for _ in 0..3 {
        ready(&mut bound, status::BAD_STATE, "SUSPEND_READY a second time")?;
    }
    Ok(())
}

fn withdrawn(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    order_and_wait(&mut bound, b's', 0)?;
    order_and_wait(&mut bound, b'w', 0)?;
    ready(&mut bound, status::BAD_STATE, "SUSPEND_READY after the host stopped asking")?;
    order_and_wait(&mut bound, b's', 0)?;
    ready(&mut bound, status::OK, "SUSPEND_READY")
}

fn ready_misuse(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for extra in 0..6 {
        let mut args = [0; 6];
        args[extra] = 1 << (extra * 9);
        expect(&mut bound, op::SUSPEND_READY, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    for first in [2, 1 << 31, 1 << 32, INLINE | (1 << 32)] {
        let done = bound.call_words(op::SUSPEND_READY, [first, 0, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "flags and count")?;
    }
    Ok(())
}
