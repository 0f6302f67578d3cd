// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emergency lane, by hand.

use super::held::hold_read;
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::{Desk, settle, wait_corrupt};
use crate::cases::tools::{INLINE, case, op, status};
use crate::raw::{self, Bound, Done, load, store};
use crate::since::{self, OPS};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.emergency", &["CALL-23", "CALL-4", "VCPU-7"], Needs::NONE, works),
    case("call.emergency-takes", &["CALL-23"], Needs::NONE, takes),
    case("call.emergency-when-busy", &["CALL-23"], Needs::CONSOLE, when_busy),
    case("call.emergency-when-corrupt", &["CALL-23", "CALL-15"], Needs::NONE, when_corrupt),
    case("call.emergency-bad-id", &["CALL-23", "CALL-6", "CALL-15"], Needs::NONE, bad_id),
];

/// A vCPU's emergency lane: slot at 0x180 of the guest-written area, completion at 0x40 of the host-written
/// one.
pub(crate) struct Lane {
    next: u32,
}

impl Lane {
    /// The lane of a vCPU that was just bound.
    pub(crate) const fn of(_: &Bound) -> Self {
        Self { next: 0 }
    }

    /// Publishes and kicks, without waiting.
    pub(crate) fn publish(&mut self, bound: &Bound, op: u16, id: u16, words: [u64; 7]) {
        for (index, word) in words.iter().enumerate() {
            store(&bound.guest.0, 0x180 + index * 8, *word);
        }
        self.next = self.next.wrapping_add(1);
        let turn = bound.seed.wrapping_add(self.next);
        let tail = u64::from(op) | (u64::from(id) << 16) | (u64::from(turn) << 32);
        store(&bound.guest.0, 0x180 + 56, tail);
        raw::full_fence();
        bound.env.kick(bound.vcpu * 2 + 1);
    }

    /// One call.
    pub(crate) fn call(&mut self, bound: &Bound, op: u16, words: [u64; 7]) -> Result<Done, Fail> {
        self.publish(bound, op, 0, words);
        let turn = bound.seed.wrapping_add(self.next);
        for _ in 0..bound.env.patience() {
            let tail = load(&bound.host, 0x48);
            if (tail >> 32) as u32 == turn {
                let (status, id) = (tail as u16, (tail >> 16) as u16);
                equal(u64::from(id), 0, "a completion of another id on the emergency lane")?;
                return Ok(Done { status, id, value: load(&bound.host, 0x40) });
            }
            bound.env.relax();
        }
        Err(Fail::Failed("no completion on the emergency lane", u64::from(self.next), 0))
    }
}

fn works(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let mut lane = Lane::of(&bound);
    for value in 0..6 {
        let done = lane.call(&bound, op::NOP, [0, value, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::OK), "NOP on the emergency lane")?;
        equal(done.value, value, "its value")?;
        // The two queues share neither positions nor kicks nor completions.
        equal(bound.call(op::NOP, [!value, 0, 0, 0, 0, 0])?.value, !value, "NOP on the call queue")?;
        check(bound.look().is_none(), "the emergency lane's completion is in the call queue")?;
    }
    // A slot with another turn is not there.
    for turn in [0, bound.seed, bound.seed.wrapping_add(6), bound.seed.wrapping_add(8)] {
        store(&bound.guest.0, 0x180 + 56, 0x0100 | (u64::from(turn) << 32));
        raw::full_fence();
        ctx.env.kick(1);
        settle(ctx.env);
        equal(load(&bound.host, 0x48) >> 32, u64::from(bound.seed.wrapping_add(6)), "the lane's last turn")?;
    }
    equal(u64::from(bound.state(8).0), 1, "the lane's state")
}

fn takes(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let features = desk.features();
    let bound = desk.attach(features, 16)?;
    let mut lane = Lane::of(&bound);
    // Nothing else, whether it exists or not. EXIT and RESTART end the machine: other cases.
    let never = OPS.iter().filter(|known| known.lane == since::Lane::Never).map(|known| known.op);
    for op in never.chain([0x0000, 0x0803, 0x7f00, 0xffff]) {
        let done = lane.call(&bound, op, [0; 7])?;
        equal(u64::from(done.status), u64::from(status::NOT_SUPPORTED), "refused on the emergency lane")?;
        equal(done.value, 0, "its value")?;
    }
    if features & (1 << 5) != 0 {
        let text = u64::from_le_bytes(*b"urgent!\n");
        let done = lane.call(&bound, op::CONSOLE_WRITE, [INLINE | (8 << 32), text, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::OK), "CONSOLE_WRITE with INLINE")?;
        check(done.value <= 8, "more was written than was given")?;
        let done = lane.call(&bound, op::CONSOLE_WRITE, [0, desk.scratch.1, 8, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::NOT_SUPPORTED), "CONSOLE_WRITE without INLINE")?;
        let done = lane.call(&bound, op::CONSOLE_WRITE, [INLINE | (49 << 32), 0, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::TOO_LONG), "49 bytes")?;
    }
    if features & (1 << 6) != 0 {
        let done = lane.call(&bound, op::EXIT, [0, 1 << 32, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::BAD_ARGUMENT), "EXIT with a code of 33 bits")?;
        let done = lane.call(&bound, op::RESTART, [0, 1, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "RESTART with an argument")?;
    }
    // As on any queue.
    let done = lane.call(&bound, op::NOP, [0, 1, 1, 0, 0, 0, 0])?;
    equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "NOP with a second argument")?;
    let done = lane.call(&bound, op::NOP, [2, 1, 0, 0, 0, 0, 0])?;
    equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "NOP with a flag")
}

fn when_busy(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let buffer = raw::pages(ctx.env, 0x1000, 0x1000)?;
    hold_read(&mut bound, 2, buffer.1, 64)?;
    // Interrupted in the middle of a submission: the body is there, its tail is not.
    bound.submit_with_turn(op::NOP, 0, [0, 3, 0, 0, 0, 0, 0], 0);
    let mut lane = Lane::of(&bound);
    for value in 0..3 {
        equal(lane.call(&bound, op::NOP, [0, value, 0, 0, 0, 0, 0])?.value, value, "NOP in the middle")?;
    }
    equal(bound.call(op::NOP, [3, 0, 0, 0, 0, 0])?.value, 3, "the submission that was interrupted")
}

fn when_corrupt(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bound.submit(op::NOP, 64, [0; 7]);
    bound.kick();
    wait_corrupt(&bound, 0)?;
    let mut lane = Lane::of(&bound);
    for value in 0..5 {
        let done = lane.call(&bound, op::NOP, [0, value, 0, 0, 0, 0, 0])?;
        equal(done.value, value, "NOP beside a corrupt call queue")?;
    }
    equal(u64::from(bound.state(8).0), 1, "the lane's state")
}

fn bad_id(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for id in [1, 63, 0xffff] {
        let mut bound = desk.attach(desk.features(), 64)?;
        let mut lane = Lane::of(&bound);
        lane.call(&bound, op::NOP, [0; 7])?;
        // Its depth is 1.
        lane.publish(&bound, op::NOP, id, [0; 7]);
        let (reason, position) = wait_corrupt(&bound, 8)?;
        equal(u64::from(reason), 1, "the reason")?;
        equal(u64::from(position), 1, "the position")?;
        equal(bound.call(op::NOP, [1, 0, 0, 0, 0, 0])?.value, 1, "NOP beside a corrupt lane")?;
        desk.reset()?;
    }
    Ok(())
}
