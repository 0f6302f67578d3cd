// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waits for a back end that does not come back, and what does not (DEV-12, DEV-14). Whoever runs the
//! machine holds a disk's back end where a case asks for it (REP-5).

use super::change::{ask, ask_and_wait, new_disk, take_away};
use super::rig::{Arena, DISK, Info, NO_PORT, Queue, Rig};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::BAD_SESSION;
use crate::cases::tools::{INLINE, case, emergency, expect, op, settle, status, wait_longer, wait_until};
use crate::raw::{self, Bound, Control, full_fence, load, store};
use tenon_abi::Features;

const ASKED: Needs = Needs { features: DISK.features.union(Features::CONSOLE), ..Needs::NONE };
/// The cases.
pub const CASES: &[Case] = &[
    case("device.held-queue-closes-late", &["DEV-11", "DEV-12"], ASKED, close_waits),
    case("device.held-device-closes-late", &["DEV-12"], ASKED, device_waits),
    case("device.held-others-go-on", &["DEV-14"], ASKED, others),
    case("device.held-another-disk-goes-on", &["DEV-14"], ASKED, another_disk),
    case("device.reset-waits", &["DEV-12", "SES-4"], ASKED, reset_waits),
    case("device.reset-waits-session-works", &["DEV-12", "CALL-23"], ASKED, session_works),
    case("device.reset-takes-over", &["DEV-12", "SES-8"], ASKED, takes_over),
    case("device.request-in-flight-has-its-id", &["CALL-6", "CALL-7"], ASKED, same_id),
    case("device.cancelled-has-no-effect", &["BLK-10", "CALL-22"], ASKED, cancelled),
];

/// A disk whose back end holds, with one read in flight.
fn hold(ctx: &Ctx) -> Result<(Rig, Info, Queue), Fail> {
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    // A read that is late is not one that is held: whoever holds the back end says when it does.
    ask_and_wait(&mut rig.bound, b'h', &info, 1)?;
    let (_, buffer) = rig.arena.take(4096)?;
    queue.submit(op::READ, 1, [0, buffer, 512, 0, 0, 1]);
    queue.kick();
    // Nothing waits for what is not fetched (DEV-11).
    queue.wait_fetched();
    settle(&mut rig.bound)?;
    if queue.look().is_some() {
        return Err(Fail::Warn("whoever runs the machine holds no disk"));
    }
    Ok((rig, info, queue))
}

/// Lets the back end go on.
fn go_on(bound: &mut Bound, info: &Info) -> Outcome {
    ask(bound, b'h', info, 0)
}

/// The read that was held has to complete now.
fn read_ends(queue: &mut Queue) -> Outcome {
    let done = queue.wait()?;
    let fits = match done.status {
        status::OK => done.value == 512,
        status::INDETERMINATE => done.value == 0,
        _ => false,
    };
    check(fits && done.id == 1, "what became of the read that was held")
}

/// A call that is not answered while the back end holds, and OK when it goes on; meanwhile `body`.
fn waits(
    rig: &mut Rig,
    info: &Info,
    (op, arg): (u16, u64),
    body: impl FnOnce(&mut Rig) -> Outcome,
) -> Outcome {
    rig.bound.submit(op, 9, [0, arg, 0, 0, 0, 0, 0]);
    rig.bound.kick();
    settle(&mut rig.bound)?;
    check(rig.bound.look().is_none(), "answered although a back end has the queue")?;
    let outcome = body(rig);
    // Asked by hand: the answer of what waits may come first.
    rig.bound.submit(op::CONSOLE_WRITE, 10, super::change::asking(b'h', info, 0));
    rig.bound.kick();
    for _ in 0..2 {
        let done = rig.bound.wait_longer("what waited for a back end")?;
        check(done.id == 10 || done.id == 9 && done.status == status::OK, "what waited for a back end")?;
    }
    outcome
}

fn close_waits(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = hold(ctx)?;
    let name = info.queue(0);
    waits(&mut rig, &info, (op::QUEUE_CLOSE, name), |rig| {
        equal(queue.state().0.into(), 1, "the state word of a queue that closes")?;
        expect(&mut rig.bound, op::QUEUE_CLOSE, &[name], status::BAD_STATE, "closing it once more")?;
        let parts = [name, queue.depth.into(), NO_PORT, queue.guest.1, queue.host.1];
        let done = rig.bound.call(op::QUEUE_OPEN, [parts[0], parts[1], parts[2], parts[3], parts[4], 0])?;
        check([status::EXISTS, status::BAD_STATE].contains(&done.status), "opening it meanwhile")
    })?;
    read_ends(&mut queue)?;
    equal(queue.state().0.into(), 0, "the state word afterwards")?;
    rig.again(&info, 0, NO_PORT, &mut queue)?;
    queue.nop(1)
}

