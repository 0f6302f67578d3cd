// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls through the shim, with the host under test.
#![allow(unsafe_code, reason = "a platform is an unsafe trait")]

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::case;
use crate::shim::{SuitePlatform, failed};
use core::cell::Cell;
use tenon_abi::{Granule, Op, Status, Submission};
use tenon_guest::{Error, Found, Platform, Session, Vcpu, Wish};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.shim-nop", &["CALL-2", "CALL-3", "CALL-20"], Needs::NONE, nop),
    case("call.shim-batch", &["CALL-14", "CALL-8"], Needs::NONE, batch),
    case("call.shim-full", &["CALL-6", "CALL-8"], Needs::NONE, full),
    case("call.shim-refusals", &["CALL-11", "CALL-12", "CALL-13"], Needs::NONE, refusals),
    case("call.shim-emergency", &["CALL-23"], Needs::NONE, emergency),
    case("call.shim-gave-up", &["CALL-17", "CALL-22"], Needs::CONSOLE, gave_up),
    case("call.shim-impatient", &["CALL-17"], Needs::CONSOLE, impatient),
];

fn nop(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    for value in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef].into_iter().chain(0..80) {
        let found = vcpu.call(Op::NOP, [value]).map_err(|error| failed("NOP", error))?;
        equal(found, value, "NOP's value")?;
    }
    Ok(())
}

fn batch(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    for lap in 0..4u64 {
        let mut batch = vcpu.batch::<32>();
        for index in 0..32 {
            let op = if index % 5 == 4 { Op(0) } else { Op::NOP };
            let value = if index % 5 == 4 { 0 } else { lap * 32 + index };
            batch
                .push(Submission::new(op, [value, 0, 0, 0, 0, 0]))
                .map_err(|error| failed("no place in the batch", error))?;
        }
        let full = batch.push(Submission::new(Op::NOP, [0; 6]));
        check(full == Err(Error::Full), "a batch of 32 takes 33")?;
        let results = batch.commit().map_err(|error| failed("the batch", error))?;
        for (index, result) in (0u64..).zip(results) {
            let expected = if index % 5 == 4 { Err(Status::NOT_SUPPORTED) } else { Ok(lap * 32 + index) };
            check(result == expected, "a result of the batch")?;
        }
    }
    equal(vcpu.in_flight() as u64, 0, "requests in flight")
}

fn full(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    for _ in 0..3 {
        // Nobody takes a result: the 65th has no id.
        let mut batch = vcpu.batch::<65>();
        for _ in 0..64 {
            let pushed = batch.push(Submission::new(Op::NOP, [3, 0, 0, 0, 0, 0]));
            pushed.map_err(|error| failed("no id for a request", error))?;
        }
        let more = batch.push(Submission::new(Op::NOP, [0; 6]));
        check(more == Err(Error::Full), "more requests than ids")?;
        check(vcpu.call(Op::NOP, [1]) == Err(Error::Full), "a call on a full queue")?;
        let value = vcpu.emergency(Submission::new(Op::NOP, [4, 0, 0, 0, 0, 0]));
        check(value == Ok(4), "the emergency lane while the queue is full")?;
        let results = batch.commit().map_err(|error| failed("the batch", error))?;
        check(results[..64].iter().all(|result| *result == Ok(3)), "a result that waited")?;
        let found = vcpu.call(Op::NOP, [2]).map_err(|error| failed("NOP", error))?;
        equal(found, 2, "NOP when there is room again")?;
    }
    Ok(())
}

fn refusals(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let refused = |op, args: [u64; 2], status| {
        check(vcpu.call(op, args) == Err(Error::Refused(status)), "a refusal as the shim reports it")
    };
    for _ in 0..3 {
        refused(Op(0), [0, 0], Status::NOT_SUPPORTED)?;
        refused(Op(0xffff), [0, 0], Status::NOT_SUPPORTED)?;
        refused(Op::NOP, [0, 1], Status::BAD_RESERVED)?;
        refused(Op::PROBE, [0x1_0000, 0], Status::BAD_ARGUMENT)?;
        refused(Op::REGION_QUERY, [0xffff, 0], Status::BAD_REGION)?;
    }
    check(vcpu.call(Op::PROBE, [u64::from(Op::NOP.0)]) == Ok(3), "PROBE")?;
    equal(vcpu.in_flight() as u64, 0, "requests in flight")
}

fn emergency(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    for value in 0..8 {
        let found = vcpu.emergency(Submission::new(Op::NOP, [value, 0, 0, 0, 0, 0]));
        check(found == Ok(value), "NOP on the emergency lane")?;
        check(vcpu.call(Op::NOP, [value]) == Ok(value), "NOP on the call queue")?;
    }
    let refused = vcpu.emergency(Submission::new(Op::PROBE, [0x0100, 0, 0, 0, 0, 0]));
    check(refused == Err(Error::Refused(Status::NOT_SUPPORTED)), "PROBE on the emergency lane")
}

