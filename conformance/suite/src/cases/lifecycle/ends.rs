// SPDX-License-Identifier: MIT OR Apache-2.0
//! EXIT and RESTART, by hand (LIFE-1 to LIFE-3): most of these cases do not come back.

use super::super::vcpu::start::pair;
use crate::case::{Case, Ctx, Ends, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{
    INLINE, case, emergency, emergency_post, expect, op, second, settle, status, wait_until,
};
use crate::raw::{self, Bound};
use crate::shim::SuitePlatform;

/// The cases.
pub const CASES: &[Case] = &[
    case("lifecycle.exit-refused", &["LIFE-2", "CALL-11", "CALL-23"], Needs::LIFECYCLE, exit_refused),
    case("lifecycle.restart-refused", &["LIFE-3", "CALL-11", "CALL-23"], Needs::LIFECYCLE, restart_refused),
    case("lifecycle.emergency-lane", &["CALL-23", "LIFE-1"], Needs::LIFECYCLE, lane),
    ends("lifecycle.exit", &["LIFE-2"], Ends::Exit(42), |ctx| ends_by(ctx, op::EXIT, 42)),
    ends("lifecycle.exit-zero", &["LIFE-2"], Ends::Exit(0), |ctx| ends_by(ctx, op::EXIT, 0)),
    ends("lifecycle.exit-all-32-bits", &["LIFE-2"], Ends::Exit(0xffff_fffe), |ctx| {
        ends_by(ctx, op::EXIT, 0xffff_fffe)
    }),
    ends("lifecycle.exit-emergency", &["LIFE-1", "LIFE-2", "CALL-23"], Ends::Exit(7), |ctx| {
        ends_in_emergency(ctx, op::EXIT, 7)
    }),
    ends("lifecycle.exit-corrupt-queue", &["LIFE-1", "LIFE-2", "CALL-23"], Ends::Exit(9), exit_corrupt),
    ends("lifecycle.exit-shim", &["LIFE-1", "LIFE-2"], Ends::Exit(11), exit_shim),
    Case { needs: SMP, ..ends("lifecycle.exit-second-cpu", &["LIFE-2"], Ends::Exit(13), exit_second) },
    ends("lifecycle.restart", &["LIFE-3"], Ends::Restart, |ctx| ends_by(ctx, op::RESTART, 0)),
    ends("lifecycle.restart-emergency", &["LIFE-1", "LIFE-3", "CALL-23"], Ends::Restart, |ctx| {
        ends_in_emergency(ctx, op::RESTART, 0)
    }),
];

const SMP: Needs = Needs { features: Needs::SMP.features.union(Needs::LIFECYCLE.features), ..Needs::SMP };

/// A case that ends the machine.
pub(super) const fn ends(
    name: &'static str,
    clauses: &'static [&'static str],
    ends: Ends,
    run: fn(&Ctx) -> Outcome,
) -> Case {
    Case { name, clauses, needs: Needs::LIFECYCLE, ends: Some(ends), run }
}

/// The machine did not end.
pub(in crate::cases) fn goes_on(ctx: &Ctx) -> Outcome {
    // A host may take its time; only what is written down here outlives this.
    wait_until(ctx.env, || false);
    Err(Fail::Failed("the domain goes on", 0, 0))
}

fn ends_by(ctx: &Ctx, op: u16, code: u64) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    settle(&mut bound)?;
    bound.submit(op, 0, [0, code, 0, 0, 0, 0, 0]);
    bound.kick();
    if wait_until(ctx.env, || bound.look().is_some()) {
        return Err(Fail::Failed("a completion, and the domain goes on", 0, 0));
    }
    goes_on(ctx)
}

fn ends_in_emergency(ctx: &Ctx, op: u16, code: u64) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    settle(&mut bound)?;
    emergency_post(&bound, 0, op, [0, code, 0, 0, 0, 0, 0]);
    goes_on(ctx)
}

fn exit_corrupt(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 4, [4, 4])?;
    corrupt_queue(&mut bound)?;
    emergency_post(&bound, 0, op::EXIT, [0, 9, 0, 0, 0, 0, 0]);
    goes_on(ctx)
}

/// Makes the host latch the call queue corrupt, by an id that is not below its depth (CALL-6).
pub(super) fn corrupt_queue(bound: &mut Bound) -> Outcome {
    let depth = bound.depth as u16;
    bound.submit(op::NOP, depth, [0; 7]);
    bound.kick();
    check(wait_until(bound.env, || bound.state(0).0 == 2), "an id at depth has not corrupted the queue")
}

