// SPDX-License-Identifier: MIT OR Apache-2.0
//! Request queues by hand (DEV-9, DEV-10, DEV-14).

use super::rig::{DISK, NO_PORT, Rig};
use crate::case::{Case, Ctx, Fail, Outcome, check, equal};
use crate::cases::session::desk::Random;
use crate::cases::tools::{case, expect, op, settle, status};
use crate::raw::{full_fence, load, store};
use crate::since::{BLOCK_OPS, OPS};

/// The cases.
pub const CASES: &[Case] = &[
    case("device.request-laps", &["DEV-9", "CALL-1", "CALL-4", "CALL-7"], DISK, laps),
    case("device.request-batches", &["DEV-9", "CALL-7", "CALL-14"], DISK, batches),
    case("device.request-all-queues", &["DEV-9", "CALL-7"], DISK, all_queues),
    case("device.request-without-kick", &["CALL-25", "CALL-26", "DEV-9"], DISK, without_kick),
    case("device.request-kick-wanted", &["CALL-25", "DEV-9"], DISK, kick_wanted),
    case("device.request-probe", &["DEV-10", "CALL-21", "CALL-18"], DISK, probe),
    case("device.request-other-operations", &["DEV-10", "CALL-12"], DISK, others),
    case("device.request-unused", &["CALL-9", "CALL-11", "GEN-5"], DISK, unused),
    case("device.request-turn", &["CALL-2", "CALL-5", "DEV-9"], DISK, turn),
    case("device.request-bad-id", &["CALL-6", "CALL-15", "DEV-9", "DEV-14"], DISK, bad_id),
    case("device.request-same-id", &["CALL-6", "DEV-9"], DISK, same_id),
    case("device.request-bad-armed", &["CALL-16", "CALL-15", "DEV-9"], super::rig::DISK_EVENTS, bad_armed),
    case("device.request-corrupt-is-cured", &["DEV-9", "DEV-11"], DISK, cured),
    case("device.request-cancel", &["CALL-22", "DEV-10"], DISK, cancel),
    case("device.request-random-words", &["GEN-7", "CALL-7", "DEV-14"], DISK, random),
    case("device.request-random-parts", &["GEN-7", "DEV-14"], DISK, random_parts),
];

fn laps(ctx: &Ctx) -> Outcome {
    let (_rig, info, mut queue) = Rig::disk_queue(ctx)?;
    for value in 0..u64::from(info.depth() * 3 + 1) {
        queue.nop(value.wrapping_mul(0x0101_0101_0101_0101))?;
    }
    equal(queue.state().0.into(), 1, "the state word")
}

fn batches(ctx: &Ctx) -> Outcome {
    let (_rig, info, mut queue) = Rig::disk_queue(ctx)?;
    for lap in 0..8u64 {
        // Ids in another order each time.
        let depth = info.depth();
        for at in 0..depth {
            let id = (at.wrapping_mul(2 * lap as u32 + 1)) & (depth - 1);
            queue.submit(op::NOP, id as u16, [lap << 32 | u64::from(id), 0, 0, 0, 0, 0]);
        }
        queue.kick();
        queue.reap(depth, |done| done.status == 0 && done.value == lap << 32 | u64::from(done.id))?;
    }
    Ok(())
}

fn all_queues(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.disk()?;
    let count = info.max_queues.clamp(1, 4);
    let mut queues = [const { None }; 4];
    for (index, place) in (0..count).zip(queues.iter_mut()) {
        *place = Some(rig.requests(&info, index, info.depth(), NO_PORT)?);
    }
    for lap in 0..4 {
        for queue in queues.iter_mut().flatten() {
            for id in 0..info.depth() {
                queue.submit(op::NOP, id as u16, [lap, 0, 0, 0, 0, 0]);
            }
            queue.kick();
        }
        for queue in queues.iter_mut().flatten() {
            queue.reap(info.depth(), |done| done.status == 0 && done.value == lap)?;
        }
    }
    Ok(())
}

