// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding, releasing and the capacity of rings, by hand (EVT-1 to EVT-6).

use crate::case::{Case, Ctx, Needs, Outcome, equal};
use crate::cases::tools::{bind_port, case, expect, no_entry, op, signal, status, want_entry};
use crate::raw::{self, Bound};

/// The cases.
pub const CASES: &[Case] = &[
    case("event.bind-any-port", &["EVT-1", "EVT-3", "EVT-6"], Needs::EVENTS, any_port),
    case("event.bind-bad-arguments", &["EVT-1", "EVT-3", "CALL-11", "CALL-28"], Needs::EVENTS, bad_arguments),
    case("event.bind-unbound-vcpu", &["EVT-3", "CALL-28"], TWO_VCPUS, unbound_vcpu),
    case("event.unbind", &["EVT-5", "EVT-6"], Needs::EVENTS, unbind),
    case("event.unbind-leaves-entry", &["EVT-5", "EVT-9"], Needs::EVENTS, unbind_leaves_entry),
    case("event.signal-bad-arguments", &["EVT-6", "CALL-11"], Needs::EVENTS, signal_bad_arguments),
    case("event.capacity-of-1", &["EVT-2", "EVT-4"], Needs::EVENTS, |ctx| capacity(ctx, 1)),
    case("event.capacity-of-2", &["EVT-2", "EVT-4"], Needs::EVENTS, |ctx| capacity(ctx, 2)),
    case("event.capacity-of-4", &["EVT-2", "EVT-4"], Needs::EVENTS, |ctx| capacity(ctx, 4)),
    case("event.capacity-departed", &["EVT-4", "EVT-5"], Needs::EVENTS, capacity_departed),
];

/// Events and a second vCPU to bind: it need not run.
pub(in crate::cases) const TWO_VCPUS: Needs = Needs { vcpus: 2, ..Needs::EVENTS };

fn any_port(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let max_ports = raw::record(ctx.env).max_ports.get();
    let (mut position, mut next) = (0, 0);
    for port in [0, 1, 31, 32, 63, 64, 1023, 1024, 4095, max_ports - 1] {
        // Some are not there in a small host, and its last port may have been bound before.
        if port >= max_ports || port < next {
            continue;
        }
        next = port + 1;
        bind_port(&mut bound, port, 0, 0)?;
        signal(&mut bound, port)?;
        want_entry(&bound, 0, position, port)?;
        position += 1;
        let same = [u64::from(port), 0, 0];
        expect(&mut bound, op::EVENT_BIND, &same, status::EXISTS, "a port bound twice")?;
        let other = [u64::from(port), 0, 1];
        expect(&mut bound, op::EVENT_BIND, &other, status::EXISTS, "a port bound to two classes")?;
    }
    no_entry(&mut bound, 1, 0, "an entry in the ring of the other class")
}

