// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shim's taking and waiting, on one CPU and on two (EVT-12, EVT-13, EVT-16, EVT-18, EVT-21).
#![allow(unsafe_code, reason = "an interrupt handler reaches the case's vCPU through a static")]

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{
    Upcalls, arm, bind_port, case, first_vector, rest, second, signal, wait_until, want_entry,
};
use crate::raw;
use crate::shim::{SuitePlatform, failed};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use tenon_guest::{Error, Gate, Vcpu};

/// The cases.
pub const CASES: &[Case] = &[
    case("event.urgent-first", &["EVT-16"], Needs::EVENTS, urgent_first),
    case("event.shim-takes-in-order", &["EVT-21", "EVT-8", "EVT-10"], Needs::EVENTS, in_order),
    case("event.spurious-upcall", &["EVT-13", "EVT-12"], Needs::UPCALL, spurious),
    case("event.handler-in-upcall", &["EVT-12", "EVT-8"], Needs::UPCALL, handler),
    case("event.halt-and-second-cpu", &["EVT-12", "EVT-11", "EVT-9"], SMP_UPCALL, halt_loop),
    case("event.gate-on-two-cpus", &["EVT-18"], Needs::SMP, gate),
];

const SMP_UPCALL: Needs = Needs { features: Needs::SMP.features.union(Needs::UPCALL.features), ..Needs::SMP };

fn shim(error: Error) -> Fail {
    failed("the shim", error)
}

fn urgent_first(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    for (port, class) in [(1, 0), (2, 1), (3, 0), (4, 1)] {
        vcpu.bind_port(port, 0, class).map_err(shim)?;
    }
    for _ in 0..3 {
        for port in [1, 2, 3, 4] {
            vcpu.signal(port).map_err(shim)?;
        }
        rest(ctx.env);
        let mut found = [0; 4];
        let mut count = 0;
        wait_until(ctx.env, || {
            let _ = vcpu.take_events(|port| {
                found[count % 4] = port;
                count += 1;
            });
            count >= 4
        });
        equal(count as u64, 4, "events taken")?;
        check(found == [2, 4, 1, 3], "class 1 was not taken before class 0, in order")?;
    }
    Ok(())
}

fn in_order(ctx: &Ctx) -> Outcome {
    const PORTS: u32 = 60;
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    for port in 0..PORTS {
        vcpu.bind_port(port, 0, 0).map_err(shim)?;
    }
    // More than one batch of the taker's, in an order of its own: 7 and 60 have no common factor.
    for index in 0..PORTS {
        vcpu.signal(index * 7 % PORTS).map_err(shim)?;
    }
    let mut next = 0;
    let mut wrong = None;
    wait_until(ctx.env, || {
        let _ = vcpu.take_events(|port| {
            if port != next * 7 % PORTS && wrong.is_none() {
                wrong = Some(port);
            }
            next += 1;
        });
        next >= PORTS
    });
    equal(u64::from(next), u64::from(PORTS), "events taken")?;
    match wrong {
        None => Ok(()),
        Some(port) => Err(Fail::Failed("an event out of order", u64::from(port), 0)),
    }
}

fn spurious(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let upcalls = Upcalls::count(ctx.env, 0);
    vcpu.set_upcall(Some(upcalls.vector() as u32)).map_err(shim)?;
    vcpu.bind_port(1, 0, 0).map_err(shim)?;
    for _ in 0..4 {
        rest(ctx.env);
        upcalls.forget();
        let token = ctx.env.enter();
        let result = (|| {
            vcpu.arm().map_err(shim)?;
            vcpu.signal(1).map_err(shim)?;
            let mut count = 0;
            wait_until(ctx.env, || {
                let _ = vcpu.take_events(|_| count += 1);
                count > 0
            });
            equal(count, 1, "events taken")
        })();
        ctx.env.leave(token);
        result?;
        // The upcall comes, and there is nothing any more.
        upcalls.want("no upcall for an entry at the armed position")?;
        equal(vcpu.take_events(|_| ()).map_err(shim)? as u64, 0, "events after a spurious upcall")?;
        check(vcpu.arm().map_err(shim)?, "nothing is there, and the vCPU may not halt")?;
        vcpu.disarm().map_err(shim)?;
    }
    Ok(())
}