fn exit_shim(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let _ = vcpu.lifecycle().exit(11);
    goes_on(ctx)
}

fn exit_second(ctx: &Ctx) -> Outcome {
    fn leave(_: u32) {
        let Some(own) = second::take() else { return };
        second::count();
        emergency_post(&own, 0, op::EXIT, [0, 13, 0, 0, 0, 0, 0]);
    }
    let (mut bound, other) = pair(ctx)?;
    second::start(&mut bound, other, leave)?;
    second::wait_for(&bound, 1, "the vCPU does not run")?;
    let outcome = goes_on(ctx);
    outcome.and(second::stop(&mut bound))
}

fn exit_refused(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    // One code for each lane, so that an exit would tell which it was.
    for (code, what) in [(1 << 32, "code 2^32"), (u64::MAX, "code 2^64 - 1"), (1 << 63, "code 2^63")] {
        expect(&mut bound, op::EXIT, &[code], status::BAD_ARGUMENT, what)?;
    }
    expect(&mut bound, op::EXIT, &[1, 1], status::BAD_RESERVED, "an unused argument")?;
    let done = bound.call_words(op::EXIT, [INLINE | (1 << 32), 1, 0, 0, 0, 0, 0])?;
    equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "INLINE, which EXIT does not define")?;
    let refused = [([0, 1 << 32, 0], status::BAD_ARGUMENT), ([0, 1, 1], status::BAD_RESERVED)];
    for (position, ([word, code, extra], status)) in (0..).zip(refused) {
        let done = emergency(&bound, position, op::EXIT, [word, code, extra, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status), "EXIT in the emergency lane")?;
    }
    settle(&mut bound)
}

fn restart_refused(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for argument in 0..6 {
        let mut args = [0; 6];
        args[argument] = 1;
        expect(&mut bound, op::RESTART, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    let done = emergency(&bound, 0, op::RESTART, [0, 0, 0, 0, 0, 0, 1])?;
    equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "RESTART in the emergency lane")?;
    settle(&mut bound)
}

fn lane(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let mut position = 0..;
    // One call after the other; the lane counts positions of its own.
    let mut next = |bound: &Bound, op, words| emergency(bound, position.next().unwrap_or(0), op, words);
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    let offers_console = raw::record(ctx.env).features.get() & (1 << 5) != 0;
    for value in [5, 0, u64::MAX] {
        let done = next(&bound, op::NOP, [0, value, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), 0, "NOP in the emergency lane")?;
        equal(done.value, value, "NOP's value")?;
    }
    let done = next(&bound, op::CRASH, [INLINE | (2 << 32), 0x6f6e, 0, 0, 0, 0, 0])?;
    equal(u64::from(done.status), 0, "CRASH in the emergency lane")?;
    if offers_console {
        let done = next(&bound, op::CONSOLE_WRITE, [INLINE | (3 << 32), 0x0a6b6f, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), 0, "CONSOLE_WRITE by value in the emergency lane")?;
    }
    for (op, words, what) in [
        (op::PROBE, [0, 0x100, 0, 0, 0, 0, 0], "PROBE"),
        (op::CANCEL, [0; 7], "CANCEL"),
        (op::REGION_QUERY, [0; 7], "REGION_QUERY"),
        (op::EVENT_BIND, [0; 7], "EVENT_BIND"),
        (op::EVENT_SIGNAL, [0; 7], "EVENT_SIGNAL"),
        (op::VCPU_START, [0, 1, 0, 0, 0, 0, 0], "VCPU_START"),
        (op::VCPU_UPCALL, [0; 7], "VCPU_UPCALL"),
        (op::CONSOLE_WRITE, [0, at, 1, 0, 0, 0, 0], "CONSOLE_WRITE of a range"),
        (op::CONSOLE_READ, [0, at, 1, 0, 0, 0, 0], "CONSOLE_READ"),
        (0, [0; 7], "operation 0"),
        (0x7777, [0; 7], "an operation that nobody knows"),
    ] {
        let done = next(&bound, op, words)?;
        equal(u64::from(done.status), u64::from(status::NOT_SUPPORTED), what)?;
        equal(done.value, 0, "a value with NOT_SUPPORTED")?;
    }
    equal(u64::from(bound.state(8).0), 1, "the state word of the emergency lane")?;
    settle(&mut bound)
}
