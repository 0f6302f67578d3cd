// SPDX-License-Identifier: MIT OR Apache-2.0
//! The upcall's vector, by hand (VCPU-8).

use super::super::event::bind::TWO_VCPUS;
use crate::case::{Case, Ctx, Needs, Outcome, equal};
use crate::cases::tools::{
    FAR, Upcalls, arm, bind_port, case, expect, first_vector, op, settle, signal, status, want_entry,
};
use crate::raw::{self, Bound};

/// The cases.
pub const CASES: &[Case] = &[
    case("vcpu.upcall-bad-arguments", &["VCPU-8", "CALL-11"], Needs::UPCALL, bad_arguments),
    case("vcpu.upcall-remembered", &["VCPU-8", "EVT-11"], Needs::UPCALL, remembered),
    case("vcpu.upcall-off", &["VCPU-8"], Needs::UPCALL, off),
    case("vcpu.upcall-changed", &["VCPU-8", "SHM-5"], Needs::UPCALL, changed),
    case("vcpu.upcall-after-move", &["EVT-17", "EVT-11", "EVT-12"], Needs::UPCALL, after_move),
    case("vcpu.upcall-of-another", &["VCPU-8", "EVT-11"], OTHER, of_another),
];

const OTHER: Needs = Needs { features: Needs::UPCALL.features, ..TWO_VCPUS };

fn bad_arguments(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let record = raw::record(ctx.env);
    let max_vcpus = u64::from(record.max_vcpus.get());
    let good = u64::from(first_vector(ctx.env));
    let [first, last] = [record.irq_first, record.irq_last].map(|number| u64::from(number.get()));
    for (args, what) in [
        ([max_vcpus, good], "vCPU max_vcpus"),
        ([1 << 32, good], "vCPU 2^32"),
        ([0, last + 1], "the interrupt behind irq_last"),
        ([0, 1 << 32], "interrupt 2^32"),
        ([0, good | (1 << 32)], "an interrupt above 2^32"),
        ([0, u64::MAX], "interrupt 2^64 - 1"),
    ] {
        expect(&mut bound, op::VCPU_UPCALL, &args, status::BAD_ARGUMENT, what)?;
    }
    // 0 is no interrupt, but turns upcalls off.
    for below in [1, first / 2, first - 1].into_iter().filter(|below| (1..first).contains(below)) {
        let args = [0, below];
        expect(&mut bound, op::VCPU_UPCALL, &args, status::BAD_ARGUMENT, "an interrupt below irq_first")?;
    }
    expect(&mut bound, op::VCPU_UPCALL, &[0, good, 1], status::BAD_RESERVED, "an unused argument")?;
    // A refused one has not replaced what was set before.
    for class in 0..2 {
        arm(&bound, class, FAR);
    }
    bind_port(&mut bound, 1, 0, 0)?;
    let upcalls = Upcalls::of(&mut bound, 0, 0)?;
    expect(&mut bound, op::VCPU_UPCALL, &[0, last + 1], status::BAD_ARGUMENT, "an interrupt beyond")?;
    arm(&bound, 0, 0);
    signal(&mut bound, 1)?;
    upcalls.want("no upcall after a refused VCPU_UPCALL")
}

fn remembered(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let upcalls = Upcalls::count(ctx.env, 1);
    bind_port(&mut bound, 1, 0, 0)?;
    arm(&bound, 0, 0);
    signal(&mut bound, 1)?;
    want_entry(&bound, 0, 0, 1)?;
    settle(&mut bound)?;
    equal(u64::from(upcalls.seen()), 0, "an upcall of a vector that nobody has set")?;
    // Owed since: sent now.
    upcalls.set(&mut bound, 0)?;
    upcalls.want("an upcall that was owed before the vector was set")
}

fn off(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 1, 0, 0)?;
    let upcalls = Upcalls::of(&mut bound, 0, 0)?;
    arm(&bound, 0, 0);
    raise(&mut bound, 0)?;
    upcalls.want("no upcall for an entry at the armed position")?;
    expect(&mut bound, op::VCPU_UPCALL, &[0, 0], status::OK, "VCPU_UPCALL with vector 0")?;
    settle(&mut bound)?;
    upcalls.forget();
    for position in 1..6 {
        arm(&bound, 0, position);
        raise(&mut bound, position)?;
    }
    settle(&mut bound)?;
    equal(u64::from(upcalls.seen()), 0, "upcalls that were turned off")?;
    upcalls.set(&mut bound, 0)?;
    settle(&mut bound)?;
    upcalls.forget();
    arm(&bound, 0, 6);
    raise(&mut bound, 6)?;
    upcalls.want("no upcall after they were turned on again")
}

fn raise(bound: &mut Bound, position: u32) -> Outcome {
    signal(bound, 1)?;
    want_entry(bound, 0, position, 1)?;
    bound.take_until(0, position + 1);
    Ok(())
}

fn changed(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 1, 0, 0)?;
    let mut old = Upcalls::of(&mut bound, 0, 0)?;
    for position in 0..4u32 {
        let new = Upcalls::of(&mut bound, 0, 1 + position)?;
        old.forget();
        arm(&bound, 0, position);
        raise(&mut bound, position)?;
        new.want("no upcall of the vector that was set last")?;
        settle(&mut bound)?;
        equal(u64::from(old.seen()), 0, "an upcall of the vector before")?;
        old = new;
    }
    Ok(())
}

/// An untaken event that moves is an entry in its new ring: the upcall is owed there.
fn after_move(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for class in 0..2 {
        arm(&bound, class, FAR);
    }
    bind_port(&mut bound, 1, 0, 0)?;
    signal(&mut bound, 1)?;
    want_entry(&bound, 0, 0, 1)?;
    let upcalls = Upcalls::of(&mut bound, 0, 0)?;
    arm(&bound, 1, 0);
    expect(&mut bound, op::EVENT_MOVE, &[1, 0, 1], status::OK, "EVENT_MOVE")?;
    want_entry(&bound, 1, 0, 1)?;
    upcalls.want("no upcall for an event that moved to an armed ring")
}

/// Set from vCPU 0 for vCPU 1, which is not running: nothing of it reaches vCPU 0.
fn of_another(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 8, [4, 4])?;
    let other = raw::bind(ctx.env, scratch, shift, 1, 8, [4, 4])?;
    for class in 0..2 {
        arm(&bound, class, FAR);
        arm(&other, class, FAR);
    }
    bind_port(&mut bound, 1, 0, 0)?;
    bind_port(&mut bound, 2, 1, 0)?;
    let upcalls = Upcalls::of(&mut bound, 0, 0)?;
    // vCPU 1 is armed, vCPU 0 is not; each has its own words.
    arm(&other, 0, 0);
    signal(&mut bound, 2)?;
    want_entry(&other, 0, 0, 2)?;
    settle(&mut bound)?;
    upcalls.forget();
    arm(&bound, 0, 0);
    signal(&mut bound, 1)?;
    want_entry(&bound, 0, 0, 1)?;
    upcalls.want("no upcall for an entry at the armed position")
}