/// As CALL-26 has it: publishes, fences, looks at the word, and kicks only if the host wants it.
fn without_kick(ctx: &Ctx) -> Outcome {
    let (_rig, _, mut queue) = Rig::disk_queue(ctx)?;
    for value in 0..200 {
        let position = queue.next;
        queue.submit(op::NOP, 0, [value, 0, 0, 0, 0, 0]);
        full_fence();
        let wanted = load(&queue.host.0, 8);
        if wanted >> 32 != 1 || wanted as u32 == position {
            queue.kick();
        }
        let done = queue.wait()?;
        check(done.status == 0 && done.value == value, "NOP of a guest that leaves kicks out")?;
    }
    Ok(())
}

fn kick_wanted(ctx: &Ctx) -> Outcome {
    let (_rig, _, mut queue) = Rig::disk_queue(ctx)?;
    for value in 0..50 {
        let word = load(&queue.host.0, 8);
        check(word >> 32 <= 1, "a kind that the text does not know")?;
        queue.nop(value)?;
    }
    Ok(())
}

fn probe(ctx: &Ctx) -> Outcome {
    let (_rig, _, mut queue) = Rig::disk_queue(ctx)?;
    let mut asks = |op: u16, wanted: u64| {
        let value = queue.expect(op::PROBE, &[op.into()], status::OK, "PROBE")?;
        equal(value, wanted, "what PROBE says on the queue of a disk")
    };
    for (op, wanted) in [(op::NOP, 3), (op::PROBE, 3), (op::CANCEL, 1), (0, 0), (0x0dff, 0), (0xffff, 0)] {
        asks(op, wanted)?;
    }
    // READ, WRITE and FLUSH there always are. The other two answer NOT_SUPPORTED where there is none.
    for op in [op::READ, op::WRITE, op::FLUSH] {
        asks(op, 3)?;
    }
    for known in OPS.iter().filter(|known| known.needs != 0) {
        asks(known.op, 0)?;
    }
    for wide in [0x1_0000, 1 << 32, u64::MAX] {
        queue.expect(op::PROBE, &[wide], status::BAD_ARGUMENT, "PROBE above 16 bits")?;
    }
    Ok(())
}

fn others(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    let known = OPS.iter().filter(|known| ![op::NOP, op::PROBE, op::CANCEL].contains(&known.op));
    for op in known.map(|known| known.op).chain([0, 0x0103, 0x0d05, 0x0dff, 0x1234, 0xffff]) {
        queue.expect(op, &[0; 6], status::NOT_SUPPORTED, "an operation that queues of disks do not take")?;
        let all = [u64::MAX; 7];
        queue.expect_words(op, all, status::NOT_SUPPORTED, "whatever its flags and arguments")?;
    }
    equal(rig.info(info.number)?.flags.into(), super::rig::OPEN_FLAG.into(), "the device")?;
    queue.nop(1)
}

fn unused(ctx: &Ctx) -> Outcome {
    let (_rig, _, mut queue) = Rig::disk_queue(ctx)?;
    for (op, used) in [(op::NOP, 1), (op::PROBE, 1), (op::CANCEL, 1), (op::FLUSH, 0)] {
        for spare in used..6 {
            for value in [1, 1 << 63] {
                let mut args = [0; 6];
                args[spare] = value;
                queue.expect(op, &args, status::BAD_RESERVED, "an argument that is not used")?;
            }
        }
    }
    for op in BLOCK_OPS.iter().map(|known| known.op).chain([op::NOP, op::CANCEL]) {
        for first in [1, 2, 1 << 31, 1 << 32, 1 | 8 << 32, u64::MAX] {
            let words = [first, 0, 0, 0, 0, 0, 0];
            queue.submit_words(op, 0, words);
            queue.kick();
            let done = queue.wait()?;
            let gone = done.status == status::NOT_SUPPORTED && (op == op::DISCARD || op == op::ZERO);
            check(gone || done.status == status::BAD_RESERVED, "a flag or a count of an operation")?;
        }
    }
    queue.nop(2)
}

