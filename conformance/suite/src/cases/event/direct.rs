// SPDX-License-Identifier: MIT OR Apache-2.0
//! Direct ports, by hand (EVT-22).

use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::{Upcalls, bind_port, case, expect, no_entry, op, settle, signal, status};
use crate::raw::{self, Bound};

/// The cases.
pub const CASES: &[Case] = &[
    case("event.direct-interrupts", &["EVT-22"], Needs::DIRECT, interrupts),
    case("event.direct-two-vectors", &["EVT-22"], Needs::DIRECT, two_vectors),
    case("event.direct-unbind", &["EVT-22", "EVT-5"], Needs::DIRECT, unbind),
    case("event.direct-takes-no-entry", &["EVT-22", "EVT-4"], Needs::DIRECT, no_room_needed),
    case("event.direct-bad-arguments", &["EVT-22", "EVT-3", "VCPU-8"], Needs::DIRECT, bad_arguments),
];

fn bind_direct(bound: &mut Bound, port: u64, upcalls: Upcalls) -> Outcome {
    let args = [port, 0, upcalls.vector()];
    expect(bound, op::EVENT_BIND_DIRECT, &args, status::OK, "EVENT_BIND_DIRECT").map(|_| ())
}

fn interrupts(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let direct = Upcalls::count(ctx.env, 3);
    bind_direct(&mut bound, 4, direct)?;
    settle(&mut bound)?;
    for _ in 0..8 {
        direct.forget();
        signal(&mut bound, 4)?;
        direct.want("no interrupt of a direct port")?;
        settle(&mut bound)?;
    }
    for class in 0..2 {
        no_entry(&mut bound, class, 0, "an entry of a direct port")?;
    }
    Ok(())
}

fn two_vectors(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (one, two) = (Upcalls::count(ctx.env, 4), Upcalls::count(ctx.env, 15));
    bind_direct(&mut bound, 1, one)?;
    bind_direct(&mut bound, 2, two)?;
    settle(&mut bound)?;
    for (port, own, other) in [(1, one, two), (2, two, one), (1, one, two)] {
        own.forget();
        other.forget();
        signal(&mut bound, port)?;
        own.want("no interrupt of a direct port")?;
        settle(&mut bound)?;
        equal(u64::from(other.seen()), 0, "the interrupt of another direct port")?;
    }
    Ok(())
}

fn unbind(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let direct = Upcalls::count(ctx.env, 3);
    bind_direct(&mut bound, 4, direct)?;
    signal(&mut bound, 4)?;
    direct.want("no interrupt of a direct port")?;
    expect(&mut bound, op::EVENT_UNBIND, &[4], status::OK, "EVENT_UNBIND")?;
    settle(&mut bound)?;
    direct.forget();
    expect(&mut bound, op::EVENT_SIGNAL, &[4], status::NOT_FOUND, "a port that was released")?;
    settle(&mut bound)?;
    equal(u64::from(direct.seen()), 0, "an interrupt of a released port")?;
    // The number is free for a ring, and the vector no longer its own.
    bind_port(&mut bound, 4, 0, 0)?;
    signal(&mut bound, 4)?;
    settle(&mut bound)?;
    check(bound.entry(0, 0) == Some(4), "no entry of a port that was direct once")?;
    equal(u64::from(direct.seen()), 0, "the interrupt of the port's last life")
}

fn no_room_needed(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 8, [1, 1])?;
    bind_port(&mut bound, 0, 0, 0)?;
    bind_port(&mut bound, 1, 0, 1)?;
    let direct = Upcalls::count(ctx.env, 3);
    bind_direct(&mut bound, 2, direct)?;
    bind_direct(&mut bound, 3, direct)?;
    settle(&mut bound)?;
    direct.forget();
    signal(&mut bound, 3)?;
    direct.want("no interrupt of a direct port")
}

fn bad_arguments(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let record = raw::record(ctx.env);
    let (max_ports, max_vcpus) = (u64::from(record.max_ports.get()), u64::from(record.max_vcpus.get()));
    let direct = Upcalls::count(ctx.env, 3);
    let vector = direct.vector();
    let [first, last] = [record.irq_first, record.irq_last].map(|number| u64::from(number.get()));
    for (args, what) in [
        ([max_ports, 0, vector], "port max_ports"),
        ([5 + (1 << 32), 0, vector], "port 2^32 + 5"),
        ([5, max_vcpus, vector], "vCPU max_vcpus"),
        ([5, 1 << 32, vector], "vCPU 2^32"),
        ([5, 0, last + 1], "the interrupt behind irq_last"),
        ([5, 0, vector + (1 << 32)], "an interrupt above 2^32"),
    ] {
        expect(&mut bound, op::EVENT_BIND_DIRECT, &args, status::BAD_ARGUMENT, what)?;
    }
    for below in [0, 1, first - 1].into_iter().filter(|&below| below < first) {
        let args = [5, 0, below];
        expect(
            &mut bound,
            op::EVENT_BIND_DIRECT,
            &args,
            status::BAD_ARGUMENT,
            "an interrupt below irq_first",
        )?;
    }
    if max_vcpus > 1 {
        let args = [5, 1, vector];
        expect(&mut bound, op::EVENT_BIND_DIRECT, &args, status::NOT_FOUND, "a vCPU that is not bound")?;
    }
    let extra = [5, 0, vector, 1];
    expect(&mut bound, op::EVENT_BIND_DIRECT, &extra, status::BAD_RESERVED, "an unused argument")?;
    expect(&mut bound, op::EVENT_SIGNAL, &[5], status::NOT_FOUND, "the port after refused bindings")?;
    // One port is bound once, in whatever way.
    bind_direct(&mut bound, 5, direct)?;
    let again = [5, 0, vector];
    expect(&mut bound, op::EVENT_BIND_DIRECT, &again, status::EXISTS, "a direct port bound twice")?;
    expect(&mut bound, op::EVENT_BIND, &[5, 0, 0], status::EXISTS, "a direct port bound to a ring")?;
    bind_port(&mut bound, 6, 0, 0)?;
    let ring = [6, 0, vector];
    expect(&mut bound, op::EVENT_BIND_DIRECT, &ring, status::EXISTS, "a port of a ring bound directly")
        .map(|_| ())
}
