// SPDX-License-Identifier: MIT OR Apache-2.0
//! Moving ports, by hand (EVT-17).

use super::bind::TWO_VCPUS;
use crate::case::{Case, Ctx, Needs, Outcome};
use crate::cases::tools::{bind_port, case, expect, no_entry, op, signal, status, want_entry};
use crate::raw::{self, Bound};

/// The cases.
pub const CASES: &[Case] = &[
    case("event.move-bad-arguments", &["EVT-17", "EVT-3", "CALL-11"], Needs::EVENTS, bad_arguments),
    case("event.move-unbound-vcpu", &["EVT-17", "EVT-3"], TWO_VCPUS, unbound_vcpu),
    case("event.move-no-capacity", &["EVT-4", "EVT-17"], Needs::EVENTS, no_capacity),
    case("event.move-class-in-flight", &["EVT-17", "EVT-4"], Needs::EVENTS, class_in_flight),
    case("event.move-vcpu-in-flight", &["EVT-17", "VCPU-1"], TWO_VCPUS, vcpu_in_flight),
    case("event.move-idle", &["EVT-17", "EVT-9"], Needs::EVENTS, idle),
];

fn move_port(bound: &mut Bound, port: u32, vcpu: u32, class: u32) -> Outcome {
    let args = [port, vcpu, class].map(u64::from);
    expect(bound, op::EVENT_MOVE, &args, status::OK, "EVENT_MOVE").map(|_| ())
}

fn bad_arguments(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let record = raw::record(ctx.env);
    let (max_ports, max_vcpus) = (u64::from(record.max_ports.get()), u64::from(record.max_vcpus.get()));
    expect(&mut bound, op::EVENT_MOVE, &[9, 0, 1], status::NOT_FOUND, "a port that is not bound")?;
    bind_port(&mut bound, 9, 0, 0)?;
    for (args, what) in [
        ([max_ports, 0, 1], "port max_ports"),
        ([9 + (1 << 32), 0, 1], "port 2^32 + 9"),
        ([9, max_vcpus, 1], "vCPU max_vcpus"),
        ([9, 1 << 32, 1], "vCPU 2^32"),
        ([9, 0, 2], "class 2"),
        ([9, 0, 1 + (1 << 32)], "class 2^32 + 1"),
    ] {
        expect(&mut bound, op::EVENT_MOVE, &args, status::BAD_ARGUMENT, what)?;
    }
    expect(&mut bound, op::EVENT_MOVE, &[9, 0, 1, 1], status::BAD_RESERVED, "an unused argument")?;
    still_at(&mut bound, 9)
}

/// After refused moves, a port of ring 0 is where it was.
fn still_at(bound: &mut Bound, port: u32) -> Outcome {
    signal(bound, port)?;
    want_entry(bound, 0, 0, port)?;
    no_entry(bound, 1, 0, "a refused move has moved the port")
}

fn unbound_vcpu(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 9, 0, 0)?;
    expect(&mut bound, op::EVENT_MOVE, &[9, 1, 0], status::NOT_FOUND, "a vCPU that is not bound")?;
    still_at(&mut bound, 9)
}

fn no_capacity(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 8, [2, 1])?;
    bind_port(&mut bound, 1, 0, 0)?;
    bind_port(&mut bound, 2, 0, 1)?;
    expect(&mut bound, op::EVENT_MOVE, &[1, 0, 1], status::NO_CAPACITY, "a ring without room")?;
    still_at(&mut bound, 1)?;
    // Where the other port leaves, there is room.
    move_port(&mut bound, 2, 0, 0)?;
    move_port(&mut bound, 1, 0, 1)?;
    want_entry(&bound, 1, 0, 1)
}

fn class_in_flight(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 8, [1, 1])?;
    bind_port(&mut bound, 4, 0, 0)?;
    signal(&mut bound, 4)?;
    want_entry(&bound, 0, 0, 4)?;
    move_port(&mut bound, 4, 0, 1)?;
    // Seen twice: the old entry stays, and it is raised in the new ring.
    want_entry(&bound, 1, 0, 4)?;
    want_entry(&bound, 0, 0, 4)?;
    // The old entry keeps its place until it is taken.
    expect(&mut bound, op::EVENT_BIND, &[5, 0, 0], status::NO_CAPACITY, "a ring with an untaken entry")?;
    signal(&mut bound, 4)?;
    no_entry(&mut bound, 1, 1, "a second untaken entry of one port")?;
    bound.take_until(0, 1);
    bind_port(&mut bound, 5, 0, 0)?;
    signal(&mut bound, 5)?;
    want_entry(&bound, 0, 1, 5)?;
    bound.take_until(1, 1);
    signal(&mut bound, 4)?;
    want_entry(&bound, 1, 1, 4)
}

fn vcpu_in_flight(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 8, [4, 4])?;
    let other = raw::bind(ctx.env, scratch, shift, 1, 8, [4, 4])?;
    bind_port(&mut bound, 6, 0, 0)?;
    signal(&mut bound, 6)?;
    want_entry(&bound, 0, 0, 6)?;
    move_port(&mut bound, 6, 1, 0)?;
    want_entry(&other, 0, 0, 6)?;
    want_entry(&bound, 0, 0, 6)?;
    // From here on it is raised there alone, whatever happens to the old entry.
    bound.take_until(0, 1);
    other.take_until(0, 1);
    signal(&mut bound, 6)?;
    want_entry(&other, 0, 1, 6)?;
    no_entry(&mut bound, 0, 1, "an entry in the ring that the port has left")?;
    // And back, untaken again, into the other class.
    move_port(&mut bound, 6, 0, 1)?;
    want_entry(&bound, 1, 0, 6)?;
    want_entry(&other, 0, 1, 6)
}

fn idle(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 8, 0, 0)?;
    move_port(&mut bound, 8, 0, 1)?;
    no_entry(&mut bound, 0, 0, "an entry of a port that was never raised")?;
    signal(&mut bound, 8)?;
    want_entry(&bound, 1, 0, 8)?;
    bound.take_until(1, 1);
    move_port(&mut bound, 8, 0, 0)?;
    signal(&mut bound, 8)?;
    want_entry(&bound, 0, 0, 8)
}
