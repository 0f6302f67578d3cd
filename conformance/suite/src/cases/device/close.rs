// SPDX-License-Identifier: MIT OR Apache-2.0
//! Closing queues and devices, and the end of a session with requests in flight (DEV-11, DEV-12).

use super::rig::{DISK, Info, NO_PORT, Queue, Rig};
use crate::case::{Case, Ctx, Ends, Fail, Needs, Outcome, check, equal};
use crate::cases::lifecycle::ends::goes_on;
use crate::cases::tools::{case, expect, op, settle, status};
use crate::raw::{self, Bound, Done, load, store};
use tenon_abi::Features;

const LIFE: Needs = Needs { features: DISK.features.union(Features::LIFECYCLE), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("device.queue-close", &["DEV-11", "DEV-9"], DISK, queue_close),
    case("device.queue-close-in-flight", &["DEV-11", "CALL-7"], DISK, in_flight),
    case("device.queue-close-leaves-others", &["DEV-11", "DEV-14"], DISK, leaves_others),
    case("device.queue-close-misuse", &["DEV-11"], DISK, misuse),
    case("device.queue-close-cannot-be-cancelled", &["DEV-11", "CALL-22"], DISK, not_cancelled),
    case("device.closed-queue-is-not-touched", &["DEV-11", "DISC-7"], DISK, untouched),
    case("device.close", &["DEV-12"], DISK, close),
    case("device.close-in-flight", &["DEV-12", "CALL-7"], DISK, close_in_flight),
    case("device.close-twice", &["DEV-12"], DISK, close_twice),
    case("device.close-leaves-memory", &["DEV-12", "DEV-6"], DISK, leaves_memory),
    case("device.reset-in-flight", &["DEV-12", "SES-6", "SES-7"], DISK, reset_in_flight),
    case("device.reset-forgets", &["DEV-12", "SES-6", "DEV-8"], DISK, reset_forgets),
    case("device.kick-of-the-last-session", &["DEV-11", "SES-7", "DISC-7"], DISK, old_kick),
    Case {
        name: "device.exit-in-flight",
        clauses: &["DEV-12", "LIFE-2"],
        needs: LIFE,
        ends: Some(Ends::Exit(27)),
        run: |ctx| ends_in_flight(ctx, op::EXIT, 27),
    },
    Case {
        name: "device.restart-in-flight",
        clauses: &["DEV-12", "LIFE-3"],
        needs: LIFE,
        ends: Some(Ends::Restart),
        run: |ctx| ends_in_flight(ctx, op::RESTART, 0),
    },
];

/// All queues of a disk, each full of reads that were kicked: hundreds at once, where the disk has as many.
fn full(ctx: &Ctx) -> Result<(Rig, Info, [Option<Queue>; 4]), Fail> {
    let mut rig = Rig::new(ctx)?;
    let info = rig.disk()?;
    let mut queues = [const { None }; 4];
    for (index, place) in (0..info.max_queues.min(4)).zip(queues.iter_mut()) {
        *place = Some(rig.requests(&info, index, info.max_depth.min(128), NO_PORT)?);
    }
    let (_, buffer) = rig.arena.take(0x1_0000)?;
    for queue in queues.iter_mut().flatten() {
        reads(queue, buffer);
    }
    Ok((rig, info, queues))
}

/// Fills a queue with reads and kicks it.
fn reads(queue: &mut Queue, buffer: u64) {
    for id in 0..queue.depth {
        let offset = u64::from(id % 16) * 4096;
        queue.submit(op::READ, id as u16, [offset, buffer + offset, 4096, 0, 0, 1]);
    }
    queue.kick();
}

/// What may become of a read whose queue is closed.
fn ended(done: Done) -> bool {
    match done.status {
        status::OK => done.value == 4096,
        status::INDETERMINATE | status::CANCELLED => done.value == 0,
        _ => false,
    }
}

fn queue_close(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    for round in 0..8 {
        queue.nop(round)?;
        rig.close_queue(&info, 0)?;
        equal(queue.state().0.into(), 0, "the state word of a closed queue: UNBOUND")?;
        let args = [info.queue(0)];
        expect(&mut rig.bound, op::QUEUE_CLOSE, &args, status::NOT_FOUND, "a queue that is closed")?;
        rig.again(&info, 0, NO_PORT, &mut queue)?;
    }
    Ok(())
}

fn in_flight(ctx: &Ctx) -> Outcome {
    for _ in 0..4 {
        let (mut rig, info, mut queues) = full(ctx)?;
        let Some(queue) = &mut queues[0] else { return Ok(()) };
        rig.close_queue(&info, 0)?;
        equal(queue.state().0.into(), 0, "the state word when QUEUE_CLOSE is answered")?;
        // Whatever the host had fetched is completed by now; what it had not, never is.
        let (mut seen, mut count) = ([false; 128], 0);
        while let Some(done) = queue.look() {
            check(!core::mem::replace(&mut seen[usize::from(done.id) & 127], true), "completed twice")?;
            check(ended(done), "what became of a request in flight")?;
            count += 1;
        }
        check(count <= queue.depth, "more completions than requests")?;
        settle(&mut rig.bound)?;
        check(queue.look().is_none(), "a completion after the queue was closed")?;
        check(raw::reset(ctx.env), "the session cannot be reset")?;
    }
    Ok(())
}