fn turn(ctx: &Ctx) -> Outcome {
    let (mut rig, _, mut queue) = Rig::disk_queue(ctx)?;
    queue.nop(1)?;
    let right = queue.seed.wrapping_add(queue.next).wrapping_add(1);
    for wrong in
        [0, right.wrapping_sub(1), right.wrapping_add(1), right.wrapping_add(queue.depth), !right, queue.next]
    {
        queue.submit_with_turn(op::NOP, 0, [0, 9, 0, 0, 0, 0, 0], wrong);
        queue.kick();
        settle(&mut rig.bound)?;
        check(queue.look().is_none(), "a submission with another turn is fetched")?;
        equal(queue.state().0.into(), 1, "it is no breach")?;
    }
    queue.nop(2)
}

fn bad_id(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.disk()?;
    let mut other = if info.max_queues > 1 { Some(rig.requests(&info, 1, 8, NO_PORT)?) } else { None };
    for id in [info.depth() as u16, info.depth() as u16 + 1, 0x7fff, 0xffff] {
        let fresh = rig.arena;
        let mut queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
        queue.nop(1)?;
        queue.submit(op::NOP, id, [3, 0, 0, 0, 0, 0]);
        queue.submit(op::NOP, 1, [4, 0, 0, 0, 0, 0]);
        queue.kick();
        check(queue.corrupt()? == (1, 1), "reason BAD_ID, and the position")?;
        queue.kick();
        settle(&mut rig.bound)?;
        check(queue.look().is_none(), "a corrupt queue is served")?;
        if let Some(other) = &mut other {
            other.nop(7)?;
        }
        expect(&mut rig.bound, op::NOP, &[5], status::OK, "the call queue")?;
        rig.close_queue(&info, 0)?;
        rig.arena = fresh;
    }
    Ok(())
}

/// Of two requests with one id the second is a breach, unless the first is completed by then.
fn same_id(ctx: &Ctx) -> Outcome {
    let (_rig, _, mut queue) = Rig::disk_queue(ctx)?;
    let position = queue.next;
    queue.submit(op::FLUSH, 3, [0; 6]);
    queue.submit(op::FLUSH, 3, [0; 6]);
    queue.kick();
    for _ in 0..2 {
        match queue.wait() {
            Ok(done) => check(done.id == 3 && done.status == status::OK, "one of two FLUSHes")?,
            Err(failed) => {
                let found = queue.corrupt().map_err(|_| failed)?;
                return check(found == (2, position + 1), "reason DUPLICATE_ID, and the position");
            }
        }
        if queue.state().0 == 2 {
            return check(queue.corrupt()? == (2, position + 1), "reason DUPLICATE_ID, and the position");
        }
    }
    queue.nop(1)
}

fn bad_armed(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    crate::cases::tools::bind_port(&mut rig.bound, 3, 0, 0)?;
    let info = rig.disk()?;
    let mut queue = rig.requests(&info, 0, info.depth(), 3)?;
    queue.nop(1)?;
    store(&queue.guest.0, 0, 1 << 32);
    full_fence();
    queue.submit(op::NOP, 0, [1, 0, 0, 0, 0, 0]);
    queue.kick();
    equal(queue.corrupt()?.0.into(), 4, "reason BAD_ARMED")?;
    rig.close_queue(&info, 0)
}

fn cured(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    for round in 0..4 {
        queue.nop(round)?;
        queue.submit(op::NOP, 0xfff0, [0; 6]);
        queue.kick();
        queue.corrupt()?;
        rig.close_queue(&info, 0)?;
        equal(queue.state().0.into(), 0, "the state word of a closed queue")?;
        rig.again(&info, 0, NO_PORT, &mut queue)?;
        equal(queue.state().0.into(), 1, "the state word")?;
    }
    queue.nop(9)
}