/// What handlers reach: the vCPU of the case that runs.
static VCPU: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
/// What handlers count.
static HANDLED: AtomicU32 = AtomicU32::new(0);
/// A handler found something wrong.
static WRONG: AtomicBool = AtomicBool::new(false);

/// Runs `body` while handlers reach `vcpu` through [`with_vcpu`].
pub(in crate::cases) fn lend<T>(vcpu: &Vcpu<'_, SuitePlatform>, body: impl FnOnce() -> T) -> T {
    HANDLED.store(0, Ordering::Release);
    WRONG.store(false, Ordering::Release);
    VCPU.store(ptr::from_ref(vcpu).cast_mut().cast(), Ordering::Release);
    let result = body();
    VCPU.store(ptr::null_mut(), Ordering::Release);
    result
}

/// In a handler on CPU 0: the vCPU that was lent.
pub(in crate::cases) fn with_vcpu(run: impl FnOnce(&Vcpu<'_, SuitePlatform>)) {
    let vcpu = VCPU.load(Ordering::Acquire).cast::<Vcpu<'_, SuitePlatform>>().cast_const();
    // SAFETY: null, or stored by `lend`, whose reference outlives the time that it stands there; handlers run
    // on the CPU of the case, so `lend` does not return meanwhile.
    if let Some(vcpu) = unsafe { vcpu.as_ref() } {
        run(vcpu);
    }
}

/// The events' consumer is the upcall's handler: nothing is lost between a take and the next arm.
fn handler(ctx: &Ctx) -> Outcome {
    const ROUNDS: u32 = 30;
    fn on_upcall(cpu: u32, _: u32) {
        if cpu == 0 {
            with_vcpu(|vcpu| {
                // Bounded: each round takes something, and a port is there once.
                for _ in 0..8 {
                    let taken = vcpu.take_events(|_| {
                        HANDLED.fetch_add(1, Ordering::AcqRel);
                    });
                    WRONG.fetch_or(taken.is_err(), Ordering::AcqRel);
                    if vcpu.arm() != Ok(false) {
                        break;
                    }
                }
            });
        }
    }
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    vcpu.bind_port(3, 0, 0).map_err(shim)?;
    vcpu.bind_port(4, 0, 1).map_err(shim)?;
    let vector = first_vector(ctx.env);
    vcpu.set_upcall(Some(vector)).map_err(shim)?;
    vcpu.arm().map_err(shim)?;
    let outcome = lend(&vcpu, || {
        ctx.env.set_handler(Some(on_upcall));
        for round in 0..ROUNDS {
            let before = HANDLED.load(Ordering::Acquire);
            vcpu.signal(3 + round % 2).map_err(shim)?;
            if !wait_until(ctx.env, || HANDLED.load(Ordering::Acquire) != before) {
                return Err(Fail::Failed("an event was lost (round)", u64::from(round), 0));
            }
        }
        Ok(())
    });
    ctx.env.set_handler(None);
    outcome?;
    check(!WRONG.load(Ordering::Acquire), "the shim refused to take events in an upcall")
}

const WAKE_PORT: u32 = 7;

/// On the second CPU: raises the port once for each round that the first CPU announces.
fn sender(_: u32) {
    let Some(mut bound) = second::take() else { return };
    let mut round = 0;
    while !second::quit() {
        if second::told() == round {
            bound.env.relax();
            continue;
        }
        round = second::told();
        // Sometimes at once, sometimes while the other is on its way to its halt.
        for _ in 0..round % 5 {
            bound.env.relax();
        }
        if signal(&mut bound, WAKE_PORT).is_err() {
            return;
        }
        second::count();
    }
}

fn halt_loop(ctx: &Ctx) -> Outcome {
    const ROUNDS: u32 = 24;
    let env = ctx.env;
    let (scratch, shift) = raw::open(env)?;
    let mut bound = raw::bind(env, scratch, shift, 0, 16, [16, 16])?;
    let other = raw::bind(env, scratch, shift, 1, 16, [16, 16])?;
    bind_port(&mut bound, WAKE_PORT, 0, 0)?;
    let upcalls = Upcalls::of(&mut bound, 0, 0)?;
    second::with(&mut bound, other, sender, |bound| {
        let mut position = 0;
        for round in 1..=ROUNDS {
            let token = env.enter();
            // Armed first in every other round: both sides of the race.
            if round % 2 == 0 {
                arm(bound, 0, position);
            }
            second::tell(round);
            let mut lost = false;
            for _ in 0..40 {
                arm(bound, 0, position);
                if bound.entry(0, position).is_some() {
                    break;
                }
                let before = upcalls.seen();
                env.halt();
                lost = bound.entry(0, position).is_some() && upcalls.seen() == before;
                if lost {
                    break;
                }
            }
            env.leave(token);
            if lost {
                // The halt ended by its time: only an upcall that is still on its way excuses that.
                upcalls.want("a halted vCPU was not woken by an event")?;
            }
            want_entry(bound, 0, position, WAKE_PORT)?;
            position += 1;
            bound.take_until(0, position);
            second::wait_for(bound, round, "the second CPU has stopped signalling")?;
            upcalls.forget();
        }
        Ok(())
    })
}

static GATE: Gate<4> = Gate::new();
static INSIDE: AtomicU32 = AtomicU32::new(0);
/// Events that were announced, and the most that a handler has seen.
static ANNOUNCED: AtomicU32 = AtomicU32::new(0);
static SEEN: AtomicU32 = AtomicU32::new(0);

/// One event of port 2 on whatever CPU runs this.
fn through_gate() {
    ANNOUNCED.fetch_add(1, Ordering::AcqRel);
    GATE.run(2, || {
        if INSIDE.fetch_add(1, Ordering::AcqRel) != 0 {
            WRONG.store(true, Ordering::Release);
        }
        let announced = ANNOUNCED.load(Ordering::Acquire);
        for _ in 0..20 {
            core::hint::spin_loop();
        }
        SEEN.fetch_max(announced, Ordering::AcqRel);
        INSIDE.fetch_sub(1, Ordering::AcqRel);
    });
}

fn gate(ctx: &Ctx) -> Outcome {
    const ROUNDS: u32 = 300;
    fn other(_: u32) {
        if second::take().is_none() {
            return;
        }
        for _ in 0..ROUNDS {
            if second::quit() {
                return;
            }
            through_gate();
            second::count();
        }
    }
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 8, [4, 4])?;
    let twin = raw::bind(ctx.env, scratch, shift, 1, 8, [4, 4])?;
    for number in [&INSIDE, &ANNOUNCED, &SEEN] {
        number.store(0, Ordering::Release);
    }
    WRONG.store(false, Ordering::Release);
    second::with(&mut bound, twin, other, |bound| {
        second::wait_for(bound, 1, "the second CPU does not run")?;
        for _ in 0..ROUNDS {
            through_gate();
        }
        second::wait_for(bound, ROUNDS, "the second CPU has not finished")
    })?;
    check(!WRONG.load(Ordering::Acquire), "a port's handler ran on two CPUs at a time")?;
    equal(
        u64::from(SEEN.load(Ordering::Acquire)),
        u64::from(2 * ROUNDS),
        "the last event was handled by nobody",
    )?;
    check(!GATE.run(4, || ()), "a port beyond the gate's was handled")
}