fn device_waits(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = hold(ctx)?;
    let (_, guest) = rig.arena.take(4096)?;
    let (_, host) = rig.arena.take(4096)?;
    waits(&mut rig, &info, (op::DEVICE_CLOSE, info.number), |rig| {
        expect(&mut rig.bound, op::DEVICE_CLOSE, &[info.number], status::BAD_STATE, "closing it once more")?;
        let args = [info.queue(info.max_queues - 1), 1, NO_PORT, guest, host, 0];
        expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::BAD_STATE, "a queue of it").map(|_| ())
    })?;
    read_ends(&mut queue)?;
    rig.open(&info, 0, NO_PORT)
}

fn others(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = hold(ctx)?;
    // Queues of other devices, and the call queue.
    let outcome = super::super::net::carries(&mut rig);
    let calls = (0..20).try_for_each(|value| {
        equal(rig.bound.call(op::NOP, [value, 0, 0, 0, 0, 0])?.value, value, "the call queue")
    });
    go_on(&mut rig.bound, &info)?;
    read_ends(&mut queue)?;
    outcome.and(calls)
}

/// A disk that came is used while the first one is held.
fn another_disk(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = hold(ctx)?;
    let outcome = uses_another(&mut rig);
    go_on(&mut rig.bound, &info)?;
    read_ends(&mut queue)?;
    outcome
}

fn uses_another(rig: &mut Rig) -> Outcome {
    let other = new_disk(rig)?;
    let held = core::mem::replace(&mut rig.arena, Arena::new(rig.bound.env, 1 << 16)?);
    rig.open(&other, 0, NO_PORT)?;
    let mut queue = rig.requests(&other, 0, other.depth().min(16), NO_PORT)?;
    let (_, buffer) = rig.arena.take(4096)?;
    for round in 0..8 {
        queue.nop(round)?;
        let args = [0, buffer, 512, 0, 0, 1];
        queue.expect(op::WRITE, &args, status::OK, "WRITE of another disk")?;
        queue.expect(op::READ, &args, status::OK, "READ of another disk")?;
        queue.expect(op::FLUSH, &[], status::OK, "FLUSH of another disk")?;
    }
    rig.close(&other)?;
    rig.arena = held;
    take_away(rig, &other)
}

/// Writes a RESET and hands it over, without waiting.
fn post(bound: &Bound, request: Control) -> u32 {
    for (index, word) in request.0.iter().enumerate() {
        store(&bound.scratch.0, index * 8, *word);
    }
    full_fence();
    bound.env.bind((bound.scratch.1 >> raw::granule_shift(bound.env)) as u32);
    (request.0[1] >> 32) as u32
}

/// The ticket and the status that the record shows.
fn answer(bound: &Bound) -> (u32, u16) {
    let word = load(&bound.env.window(), 0xa0);
    ((word >> 32) as u32, word as u16)
}

/// Posts a RESET that waits, and lets it come to its end whatever `body` says. `body` gives the ticket that
/// is to be answered.
fn resets(ctx: &Ctx, body: impl FnOnce(&mut Rig, &mut Queue, u32, &Info) -> Result<u32, Fail>) -> Outcome {
    let (mut rig, info, mut queue) = hold(ctx)?;
    let session = load(&ctx.env.window(), 0x80);
    let ticket = post(&rig.bound, Control::reset(ctx.env));
    settle(&mut rig.bound)?;
    let waits = answer(&rig.bound).0 != ticket && load(&ctx.env.window(), 0x80) == session;
    let outcome = body(&mut rig, &mut queue, ticket, &info);
    // No answer may come to this: the session ends.
    rig.bound.submit(op::CONSOLE_WRITE, 10, super::change::asking(b'h', &info, 0));
    rig.bound.kick();
    let ended = wait_longer(ctx.env, || load(&ctx.env.window(), 0x80) != session);
    check(waits, "RESET is answered although a back end has a queue")?;
    let last = outcome?;
    check(ended, "RESET never takes effect")?;
    check(wait_longer(ctx.env, || answer(&rig.bound).0 == last), "the ticket of the last RESET")?;
    equal(answer(&rig.bound).1.into(), 0, "RESET")?;
    let (_rig, _, mut queue) = Rig::disk_queue(ctx)?;
    queue.nop(3)
}

fn reset_waits(ctx: &Ctx) -> Outcome {
    resets(ctx, |rig, queue, ticket, _| {
        equal(queue.state().0.into(), 1, "the state word")?;
        settle(&mut rig.bound)?;
        Ok(ticket)
    })
}