fn cancel(ctx: &Ctx) -> Outcome {
    let (_rig, info, mut queue) = Rig::disk_queue(ctx)?;
    let depth = u64::from(info.depth());
    equal(queue.expect(op::CANCEL, &[1], status::OK, "CANCEL of nothing")?, 0, "its value")?;
    equal(queue.expect(op::CANCEL, &[0], status::OK, "CANCEL of itself")?, 0, "its value")?;
    for id in [depth, depth + 1, 0xffff, 0x1_0000, 1 << 32, u64::MAX] {
        queue.expect(op::CANCEL, &[id], status::BAD_ARGUMENT, "an id at or above the depth")?;
    }
    for _ in 0..32 {
        queue.submit(op::FLUSH, 1, [0; 6]);
        queue.submit(op::CANCEL, 2, [1, 0, 0, 0, 0, 0]);
        queue.kick();
        let (mut status, mut value) = (None, None);
        for _ in 0..2 {
            let done = queue.wait()?;
            match done.id {
                1 if status.is_none() => status = Some(done.status),
                2 if value.is_none() => {
                    equal(done.status.into(), 0, "CANCEL")?;
                    value = Some(done.value);
                }
                id => return Err(Fail::Failed("a completion for another id", id.into(), 0)),
            }
        }
        let cancelled = (status, value) == (Some(status::CANCELLED), Some(1));
        check(cancelled || (status, value) == (Some(0), Some(0)), "CANCEL and what it cancels")?;
    }
    Ok(())
}

fn random(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    let mut random = Random::new(ctx.seed ^ 0xd15c);
    for _ in 0..16 {
        let count = info.depth().min(16);
        for id in 0..count {
            let op = match random.below(4) {
                0 => random.word() as u16,
                _ => BLOCK_OPS[random.below(BLOCK_OPS.len() as u64) as usize].op,
            };
            let mut words: [u64; 7] = core::array::from_fn(|_| match random.below(6) {
                0 => random.word(),
                1 => rig.arena.at + (random.below(1 << 20) & !511),
                2 => random.below(8) * 512,
                3 => random.below(4),
                4 => rig.arena.at,
                _ => 0,
            });
            if random.below(4) != 0 {
                words[0] = 0;
            }
            // What lands in the queue's own parts would be the guest's loss.
            if op == op::READ && words[1..].iter().any(|word| word.wrapping_sub(rig.arena.at) < 0x1_0000) {
                words[6] = 0;
            }
            queue.submit_words(op, id as u16, words);
        }
        queue.kick();
        queue.reap(count, |done| {
            let known = done.status <= status::REMOVED && done.status != 11 && done.status != 12;
            known && (done.status == 0 || done.value == 0)
        })?;
    }
    queue.nop(1)?;
    settle(&mut rig.bound)
}

fn random_parts(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    let mut random = Random::new(ctx.seed ^ 0x9a97);
    for _ in 0..8 {
        for at in (0..queue.guest.0.byte_len()).step_by(8) {
            if random.below(3) == 0 {
                let word = random.word();
                // A tail that is valid, here and there.
                let turn = queue.seed.wrapping_add(random.below(80) as u32);
                let tail = word & 0xffff_ffff | u64::from(turn) << 32;
                store(&queue.guest.0, at, if random.below(2) == 0 { tail } else { word });
            }
        }
        // What the host writes it never reads again.
        for at in (0..queue.host.0.byte_len()).step_by(8) {
            store(&queue.host.0, at, random.word());
        }
        queue.kick();
        settle(&mut rig.bound)?;
        rig.close_queue(&info, 0)?;
        rig.again(&info, 0, NO_PORT, &mut queue)?;
        queue.nop(5)?;
    }
    Ok(())
}
