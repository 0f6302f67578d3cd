// SPDX-License-Identifier: MIT OR Apache-2.0
//! VCPU_STOP, by hand (VCPU-6).

use super::start::{SMP, pair};
use crate::case::{Case, Ctx, Fail, Outcome, check, equal};
use crate::cases::tools::{bind_port, case, expect, no_entry, op, rest, second, signal, status, want_entry};
use crate::raw::{self, Bound};
use core::sync::atomic::{AtomicBool, Ordering};

/// The cases.
pub const CASES: &[Case] = &[
    case("vcpu.stop-refused", &["VCPU-6", "CALL-11"], SMP, refused),
    case("vcpu.stop-target-unbound", &["VCPU-6"], SMP, target_unbound),
    case("vcpu.stop-no-capacity", &["VCPU-6", "EVT-4"], SMP, no_capacity),
    case("vcpu.stop-moves-ports", &["VCPU-6", "EVT-17"], SMP, moves_ports),
    case("vcpu.stop-ends-execution", &["VCPU-6"], SMP, ends_execution),
    case("vcpu.stop-lets-go", &["VCPU-6", "VCPU-1"], SMP, lets_go),
    case("vcpu.stop-itself", &["VCPU-6"], SMP, stops_itself),
];

fn refused(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    let max_vcpus = u64::from(raw::record(ctx.env).max_vcpus.get());
    // It does not run yet.
    expect(&mut bound, op::VCPU_STOP, &[1, 0], status::BAD_STATE, "a vCPU that does not run")?;
    second::with(&mut bound, other, second::beat, |bound| {
        second::wait_for(bound, 1, "the vCPU does not run")?;
        for (args, what) in [
            ([max_vcpus, 0], "vCPU max_vcpus"),
            ([1 + (1 << 32), 0], "vCPU 2^32 + 1"),
            ([1, max_vcpus], "target max_vcpus"),
            ([1, 1 << 32], "target 2^32"),
            ([1, 1], "itself as the target"),
            ([0, 0], "itself as the target"),
        ] {
            expect(bound, op::VCPU_STOP, &args, status::BAD_ARGUMENT, what)?;
        }
        expect(bound, op::VCPU_STOP, &[1, 0, 1], status::BAD_RESERVED, "an unused argument")?;
        runs_on(bound)
    })
}

/// vCPU 1 runs: it counts on.
fn runs_on(bound: &Bound) -> Outcome {
    let before = second::counted();
    second::wait_for(bound, before + 3, "a refused VCPU_STOP has stopped the vCPU")
}

fn target_unbound(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    // vCPU 1 is never bound in this session; vCPU 0 must not lose itself to it.
    expect(&mut bound, op::VCPU_STOP, &[0, 1], status::BAD_ARGUMENT, "a target that is not bound")?;
    bind_port(&mut bound, 1, 0, 0)?;
    signal(&mut bound, 1)?;
    want_entry(&bound, 0, 0, 1)
}

fn no_capacity(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 16, [4, 1])?;
    let other = raw::bind(ctx.env, scratch, shift, 1, 16, [4, 2])?;
    // The second CPU makes no use of its rings: their memory is read here.
    let rings = copy(&other);
    bind_port(&mut bound, 0, 0, 1)?;
    bind_port(&mut bound, 1, 1, 0)?;
    bind_port(&mut bound, 2, 1, 1)?;
    signal(&mut bound, 1)?;
    want_entry(&rings, 0, 0, 1)?;
    second::start(&mut bound, other, second::beat)?;
    let outcome = (|| {
        second::wait_for(&bound, 1, "the vCPU does not run")?;
        // Ring 0 of the target has room, ring 1 has none: nothing happens, to neither.
        expect(&mut bound, op::VCPU_STOP, &[1, 0], status::NO_CAPACITY, "a target without room")?;
        runs_on(&bound)?;
        no_entry(&mut bound, 0, 0, "a refused VCPU_STOP has moved a port")?;
        rings.take_until(0, 1);
        signal(&mut bound, 1)?;
        signal(&mut bound, 2)?;
        want_entry(&rings, 0, 1, 1)?;
        want_entry(&rings, 1, 0, 2)?;
        // And nothing is left reserved in the target's ring 0.
        for port in 10..14 {
            bind_port(&mut bound, port, 0, 0)?;
        }
        for port in 10..14 {
            let args = [port];
            expect(&mut bound, op::EVENT_UNBIND, &args, status::OK, "EVENT_UNBIND")?;
        }
        Ok(())
    })();
    // Room again, so that it can be stopped.
    expect(&mut bound, op::EVENT_UNBIND, &[0], status::OK, "EVENT_UNBIND")?;
    outcome.and(second::stop(&mut bound))
}

/// Another handle on the same areas.
fn copy(bound: &Bound) -> Bound {
    Bound {
        env: bound.env,
        scratch: bound.scratch,
        guest: bound.guest,
        host: bound.host,
        vcpu: bound.vcpu,
        depth: bound.depth,
        events: bound.events,
        seed: bound.seed,
        next: bound.next,
        reaped: bound.reaped,
    }
}