fn session_works(ctx: &Ctx) -> Outcome {
    resets(ctx, |rig, _, ticket, _| {
        for value in 0..8 {
            equal(rig.bound.call(op::NOP, [value, 0, 0, 0, 0, 0])?.value, value, "the call queue")?;
        }
        let done = emergency(&rig.bound, 0, op::CONSOLE_WRITE, [INLINE | 2 << 32, 0x0a21, 0, 0, 0, 0, 0])?;
        equal(done.status.into(), 0, "the console by the emergency lane")?;
        let done = emergency(&rig.bound, 1, op::NOP, [0, 5, 0, 0, 0, 0, 0])?;
        equal(done.value, 5, "the emergency lane")?;
        Ok(ticket)
    })
}

fn takes_over(ctx: &Ctx) -> Outcome {
    resets(ctx, |rig, _, ticket, _| {
        // A kernel that came in between knows the record alone.
        let mut other = Control::reset(ctx.env);
        other.0[1] = 3 | u64::from(ticket.wrapping_add(7)) << 32;
        let taken = post(&rig.bound, other);
        settle(&mut rig.bound)?;
        check(answer(&rig.bound).0 != taken, "the second RESET does not wait")?;
        // Every other request is refused, and the one that waits goes on waiting.
        let mut negotiate = Control::negotiate(ctx.env, 0, raw::granule_shift(ctx.env));
        negotiate.0[1] = 1 | u64::from(ticket.wrapping_add(9)) << 32;
        let asked = post(&rig.bound, negotiate);
        check(wait_longer(ctx.env, || answer(&rig.bound).0 == asked), "NEGOTIATE while RESET waits")?;
        equal(answer(&rig.bound).1.into(), status::BAD_STATE.into(), "NEGOTIATE while RESET waits")?;
        let mut stale = Control::reset(ctx.env);
        stale.0[1] = 3 | u64::from(ticket.wrapping_add(11)) << 32;
        stale.0[2] = stale.0[2].wrapping_add(1) & 0xffff_ffff;
        let asked = post(&rig.bound, stale);
        check(wait_longer(ctx.env, || answer(&rig.bound).0 == asked), "RESET of another session")?;
        equal(answer(&rig.bound).1.into(), BAD_SESSION.into(), "RESET of another session")?;
        Ok(taken)
    })
}

fn same_id(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = hold(ctx)?;
    let position = queue.next;
    queue.submit(op::NOP, 1, [5, 0, 0, 0, 0, 0]);
    queue.kick();
    // A back end that fetches while it holds finds the breach; one that does not finds it later, or never.
    let env = rig.bound.env;
    let found = wait_until(env, || queue.state().0 != 1);
    go_on(&mut rig.bound, &info)?;
    if !found {
        return Ok(());
    }
    check(queue.corrupt()? == (2, position), "reason DUPLICATE_ID, and the position")?;
    rig.close_queue(&info, 0)?;
    rig.again(&info, 0, NO_PORT, &mut queue)?;
    queue.nop(2)
}

/// A WRITE behind one that is held, and its CANCEL.
fn cancelled(ctx: &Ctx) -> Outcome {
    let (mut rig, info, mut queue) = hold(ctx)?;
    let (page, buffer) = rig.arena.take(4096)?;
    store(&page, 0, 0xdead_beef);
    queue.submit(op::WRITE, 2, [4096, buffer, 512, 0, 0, 1]);
    queue.submit(op::CANCEL, 3, [2, 0, 0, 0, 0, 0]);
    queue.kick();
    settle(&mut rig.bound)?;
    go_on(&mut rig.bound, &info)?;
    let (mut wrote, mut value) = (None, None);
    for _ in 0..3 {
        let done = queue.wait()?;
        match done.id {
            1 => equal(done.status.into(), 0, "the read that was held")?,
            2 => wrote = Some(done.status),
            3 => value = Some(done.value),
            id => return Err(Fail::Failed("a completion for another id", id.into(), 0)),
        }
    }
    let (none, done) = ((Some(status::CANCELLED), Some(1)), (Some(status::OK), Some(0)));
    check((wrote, value) == none || (wrote, value) == done, "CANCEL and what it cancels")?;
    store(&page, 0, 0);
    queue.expect(op::READ, &[4096, buffer, 512, 0, 0, 1], status::OK, "READ")?;
    let there = load(&page, 0) == 0xdead_beef;
    queue.expect(op::ZERO, &[4096, 512, 0], status::OK, "ZERO")?;
    check(!there || (wrote, value) == done, "a WRITE that was cancelled has an effect")
}