/// A read that stays in flight, whatever input there was before.
fn read_submission(platform: &SuitePlatform) -> Result<Submission, Fail> {
    let pages = platform.pages(0x1000, Granule::K4)?;
    Ok(Submission::new(Op::CONSOLE_READ, [pages.address(), 64, 0, 0, 0, 0]))
}

fn gave_up(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let read = read_submission(&platform)?;
    for _ in 0..3 {
        let mut request = vcpu.request(read).map_err(|error| failed("CONSOLE_READ", error))?;
        let id = request.id().ok_or(Fail::Failed("a request in flight has no id", 0, 0))?;
        vcpu.call(Op::NOP, [0]).map_err(|error| failed("NOP", error))?;
        check(request.poll() == Err(Error::Pending), "a read without input has a result")?;
        drop(request);
        // Nobody waits, and the id is out of use nevertheless.
        check(vcpu.quarantined() == Ok(1), "the id of a request that was given up is free")?;
        let mut batch = vcpu.batch::<64>();
        for _ in 0..63 {
            batch.push(Submission::new(Op::NOP, [0; 6])).map_err(|error| failed("NOP", error))?;
        }
        check(
            batch.push(Submission::new(Op::NOP, [0; 6])) == Err(Error::Full),
            "an id in quarantine is used",
        )?;
        let results = batch.commit().map_err(|error| failed("the batch", error))?;
        check(results[..63].iter().all(Result::is_ok), "a result beside an id in quarantine")?;
        // Its completion comes after all, and frees it.
        check(vcpu.call(Op::CANCEL, [u64::from(id)]) == Ok(1), "CANCEL")?;
        wait_for_quarantine(ctx, &vcpu)?;
        equal(vcpu.in_flight() as u64, 0, "requests in flight")?;
    }
    // And with a waiter that is told.
    let mut request = vcpu.request(read).map_err(|error| failed("CONSOLE_READ", error))?;
    check(request.cancel() == Ok(true), "a cancellation through the shim")?;
    check(request.wait() == Err(Error::Refused(Status::CANCELLED)), "what was cancelled")
}

fn wait_for_quarantine<P: Platform>(ctx: &Ctx, vcpu: &Vcpu<'_, P>) -> Outcome {
    for _ in 0..ctx.env.patience() {
        if vcpu.quarantined() == Ok(0) {
            return Ok(());
        }
        ctx.env.relax();
    }
    Err(Fail::Failed("an id stays in quarantine after its completion", 0, 0))
}

/// A platform whose patience can be taken away.
struct Impatient {
    platform: SuitePlatform,
    patience: Cell<u32>,
}

// SAFETY: everything but the bound on waiting is the platform's own.
unsafe impl Platform for Impatient {
    type Conduit = SuitePlatform;

    fn conduit(&self) -> &SuitePlatform {
        &self.platform
    }

    fn enter(&self) -> usize {
        self.platform.enter()
    }

    fn leave(&self, token: usize) {
        self.platform.leave(token);
    }

    fn relax(&self) {
        self.platform.relax();
    }

    fn patience(&self) -> u32 {
        self.patience.get()
    }
}

fn impatient(ctx: &Ctx) -> Outcome {
    let suite = SuitePlatform::new(ctx.env);
    let platform = Impatient { platform: suite, patience: Cell::new(ctx.env.patience()) };
    let found = Found::at(ctx.env.window()).map_err(|error| failed("no record", error))?;
    let session = Session::open(&platform, found, &mut suite.scratch()?, Wish::default())
        .map_err(|error| failed("no session", error))?;
    let mut pages = suite.areas(session.granule())?;
    let vcpu: Vcpu<'_, _> =
        session.bind(0, &mut pages, [16, 16]).map_err(|error| failed("no vCPU", error))?;
    suite.share(&vcpu)?;
    let read = read_submission(&suite)?;
    platform.patience.set(50);
    check(vcpu.call_with(read) == Err(Error::Pending), "a call that is not answered in time")?;
    platform.patience.set(ctx.env.patience());
    // The call is not over for all that: it is in flight, and out of the caller's hands.
    check(vcpu.quarantined() == Ok(1), "what was given up is forgotten")?;
    let cancelled = (0..64).filter(|id| vcpu.call(Op::CANCEL, [*id]) == Ok(1)).count();
    equal(cancelled as u64, 1, "requests that could be cancelled")?;
    wait_for_quarantine(ctx, &vcpu)?;
    check(vcpu.call(Op::NOP, [6]) == Ok(6), "NOP afterwards")
}