fn moves_ports(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    let rings = copy(&other);
    // Untaken in both classes, taken, and never raised.
    for (port, class) in [(1, 0), (2, 1), (3, 0), (4, 1)] {
        bind_port(&mut bound, port, 1, class)?;
    }
    signal(&mut bound, 3)?;
    want_entry(&rings, 0, 0, 3)?;
    rings.take_until(0, 1);
    signal(&mut bound, 1)?;
    signal(&mut bound, 2)?;
    want_entry(&rings, 0, 1, 1)?;
    want_entry(&rings, 1, 0, 2)?;
    second::with(&mut bound, other, second::beat, |bound| {
        second::wait_for(bound, 1, "the vCPU does not run")
    })?;
    // The untaken ones are raised at the target, in their class.
    want_entry(&bound, 0, 0, 1)?;
    want_entry(&bound, 1, 0, 2)?;
    bound.take_until(0, 1);
    bound.take_until(1, 1);
    for (port, class, position) in [(3, 0, 1), (4, 1, 1), (1, 0, 2), (2, 1, 2)] {
        signal(&mut bound, port)?;
        want_entry(&bound, class, position, port)?;
    }
    // They are bound there, once.
    for (port, class) in [(1, 0), (4, 1)] {
        let args = [port, 0, class];
        expect(&mut bound, op::EVENT_BIND, &args, status::EXISTS, "a port that moved with its vCPU")?;
    }
    Ok(())
}

/// On the second CPU: counts for ever.
fn stubborn(_: u32) {
    let Some(bound) = second::take() else { return };
    loop {
        second::count();
        bound.env.relax();
    }
}

fn ends_execution(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    second::with(&mut bound, other, stubborn, |bound| second::wait_for(bound, 3, "the vCPU does not run"))?;
    // The call has completed, so it executes nothing more.
    let stopped = second::counted();
    rest(ctx.env);
    expect(&mut bound, op::NOP, &[0], status::OK, "NOP")?;
    rest(ctx.env);
    equal(u64::from(second::counted()), u64::from(stopped), "a stopped vCPU runs")
}

fn lets_go(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    let mut old = copy(&other);
    second::with(&mut bound, other, second::beat, |bound| {
        second::wait_for(bound, 1, "the vCPU does not run")
    })?;
    // Its queue is served no more, and a kick of it does nothing.
    old.submit(op::NOP, 0, [0, 1, 0, 0, 0, 0, 0]);
    old.kick();
    rest(ctx.env);
    check(old.look().is_none(), "a queue of a stopped vCPU was served")?;
    // Nothing can be bound to it, until it is bound again.
    expect(&mut bound, op::EVENT_BIND, &[1, 1, 0], status::NOT_FOUND, "a vCPU that was let go")?;
    let mut new = raw::bind(ctx.env, bound.scratch, raw::granule_shift(ctx.env), 1, 16, [8, 8])?;
    expect(&mut new, op::NOP, &[5], status::OK, "NOP")?;
    bind_port(&mut bound, 1, 1, 0)?;
    signal(&mut bound, 1)?;
    want_entry(&new, 0, 0, 1)
}

/// The second CPU saw a completion that must not be, or an answer that says why it goes on.
static CAME_BACK: AtomicBool = AtomicBool::new(false);

/// On the second CPU: stops itself.
fn suicide(_: u32) {
    let Some(mut own) = second::take() else { return };
    second::count();
    own.submit(op::VCPU_STOP, 0, [0, 1, 0, 0, 0, 0, 0]);
    own.kick();
    while !second::quit() {
        if own.look().is_some() {
            CAME_BACK.store(true, Ordering::Release);
            return;
        }
        own.env.relax();
    }
}

fn stops_itself(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    CAME_BACK.store(false, Ordering::Release);
    bind_port(&mut bound, 1, 1, 0)?;
    signal(&mut bound, 1)?;
    second::start(&mut bound, other, suicide)?;
    second::wait_for(&bound, 1, "the vCPU does not run")?;
    // What was untaken there comes here.
    want_entry(&bound, 0, 0, 1)?;
    bound.take_until(0, 1);
    signal(&mut bound, 1)?;
    want_entry(&bound, 0, 1, 1)?;
    // When it runs no more, it can be bound and started again.
    let other = raw::bind(ctx.env, bound.scratch, raw::granule_shift(ctx.env), 1, 16, [8, 8])?;
    restart(&mut bound, other)?;
    check(!CAME_BACK.load(Ordering::Acquire), "a vCPU that stopped itself saw a completion")
}

fn restart(bound: &mut Bound, other: Bound) -> Outcome {
    for _ in 0..bound.env.patience() {
        match second::start(bound, copy(&other), second::beat) {
            // It has not come to its end yet.
            Err(Fail::Failed(_, 10, _)) => bound.env.relax(),
            result => {
                result?;
                let outcome = second::wait_for(bound, 1, "a vCPU that was started again does not run");
                return outcome.and(second::stop(bound));
            }
        }
    }
    Err(Fail::Failed("a vCPU that stopped itself cannot be started again", 0, 0))
}
