// SPDX-License-Identifier: MIT OR Apache-2.0
//! VCPU_START, by hand (VCPU-5).

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{
    FAR, arm, bind_port, case, expect, first_vector, op, rest, second, signal, status, wait_until, want_entry,
};
use crate::raw::{self, Bound};
use core::sync::atomic::{AtomicU32, Ordering};

/// The cases.
pub const CASES: &[Case] = &[
    case("vcpu.start-refused", &["VCPU-5", "CALL-11"], SMP, refused),
    case("vcpu.start-runs", &["VCPU-5"], SMP, runs),
    case("vcpu.start-running", &["VCPU-5"], SMP, running),
    case("vcpu.start-unbound", &["VCPU-5", "VCPU-6"], SMP, unbound),
    case("vcpu.start-stop-start", &["VCPU-5", "VCPU-6"], SMP, again),
    case("vcpu.numbers", &["VCPU-9", "VCPU-8", "VCPU-5"], SMP_UPCALL, numbers),
    case("vcpu.both-signal", &["VCPU-7", "EVT-6", "EVT-9"], SMP, both_signal),
];

/// Two vCPUs of which one can be started.
pub(super) const SMP: Needs = Needs::SMP;

const SMP_UPCALL: Needs = Needs { features: SMP.features.union(Needs::UPCALL.features), ..SMP };

/// Both vCPUs, bound with small queues and rings.
pub(in crate::cases) fn pair(ctx: &Ctx) -> Result<(Bound, Bound), Fail> {
    let (scratch, shift) = raw::open(ctx.env)?;
    let first = raw::bind(ctx.env, scratch, shift, 0, 16, [8, 8])?;
    let second = raw::bind(ctx.env, scratch, shift, 1, 16, [8, 8])?;
    Ok((first, second))
}

fn refused(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    let record = raw::record(ctx.env);
    let max_vcpus = u64::from(record.max_vcpus.get());
    let Some((entry, argument)) = ctx.env.secondary(1, second::beat) else {
        return Err(Fail::Error("this environment has no second CPU"));
    };
    for (args, what) in [
        ([max_vcpus, entry, argument], "vCPU max_vcpus"),
        ([1 + (1 << 32), entry, argument], "vCPU 2^32 + 1"),
        ([u64::MAX, entry, argument], "vCPU 2^64 - 1"),
    ] {
        expect(&mut bound, op::VCPU_START, &args, status::BAD_ARGUMENT, what)?;
    }
    let extra = [1, entry, argument, 1];
    expect(&mut bound, op::VCPU_START, &extra, status::BAD_RESERVED, "an unused argument")?;
    let own = [0, entry, argument];
    expect(&mut bound, op::VCPU_START, &own, status::BAD_STATE, "a vCPU that starts itself")?;
    // The width of the boot protocol, where there is one: a function call is no x86 machine.
    if cfg!(target_arch = "x86_64") && record.conduit.get() != 0 {
        for (args, what) in [
            ([1, entry | (1 << 32), argument], "an entry above 4 GiB"),
            ([1, entry, argument | (1 << 32)], "an argument above 4 GiB"),
        ] {
            expect(&mut bound, op::VCPU_START, &args, status::BAD_ARGUMENT, what)?;
        }
    }
    // None of them has started it.
    second::with(&mut bound, other, second::beat, |bound| second::wait_for(bound, 1, "the vCPU does not run"))
}

/// CPU number and argument that the second CPU saw.
static CPU: AtomicU32 = AtomicU32::new(0);
static GIVEN: AtomicU32 = AtomicU32::new(0);

fn look(cpu: u32) {
    let Some(bound) = second::take() else { return };
    CPU.store(bound.env.cpu(), Ordering::Release);
    GIVEN.store(cpu, Ordering::Release);
    second::count();
}

fn runs(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    CPU.store(0, Ordering::Release);
    GIVEN.store(0, Ordering::Release);
    second::with(&mut bound, other, look, |bound| {
        second::wait_for(bound, 1, "the vCPU does not run")?;
        equal(u64::from(CPU.load(Ordering::Acquire)), 1, "the CPU on which it runs")?;
        equal(u64::from(GIVEN.load(Ordering::Acquire)), 1, "what it was started with")
    })
}

