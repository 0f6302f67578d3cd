// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls through the shim with a host that lies.

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::Random;
use crate::cases::session::fake::{Fake, Script};
use crate::cases::tools::case;
use core::cell::Cell;
use tenon_abi::{Op, Reason, Status, Submission};
use tenon_guest::Error;

/// The cases.
pub const CASES: &[Case] = &[
    case("call.shim-unknown-id", &["CALL-7"], Needs::NONE, unknown_id),
    case("call.shim-completed-twice", &["CALL-7"], Needs::NONE, completed_twice),
    case("call.shim-unknown-status", &["CALL-13"], Needs::NONE, unknown_status),
    case("call.shim-wrong-turn", &["CALL-3", "CALL-4", "CALL-17"], Needs::NONE, wrong_turn),
    case("call.shim-out-of-order", &["CALL-7", "CALL-8"], Needs::NONE, out_of_order),
    case("call.shim-random-host", &["GEN-8", "CALL-7", "CALL-13"], Needs::NONE, random_host),
];

fn nop() -> Submission {
    Submission::new(Op::NOP, [0; 6])
}

/// A host as it should be: answers the newest submission with OK and 5, the emergency lane's first with 6.
fn honest(fake: &Fake, queue: u32) {
    if queue == 0 {
        fake.complete(0, fake.id(fake.completed.get()), 5);
    } else {
        fake.complete_emergency(6);
    }
}

/// The queue is corrupt for an id that is not in flight, and stays so; the emergency lane works.
fn is_latched(fake: &Fake, vcpu: &tenon_guest::Vcpu<'_, Fake, 4>, position: u32, found: Error) -> Outcome {
    let Error::Corrupt(corrupt) = found else {
        return Err(Fail::Failed("a completion for no request is taken", 0, 0));
    };
    check(corrupt.reason == Reason::UNKNOWN_ID, "the reason")?;
    equal(u64::from(corrupt.position), u64::from(position), "the position")?;
    fake.script.set(honest);
    for _ in 0..2 {
        let again = vcpu.call(Op::NOP, [0]);
        check(again == Err(Error::Corrupt(corrupt)), "a corrupt queue is used again")?;
    }
    check(vcpu.emergency(nop()) == Ok(6), "the emergency lane beside a corrupt queue")
}

fn unknown_id(ctx: &Ctx) -> Outcome {
    // Another id of the queue, the first that it does not have, far beyond.
    let scripts: [Script; 3] = [
        |fake, _| fake.complete(0, (fake.id(fake.completed.get()) + 1) % 4, 1),
        |fake, _| fake.complete(0, 4, 1),
        |fake, _| fake.complete(0, 0xffff, 1),
    ];
    for script in scripts {
        let fake = Fake::new(ctx.env)?;
        let vcpu = fake.attach()?;
        fake.script.set(honest);
        check(vcpu.call(Op::NOP, [0]) == Ok(5), "a call of an honest host")?;
        fake.script.set(script);
        match vcpu.call(Op::NOP, [0]) {
            Err(error) => is_latched(&fake, &vcpu, 1, error)?,
            Ok(_) => return Err(Fail::Failed("a completion for no request is taken", 0, 0)),
        }
    }
    Ok(())
}

fn completed_twice(ctx: &Ctx) -> Outcome {
    let fake = Fake::new(ctx.env)?;
    let vcpu = fake.attach()?;
    fake.script.set(|fake, queue| {
        let id = fake.id(fake.completed.get());
        honest(fake, queue);
        // Once more, at the next position.
        fake.complete(0, id, 5);
    });
    check(vcpu.call(Op::NOP, [0]) == Ok(5), "the first of two completions")?;
    // The second is found when somebody looks: its id is free, or belongs to a request that the host has not
    // seen.
    fake.script.set(|_, _| {});
    match vcpu.quarantined() {
        Err(error) => is_latched(&fake, &vcpu, 1, error),
        Ok(_) => Err(Fail::Failed("a completion for no request is taken", 0, 0)),
    }
}

fn unknown_status(ctx: &Ctx) -> Outcome {
    let fake = Fake::new(ctx.env)?;
    let vcpu = fake.attach()?;
    let scripts: [(u16, Script); 4] = [
        (18, |fake, _| fake.complete(18, fake.id(fake.completed.get()), 0)),
        (0x7777, |fake, _| fake.complete(0x7777, fake.id(fake.completed.get()), 9)),
        (0xffff, |fake, _| fake.complete(0xffff, fake.id(fake.completed.get()), u64::MAX)),
        (14, |fake, _| fake.complete(14, fake.id(fake.completed.get()), 0)),
    ];
    for (status, script) in scripts {
        fake.script.set(script);
        check(
            vcpu.call(Op::NOP, [0]) == Err(Error::Refused(Status(status))),
            "a status as the shim reports it",
        )?;
        fake.script.set(honest);
        check(vcpu.call(Op::NOP, [0]) == Ok(5), "a call after an unknown status")?;
    }
    Ok(())
}