fn leaves_others(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queues) = full(ctx)?;
    rig.close_queue(&info, 0)?;
    for queue in queues.iter_mut().skip(1).flatten() {
        queue.reap(queue.depth, |done| done.status == status::OK && done.value == 4096)?;
        queue.nop(3)?;
    }
    Ok(())
}

fn misuse(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    let mut refused = |name: u64, may: &[u16], what| {
        let done = rig.bound.call(op::QUEUE_CLOSE, [name, 0, 0, 0, 0, 0])?;
        check(may.contains(&done.status) && done.value == 0, what)
    };
    let none = [status::NOT_FOUND];
    let beyond = [status::NOT_FOUND, status::BAD_ARGUMENT];
    if info.max_queues > 1 {
        refused(info.queue(1), &none, "a queue that was never opened")?;
    }
    refused(info.queue(info.max_queues), &beyond, "an index beyond the last queue")?;
    refused(info.queue(u32::MAX), &beyond, "the last index")?;
    refused(info.queue(0) ^ 0xffff_ffff, &beyond, "a number beyond the last device")?;
    queue.nop(1)
}

fn not_cancelled(ctx: &Ctx) -> Outcome {
    let (mut rig, info, _queues) = full(ctx)?;
    rig.bound.submit(op::QUEUE_CLOSE, 4, [0, info.queue(0), 0, 0, 0, 0, 0]);
    rig.bound.submit(op::CANCEL, 5, [0, 4, 0, 0, 0, 0, 0]);
    rig.bound.kick();
    for _ in 0..2 {
        let done = rig.bound.wait_longer("QUEUE_CLOSE and its CANCEL")?;
        equal(done.status.into(), status::OK.into(), "QUEUE_CLOSE, or CANCEL of it")?;
        equal(done.value, 0, "QUEUE_CLOSE cannot be cancelled")?;
    }
    Ok(())
}

fn untouched(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    let (page, buffer) = rig.arena.take(4096)?;
    queue.nop(1)?;
    rig.close_queue(&info, 0)?;
    // Memory of the guest's own again: what it holds is no submission any more.
    let words =
        |queue: &Queue| (0..queue.host.0.byte_len()).step_by(8).map(|at| load(&queue.host.0, at)).sum();
    store(&page, 0, 0x1111);
    for id in 0..8 {
        queue.submit(op::READ, id, [0, buffer, 512, 0, 0, 1]);
    }
    let before: u64 = words(&queue);
    for _ in 0..4 {
        queue.kick();
    }
    settle(&mut rig.bound)?;
    equal(words(&queue), before, "the host's part of a closed queue")?;
    equal(load(&page, 0), 0x1111, "a buffer that a submission of a closed queue names")?;
    check(queue.look().is_none(), "a closed queue is served")
}

fn close(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let fresh = rig.arena;
    for round in 0..6 {
        rig.arena = fresh;
        let info = rig.disk()?;
        let mut queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
        queue.nop(round)?;
        rig.close(&info)?;
        equal(queue.state().0.into(), 0, "the state word of its queue")?;
        let args = [info.queue(0)];
        expect(&mut rig.bound, op::QUEUE_CLOSE, &args, status::NOT_FOUND, "its queue")?;
        equal(rig.info(info.number)?.flags.into(), 0, "its flags")?;
    }
    Ok(())
}

fn close_in_flight(ctx: &Ctx) -> Outcome {
    for _ in 0..3 {
        let (mut rig, info, mut queues) = full(ctx)?;
        rig.close(&info)?;
        for queue in queues.iter_mut().flatten() {
            equal(queue.state().0.into(), 0, "the state word when DEVICE_CLOSE is answered")?;
            while let Some(done) = queue.look() {
                check(ended(done), "what became of a request in flight")?;
            }
        }
        settle(&mut rig.bound)?;
        check(queues.iter_mut().flatten().all(|queue| queue.look().is_none()), "a completion afterwards")?;
        check(raw::reset(ctx.env), "the session cannot be reset")?;
    }
    Ok(())
}