fn bad_arguments(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let record = raw::record(ctx.env);
    let (max_ports, max_vcpus) = (u64::from(record.max_ports.get()), u64::from(record.max_vcpus.get()));
    for (args, what) in [
        ([max_ports, 0, 0], "port max_ports"),
        ([0xffff_ffff, 0, 0], "port 2^32 - 1"),
        ([1 << 32, 0, 0], "port 2^32"),
        ([u64::MAX, 0, 0], "port 2^64 - 1"),
        ([0, max_vcpus, 0], "vCPU max_vcpus"),
        ([0, 1 << 32, 0], "vCPU 2^32"),
        ([0, u64::MAX, 0], "vCPU 2^64 - 1"),
        ([0, 0, 2], "class 2"),
        ([0, 0, 1 << 32], "class 2^32"),
        ([0, 0, u64::MAX], "class 2^64 - 1"),
    ] {
        expect(&mut bound, op::EVENT_BIND, &args, status::BAD_ARGUMENT, what)?;
    }
    for extra in 3..6 {
        let mut args = [0; 6];
        args[extra] = 1;
        expect(&mut bound, op::EVENT_BIND, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    // None of these has bound anything.
    expect(&mut bound, op::EVENT_SIGNAL, &[0], status::NOT_FOUND, "the port after refused bindings")?;
    bind_port(&mut bound, 0, 0, 0)
}

fn unbound_vcpu(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    expect(&mut bound, op::EVENT_BIND, &[3, 1, 0], status::NOT_FOUND, "a vCPU that is not bound")?;
    expect(&mut bound, op::EVENT_SIGNAL, &[3], status::NOT_FOUND, "the port after a refused binding")?;
    bind_port(&mut bound, 3, 0, 0)?;
    signal(&mut bound, 3)?;
    want_entry(&bound, 0, 0, 3)
}

fn unbind(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let max_ports = u64::from(raw::record(ctx.env).max_ports.get());
    expect(&mut bound, op::EVENT_UNBIND, &[5], status::NOT_FOUND, "a port that was never bound")?;
    for (port, what) in [(max_ports, "port max_ports"), (5 + (1 << 32), "port 2^32 + 5")] {
        expect(&mut bound, op::EVENT_UNBIND, &[port], status::BAD_ARGUMENT, what)?;
    }
    bind_port(&mut bound, 5, 0, 0)?;
    expect(&mut bound, op::EVENT_UNBIND, &[5, 1], status::BAD_RESERVED, "an unused argument")?;
    signal(&mut bound, 5)?;
    want_entry(&bound, 0, 0, 5)?;
    bound.take_until(0, 1);
    expect(&mut bound, op::EVENT_UNBIND, &[5], status::OK, "EVENT_UNBIND")?;
    expect(&mut bound, op::EVENT_SIGNAL, &[5], status::NOT_FOUND, "a port that was released")?;
    expect(&mut bound, op::EVENT_UNBIND, &[5], status::NOT_FOUND, "a port that was released already")?;
    no_entry(&mut bound, 0, 1, "an entry of a released port")?;
    bind_port(&mut bound, 5, 0, 1)?;
    signal(&mut bound, 5)?;
    want_entry(&bound, 1, 0, 5)
}

fn unbind_leaves_entry(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 7, 0, 0)?;
    signal(&mut bound, 7)?;
    want_entry(&bound, 0, 0, 7)?;
    expect(&mut bound, op::EVENT_UNBIND, &[7], status::OK, "EVENT_UNBIND")?;
    want_entry(&bound, 0, 0, 7)?;
    // The same number, bound anew to the other ring: the entry of its last life must not keep it silent.
    bind_port(&mut bound, 7, 0, 1)?;
    signal(&mut bound, 7)?;
    want_entry(&bound, 1, 0, 7)?;
    want_entry(&bound, 0, 0, 7)?;
    // And back, to the ring in which the old entry still lies.
    expect(&mut bound, op::EVENT_UNBIND, &[7], status::OK, "EVENT_UNBIND")?;
    bind_port(&mut bound, 7, 0, 0)?;
    bound.take_until(0, 1);
    signal(&mut bound, 7)?;
    want_entry(&bound, 0, 1, 7)
}

fn signal_bad_arguments(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let max_ports = u64::from(raw::record(ctx.env).max_ports.get());
    bind_port(&mut bound, 2, 0, 0)?;
    expect(&mut bound, op::EVENT_SIGNAL, &[3], status::NOT_FOUND, "a port that is not bound")?;
    for (port, what) in
        [(max_ports, "port max_ports"), (2 + (1 << 32), "port 2^32 + 2"), (u64::MAX, "port 2^64 - 1")]
    {
        expect(&mut bound, op::EVENT_SIGNAL, &[port], status::BAD_ARGUMENT, what)?;
    }
    expect(&mut bound, op::EVENT_SIGNAL, &[2, 1], status::BAD_RESERVED, "an unused argument")?;
    no_entry(&mut bound, 0, 0, "an entry for a refused signal")?;
    signal(&mut bound, 2)?;
    want_entry(&bound, 0, 0, 2)
}

/// Fills both rings of `size` entries with ports; each has its own room.
fn capacity(ctx: &Ctx, size: u32) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 8, [size, size])?;
    for class in 0..2 {
        let first = class * 16;
        for port in first..first + size {
            bind_port(&mut bound, port, 0, class)?;
        }
        full(&mut bound, first + size, class)?;
        // One more entry free, one more port; and not two.
        let port = u64::from(first);
        expect(&mut bound, op::EVENT_UNBIND, &[port], status::OK, "EVENT_UNBIND")?;
        bind_port(&mut bound, first + size, 0, class)?;
        full(&mut bound, first, class)?;
    }
    // A full ring works: every port has its entry at once.
    for class in 0..2 {
        let first = class * 16;
        for index in 0..size {
            signal(&mut bound, first + 1 + index)?;
            want_entry(&bound, class as usize, index, first + 1 + index)?;
        }
    }
    Ok(())
}

fn full(bound: &mut Bound, port: u32, class: u32) -> Outcome {
    let args = [u64::from(port), 0, u64::from(class)];
    expect(bound, op::EVENT_BIND, &args, status::NO_CAPACITY, "a port too many").map(|_| ())
}

fn capacity_departed(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 8, [2, 2])?;
    bind_port(&mut bound, 1, 0, 0)?;
    bind_port(&mut bound, 2, 0, 0)?;
    signal(&mut bound, 1)?;
    signal(&mut bound, 2)?;
    want_entry(&bound, 0, 1, 2)?;
    expect(&mut bound, op::EVENT_UNBIND, &[1], status::OK, "EVENT_UNBIND")?;
    expect(&mut bound, op::EVENT_UNBIND, &[2], status::OK, "EVENT_UNBIND")?;
    // Two entries, no port: no room.
    full(&mut bound, 3, 0)?;
    bound.take_until(0, 1);
    // One of the two may still count, until the other is taken; it cannot count as more than one.
    let early = bound.call(op::EVENT_BIND, [3, 0, 0, 0, 0, 0])?;
    if early.status == status::OK {
        full(&mut bound, 4, 0)?;
    } else {
        equal(u64::from(early.status), u64::from(status::NO_CAPACITY), "EVENT_BIND with one entry untaken")?;
    }
    bound.take_until(0, 2);
    if early.status != status::OK {
        bind_port(&mut bound, 3, 0, 0)?;
    }
    bind_port(&mut bound, 4, 0, 0)?;
    full(&mut bound, 5, 0)?;
    signal(&mut bound, 4)?;
    signal(&mut bound, 3)?;
    want_entry(&bound, 0, 2, 4)?;
    want_entry(&bound, 0, 3, 3)
}
