// SPDX-License-Identifier: MIT OR Apache-2.0
//! RESET from another vCPU, by hand.

use super::desk::Desk;
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::{case, expect, op, second, status, wait_until};
use crate::raw::{self, Bound, Control, load, store};

/// The cases.
pub const CASES: &[Case] =
    &[case("session.reset-from-another-vcpu", &["SES-5", "SES-6", "DISC-8"], Needs::SMP, from_another_vcpu)];

/// On CPU 1: hands over each frame that it is told, one less than the number.
fn other(_: u32) {
    let Some(bound) = second::take() else { return };
    let mut done = 0;
    while !second::quit() {
        let told = second::told();
        if told != done {
            done = told;
            bound.env.bind(told.wrapping_sub(1));
        }
        second::count();
        bound.env.relax();
    }
}

fn from_another_vcpu(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut first = desk.attach(desk.features(), 16)?;
    let vcpu1 = desk.bind(1, 16, [16, 16])?;
    second::start(&mut first, vcpu1, other)?;
    let outcome = with_two_cpus(ctx, &desk, first);
    // CPU 1 is stopped whatever came of it, in a session of its own.
    desk.reset()?;
    let mut first = desk.attach(desk.features(), 16)?;
    second::stop(&mut first).and(outcome)
}

fn with_two_cpus(ctx: &Ctx, desk: &Desk, mut bound: Bound) -> Outcome {
    second::wait_for(&bound, 2, "the vCPU that was started does not run")?;
    let window = ctx.env.window();
    for _ in 0..3 {
        expect(&mut bound, op::NOP, &[1], status::OK, "NOP")?;
        let before = desk.session();
        // CPU 1 resets; CPU 0 has read the same number and comes second.
        let first = Control::reset(ctx.env);
        let mut second = Control::reset(ctx.env);
        second.0[1] = second.0[1].wrapping_add(1 << 32);
        let (page, at) = raw::pages(ctx.env, 0x1000, 0x1_0000)?;
        for (index, word) in first.0.iter().enumerate() {
            store(&page, index * 8, *word);
        }
        second::tell((at >> raw::granule_shift(ctx.env)) as u32 + 1);
        let answered = wait_until(ctx.env, || load(&window, 0xa0) >> 32 == first.0[1] >> 32);
        check(answered, "RESET from vCPU 1 is not answered")?;
        equal(load(&window, 0xa0) & 0xffff, 0, "RESET from vCPU 1")?;
        let now = desk.session();
        check(now >> 32 != before >> 32, "RESET from vCPU 1 did not end the session")?;
        desk.expect(second, super::desk::BAD_SESSION, "RESET from vCPU 0 with the old number")?;
        equal(desk.session(), now, "two resets of one session ended two sessions")?;
        // Both go on running, and the next session is anybody's.
        let count = second::counted();
        second::wait_for(&bound, count.wrapping_add(3), "a running vCPU was stopped by RESET")?;
        bound = desk.attach(desk.features(), 16)?;
        let what = "VCPU_START of a vCPU that runs on";
        expect(&mut bound, op::VCPU_START, &[1, 0, 0], status::BAD_STATE, what)?;
    }
    Ok(())
}