fn close_twice(ctx: &Ctx) -> Outcome {
    let (mut rig, info, _queues) = full(ctx)?;
    rig.bound.submit(op::DEVICE_CLOSE, 1, [0, info.number, 0, 0, 0, 0, 0]);
    rig.bound.submit(op::DEVICE_CLOSE, 2, [0, info.number, 0, 0, 0, 0, 0]);
    rig.bound.submit(op::QUEUE_CLOSE, 3, [0, info.queue(0), 0, 0, 0, 0, 0]);
    rig.bound.kick();
    for _ in 0..3 {
        let done = rig.bound.wait_longer("closing")?;
        let fits = match done.id {
            1 => done.status == status::OK,
            _ => [status::BAD_STATE, status::NOT_FOUND].contains(&done.status),
        };
        check(fits, "of two closings one is done")?;
    }
    expect(&mut rig.bound, op::DEVICE_CLOSE, &[info.number], status::NOT_FOUND, "closed").map(|_| ())
}

/// Nothing of the arena changes after DEVICE_CLOSE, whatever was in flight.
fn leaves_memory(ctx: &Ctx) -> Outcome {
    let (mut rig, info, _queues) = full(ctx)?;
    rig.close(&info)?;
    marked(ctx, &mut rig.bound, &rig.arena.memory)
}

/// Fills memory with marks that have to stay.
fn marked(ctx: &Ctx, bound: &mut Bound, memory: &tenon_rings::Mapping) -> Outcome {
    let at = |word: usize| word * 8;
    let all = memory.byte_len() / 8;
    (0..all).step_by(8).for_each(|word| store(memory, at(word), !word as u64));
    settle(bound)?;
    for _ in 0..4 {
        crate::cases::tools::rest(ctx.env);
    }
    for word in (0..all).step_by(8) {
        equal(load(memory, at(word)), !word as u64, "memory that no device has any more")?;
    }
    Ok(())
}

fn reset_in_flight(ctx: &Ctx) -> Outcome {
    for round in 0..4 {
        let (rig, _, queues) = full(ctx)?;
        if round % 2 == 0 {
            queues.iter().flatten().for_each(Queue::wait_fetched);
        }
        check(raw::reset(ctx.env), "RESET with requests in flight")?;
        let memory = rig.arena.memory;
        let mut bound = raw::attach(ctx.env)?;
        marked(ctx, &mut bound, &memory)?;
        // A session later the disk works.
        let mut rig = Rig::over(bound, super::rig::ARENA)?;
        let info = rig.disk()?;
        let mut queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
        queue.nop(4)?;
        check(raw::reset(ctx.env), "the session cannot be reset")?;
    }
    Ok(())
}

fn reset_forgets(ctx: &Ctx) -> Outcome {
    for _ in 0..3 {
        let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
        queue.nop(1)?;
        check(raw::reset(ctx.env), "the session cannot be reset")?;
        rig.bound = raw::attach(ctx.env)?;
        rig.page = raw::pages(ctx.env, 4096, 4096)?;
        equal(rig.info(info.number)?.flags.into(), 0, "a device that the last session had open")?;
        expect(&mut rig.bound, op::DEVICE_CLOSE, &[info.number], status::NOT_FOUND, "DEVICE_CLOSE")?;
        expect(&mut rig.bound, op::QUEUE_CLOSE, &[info.queue(0)], status::NOT_FOUND, "QUEUE_CLOSE")?;
        // Over the same memory, with the new seed: stale slots are no submissions.
        rig.open(&info, 0, NO_PORT)?;
        let args = [info.queue(0), queue.depth.into(), NO_PORT, queue.guest.1, queue.host.1];
        let bell = expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "over stale slots")?;
        (queue.bell, queue.next, queue.reaped, queue.seed) = (bell as u32, 0, 0, rig.bound.seed);
        queue.kick();
        settle(&mut rig.bound)?;
        check(queue.look().is_none(), "a stale submission is fetched")?;
        queue.nop(2)?;
        check(raw::reset(ctx.env), "the session cannot be reset")?;
    }
    Ok(())
}

fn old_kick(ctx: &Ctx) -> Outcome {
    let (_rig, _, mut old) = Rig::disk_queue(ctx)?;
    old.nop(1)?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let (mut rig, _, mut queue) = Rig::disk_queue(ctx)?;
    (0..4).for_each(|id| old.submit(op::NOP, id, [7, 0, 0, 0, 0, 0]));
    for bell in [old.bell, old.bell + 1, old.bell + 1000, u32::MAX, u32::MAX - 1] {
        ctx.env.kick(bell);
    }
    settle(&mut rig.bound)?;
    check(old.look().is_none(), "a queue of the last session is served")?;
    queue.nop(2)
}

fn ends_in_flight(ctx: &Ctx, op: u16, code: u64) -> Outcome {
    let (mut rig, _, mut queues) = full(ctx)?;
    for queue in queues.iter_mut().flatten() {
        queue.wait_fetched();
        if let Some(done) = queue.look() {
            check(ended(done), "a read")?;
        }
    }
    rig.bound.submit(op, 0, [0, code, 0, 0, 0, 0, 0]);
    rig.bound.kick();
    goes_on(ctx)
}