fn wrong_turn(ctx: &Ctx) -> Outcome {
    let fake = Fake::new(ctx.env)?;
    let vcpu = fake.attach()?;
    fake.script.set(honest);
    for _ in 0..5 {
        check(vcpu.call(Op::NOP, [0]) == Ok(5), "a call of an honest host")?;
    }
    // The turn of the slot's last lap, the neighbours', zero.
    let scripts: [Script; 4] = [
        |fake, _| fake.write(0, fake.id(5), 5, 4u32.wrapping_neg()),
        |fake, _| fake.write(0, fake.id(5), 5, 1),
        |fake, _| fake.write(0, fake.id(5), 5, 1u32.wrapping_neg()),
        |fake, _| fake.write(0, fake.id(5), 5, fake.turn().wrapping_neg()),
    ];
    fake.script.set(|_, _| {});
    let mut request = vcpu.request(nop()).map_err(|error| crate::shim::failed("a request", error))?;
    for script in scripts {
        script(&fake, 0);
        check(request.wait() == Err(Error::Pending), "a completion with another turn is taken")?;
    }
    honest(&fake, 0);
    check(request.wait() == Ok(5), "the same completion with the right turn")?;
    // A call that was given up holds its id until the completion comes.
    check(vcpu.call(Op::NOP, [0]) == Err(Error::Pending), "a call without an answer")?;
    check(vcpu.quarantined() == Ok(1), "what was given up")?;
    honest(&fake, 0);
    check(vcpu.quarantined() == Ok(0), "a late completion frees the id")?;
    fake.script.set(honest);
    check(vcpu.call(Op::NOP, [0]) == Ok(5), "the next call")
}

fn out_of_order(ctx: &Ctx) -> Outcome {
    let fake = Fake::new(ctx.env)?;
    let vcpu = fake.attach()?;
    fake.script.set(|fake, _| {
        // The four submissions of a batch from the last to the first; each with its own value.
        let base = fake.completed.get();
        for back in (0..4).rev() {
            let position = base.wrapping_add(back);
            fake.complete(0, fake.id(position), 100 + u64::from(back));
        }
    });
    for _ in 0..5 {
        let mut batch = vcpu.batch::<4>();
        for _ in 0..4 {
            batch.push(nop()).map_err(|error| crate::shim::failed("a batch", error))?;
        }
        let results = batch.commit().map_err(|error| crate::shim::failed("a batch", error))?;
        check(results == [Ok(100), Ok(101), Ok(102), Ok(103)], "results in the order of submission")?;
    }
    Ok(())
}

fn random_host(ctx: &Ctx) -> Outcome {
    let random = Cell::new(Random::new(ctx.seed ^ 0xfa4e));
    let draw = || {
        let mut generator = random.replace(Random::new(0));
        let word = generator.word();
        random.set(generator);
        word
    };
    for _ in 0..8 {
        let fake = Fake::new(ctx.env)?;
        let vcpu = fake.attach()?;
        for _ in 0..10 {
            // Something that counts, something that nearly counts, something else.
            for _ in 0..1 + draw() % 3 {
                match draw() % 4 {
                    0 => fake.complete(draw() as u16 & 31, draw() as u16 & 7, draw()),
                    1 => fake.write(0, draw() as u16 & 3, draw(), draw() as u32 & 7),
                    2 => fake.scribble(draw() as usize, draw()),
                    _ => honest(&fake, 0),
                }
            }
            // Every answer but a panic or an endless wait is right, as long as a latched queue stays latched.
            let first = vcpu.call(Op::NOP, [draw()]);
            if let Err(Error::Corrupt(corrupt)) = first {
                let again = vcpu.call(Op::NOP, [draw()]);
                check(again == Err(Error::Corrupt(corrupt)), "a corrupt queue is used again")?;
            }
            check(vcpu.in_flight() <= 4, "more requests in flight than ids")?;
            check(vcpu.quarantined().unwrap_or(0) <= 4, "more ids in quarantine than there are")?;
        }
    }
    Ok(())
}