/// The first of the two interrupts of [`numbers`], and who was told by them: in each half, bit n is CPU n.
static FIRST: AtomicU32 = AtomicU32::new(0);
static TOLD: AtomicU32 = AtomicU32::new(0);

fn on_upcall(cpu: u32, interrupt: u32) {
    let half = interrupt.wrapping_sub(FIRST.load(Ordering::Acquire)) & 1;
    TOLD.fetch_or(1 << (cpu & 15) << (16 * half), Ordering::AcqRel);
}

/// The CPU that was started as vCPU 1 gets the upcalls of vCPU 1, and no other does.
fn numbers(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    FIRST.store(first_vector(ctx.env), Ordering::Release);
    TOLD.store(0, Ordering::Release);
    ctx.env.set_handler(Some(on_upcall));
    for its in [&bound, &other] {
        arm(its, 0, 0);
        arm(its, 1, FAR);
    }
    for vcpu in 0..2 {
        bind_port(&mut bound, 1 + vcpu, vcpu, 0)?;
        let interrupt = first_vector(ctx.env) + vcpu;
        ctx.env.lead(vcpu, interrupt);
        let args = [vcpu, interrupt].map(u64::from);
        expect(&mut bound, op::VCPU_UPCALL, &args, status::OK, "VCPU_UPCALL")?;
    }
    second::with(&mut bound, other, second::beat, |bound| {
        second::wait_for(bound, 1, "the vCPU does not run")?;
        signal(bound, 1)?;
        signal(bound, 2)?;
        let told = || TOLD.load(Ordering::Acquire);
        let both = || told() & 0xffff != 0 && told() >> 16 != 0;
        check(wait_until(bound.env, both), "a vCPU was not told")?;
        rest(bound.env);
        equal(u64::from(told()), 0x2_0001, "the CPUs that the upcalls of vCPU 0 and 1 came to")
    })
}

fn running(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    second::with(&mut bound, other, second::beat, |bound| {
        second::wait_for(bound, 1, "the vCPU does not run")?;
        for _ in 0..2 {
            expect(bound, op::VCPU_START, &[1, 0, 0], status::BAD_STATE, "a vCPU that runs")?;
        }
        // Nothing has happened to it.
        let before = second::counted();
        second::wait_for(bound, before + 3, "a refused VCPU_START has stopped the vCPU")
    })
}

/// A vCPU that is not bound is started, stopped, and bound afterwards.
fn unbound(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 16, [8, 8])?;
    for _ in 0..2 {
        second::start_alone(&mut bound, second::beat_alone)?;
        let runs = second::wait_for(&bound, 3, "a vCPU that is not bound does not run");
        runs.and(second::stop(&mut bound))?;
    }
    let other = raw::bind(ctx.env, scratch, shift, 1, 16, [8, 8])?;
    second::with(&mut bound, other, second::beat, |bound| second::wait_for(bound, 1, "the vCPU does not run"))
}

fn again(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 16, [8, 8])?;
    for _ in 0..3 {
        // Stopped, it lost its areas: it is bound anew each time.
        let other = raw::bind(ctx.env, scratch, shift, 1, 16, [8, 8])?;
        second::with(&mut bound, other, second::beat, |bound| {
            second::wait_for(bound, 2, "the vCPU does not run")
        })?;
    }
    Ok(())
}

/// On the second CPU: signals port 1 at vCPU 0 on request, and expects port 2 at itself.
fn partner(_: u32) {
    let Some(mut own) = second::take() else { return };
    let mut position = 0;
    while !second::quit() {
        if own.entry(0, position) == Some(2) {
            position += 1;
            own.take_until(0, position);
            if signal(&mut own, 1).is_err() {
                return;
            }
            second::count();
        }
        own.env.relax();
    }
}

fn both_signal(ctx: &Ctx) -> Outcome {
    let (mut bound, other) = pair(ctx)?;
    bind_port(&mut bound, 1, 0, 0)?;
    bind_port(&mut bound, 2, 1, 0)?;
    second::with(&mut bound, other, partner, |bound| {
        for position in 0..20 {
            signal(bound, 2)?;
            want_entry(bound, 0, position, 1)?;
            bound.take_until(0, position + 1);
        }
        rest(bound.env);
        equal(u64::from(second::counted()), 20, "rounds of the second CPU")
    })
}
