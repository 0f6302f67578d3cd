// SPDX-License-Identifier: MIT OR Apache-2.0
//! VCPU_STOP while the vCPU is still starting, and starts and stops in any rhythm (VCPU-5, VCPU-6). No stop
//! may be lost.

use super::start::SMP;
use crate::case::{Case, Ctx, Fail, Outcome, equal};
use crate::cases::session::desk::Random;
use crate::cases::tools::{case, expect, op, second, status, wait_longer};
use crate::raw::{self, Bound, Done};

/// The cases.
pub const CASES: &[Case] = &[
    case("vcpu.stop-in-the-batch-of-start", &["VCPU-5", "VCPU-6"], SMP, in_one_batch),
    case("vcpu.stop-while-starting", &["VCPU-5", "VCPU-6"], SMP, while_starting),
    case("vcpu.stop-random", &["VCPU-5", "VCPU-6"], SMP, random),
];

/// vCPU 0 with an open session, and what vCPU 1 is bound with anew each time, as a stop takes its areas.
struct Pair {
    first: Bound,
    shift: u32,
}

/// Ids of the two requests: they complete in any order but one.
const START: u16 = 3;
const STOP: u16 = 5;

impl Pair {
    fn open(ctx: &Ctx) -> Result<Self, Fail> {
        let (scratch, shift) = raw::open(ctx.env)?;
        Ok(Self { first: raw::bind(ctx.env, scratch, shift, 0, 16, [8, 8])?, shift })
    }

    fn second(&self) -> Result<Bound, Fail> {
        raw::bind(self.first.env, self.first.scratch, self.shift, 1, 4, [4, 4])
    }

    /// Submits VCPU_START of vCPU 1, which counts and comes to its end when it is asked to.
    fn submit_start(&mut self) -> Outcome {
        let second = self.second()?;
        let (entry, argument) = second::prepare(&self.first, second, second::beat)?;
        self.first.submit(op::VCPU_START, START, [0, 1, entry, argument, 0, 0, 0]);
        Ok(())
    }

    /// Submits VCPU_STOP of vCPU 1.
    fn submit_stop(&mut self) {
        second::ask_to_end();
        self.first.submit(op::VCPU_STOP, STOP, [0, 1, 0, 0, 0, 0, 0]);
    }

    fn want(&mut self, id: u16, what: &'static str) -> Outcome {
        let Done { status, id: found, .. } = self.first.wait_longer(what)?;
        equal(found.into(), id.into(), what)?;
        equal(status.into(), status::OK.into(), what)
    }

    /// The stop was not only answered: vCPU 1 is free for another start, which runs.
    fn runs_again(&mut self) -> Outcome {
        let second = self.second()?;
        second::with(&mut self.first, second, second::beat, |first| {
            second::wait_for(first, 1, "a vCPU that was stopped does not run when it is started again")
        })
    }
}

/// Both requests are there before the host looks at either.
fn in_one_batch(ctx: &Ctx) -> Outcome {
    let mut pair = Pair::open(ctx)?;
    for _ in 0..8 {
        pair.submit_start()?;
        pair.submit_stop();
        pair.first.kick();
        pair.want(START, "VCPU_START in a batch with VCPU_STOP")?;
        pair.want(STOP, "VCPU_STOP in a batch with VCPU_START")?;
    }
    pair.runs_again()
}

/// The stop comes as soon as the start is answered.
fn while_starting(ctx: &Ctx) -> Outcome {
    let mut pair = Pair::open(ctx)?;
    for _ in 0..20 {
        pair.submit_start()?;
        pair.first.kick();
        pair.want(START, "VCPU_START")?;
        pair.submit_stop();
        pair.first.kick();
        pair.want(STOP, "VCPU_STOP right after VCPU_START")?;
        let again = [1, 0];
        expect(&mut pair.first, op::VCPU_STOP, &again, status::BAD_STATE, "a vCPU that was stopped")?;
    }
    pair.runs_again()
}

/// Starts and stops in one batch or after some time. With the parameter `exit=CODE` it ends the machine at
/// some point, whatever is pending.
fn random(ctx: &Ctx) -> Outcome {
    let mut random = Random::new(ctx.seed ^ 0x57a7);
    let exit = ctx.env.param("exit").and_then(|code| code.parse().ok());
    let mut pair = Pair::open(ctx)?;
    for _ in 0..8 + random.below(24) {
        pair.submit_start()?;
        if random.below(3) != 0 {
            pair.first.kick();
            pair.want(START, "VCPU_START")?;
            pause(&pair, random.below(40));
            pair.submit_stop();
            pair.first.kick();
        } else {
            pair.submit_stop();
            pair.first.kick();
            pair.want(START, "VCPU_START in a batch with VCPU_STOP")?;
        }
        pair.want(STOP, "VCPU_STOP")?;
    }
    let Some(code) = exit else { return pair.runs_again() };
    pair.submit_start()?;
    if random.below(2) == 0 {
        pair.submit_stop();
    }
    pair.first.submit(op::EXIT, 7, [0, code, 0, 0, 0, 0, 0]);
    pair.first.kick();
    // Nobody answers EXIT, and nothing runs after it.
    wait_longer(ctx.env, || false);
    Err(Fail::Failed("the guest runs on after EXIT", code, 0))
}

fn pause(pair: &Pair, looks: u64) {
    (0..looks).for_each(|_| pair.first.env.relax());
}
