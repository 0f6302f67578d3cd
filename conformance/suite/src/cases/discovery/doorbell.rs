// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kicks and binds.

use crate::case::{Case, Ctx, Fail, Lacks, Needs, Outcome, check, equal};
use crate::cases::session::desk::{Desk, Random, settle};
use crate::cases::tools::{case, op};
use crate::env::Bell;
use crate::raw::{self, Control, load, store};
use tenon_abi::{ConduitFlags, ConduitKind};

/// The cases.
pub const CASES: &[Case] = &[
    case("discovery.kick-unbound", &["DISC-7", "GEN-7"], Needs::NONE, kick_unbound),
    case("discovery.kick-spurious", &["DISC-7"], Needs::NONE, kick_spurious),
    case("discovery.kick-merged-and-late", &["DISC-7", "CALL-14"], Needs::NONE, kick_merged),
    case(
        "discovery.kick-of-one-queue",
        &["DISC-7", "VCPU-7"],
        Needs { vcpus: 2, ..Needs::NONE },
        kick_of_one_queue,
    ),
    case("discovery.bind-names-a-frame", &["DISC-8"], Needs::NONE, bind_names_a_frame),
    case("discovery.bind-outside", &["DISC-8", "SES-3", "GEN-7"], Needs::NONE, bind_outside),
    case("discovery.synchronous", &["DISC-6", "DISC-10"], Needs::NONE, synchronous),
    case("discovery.user-mode", &["DISC-11", "DISC-12"], Needs::NONE, user_mode),
];

/// Queue numbers that no guest has bound, the largest included.
const STRANGE: [u32; 10] = [0, 1, 2, 3, 63, 0x7fff, 0xffff, 0x1_0000, 0x8000_0000, u32::MAX];

fn kick_unbound(ctx: &Ctx) -> Outcome {
    let window = ctx.env.window();
    let before = [load(&window, 0x80), load(&window, 0x88), load(&window, 0xa0)];
    let mut random = Random::new(ctx.seed);
    for queue in STRANGE {
        ctx.env.kick(queue);
    }
    for _ in 0..32 {
        ctx.env.kick(random.word() as u32);
    }
    settle(ctx.env);
    for (offset, before) in [0x80, 0x88, 0xa0].into_iter().zip(before) {
        equal(load(&window, offset), before, "a kick of an unbound queue changed the record")?;
    }
    let mut bound = raw::attach(ctx.env)?;
    for queue in STRANGE {
        ctx.env.kick(queue);
    }
    equal(u64::from(bound.state(0).0), 1, "state after strange kicks")?;
    equal(bound.call(op::NOP, [3, 0, 0, 0, 0, 0])?.value, 3, "NOP after strange kicks")
}

fn kick_spurious(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for value in 0..8 {
        bound.kick();
        bound.kick();
        check(bound.look().is_none(), "a completion for nothing but a kick")?;
        bound.submit(op::NOP, 5, [0, value, 0, 0, 0, 0, 0]);
        bound.kick();
        bound.kick();
        let done = bound.wait()?;
        equal(done.value, value, "NOP among spurious kicks")?;
        bound.kick();
    }
    settle(ctx.env);
    check(bound.look().is_none(), "a repeated kick completed something twice")?;
    equal(u64::from(bound.state(0).0), 1, "state after spurious kicks")
}

fn kick_merged(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    // Three laps of batches; each is published long before its one kick.
    for lap in 0..3u64 {
        for id in 0..64u16 {
            bound.submit(op::NOP, id, [0, lap * 64 + u64::from(id), 0, 0, 0, 0, 0]);
        }
        settle(ctx.env);
        bound.kick();
        for _ in 0..64 {
            let done = bound.wait()?;
            equal(u64::from(done.status), 0, "status")?;
            equal(done.value, lap * 64 + u64::from(done.id), "NOP in a batch")?;
        }
    }
    Ok(())
}

fn kick_of_one_queue(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    desk.open()?;
    let mut first = desk.bind(0, 64, [16, 16])?;
    let mut second = desk.bind(1, 64, [16, 16])?;
    // Each queue is served for its own number; a coarser doorbell may serve both.
    for value in 0..4 {
        equal(second.call(op::NOP, [value, 0, 0, 0, 0, 0])?.value, value, "NOP of vCPU 1, queue 2")?;
        equal(first.call(op::NOP, [!value, 0, 0, 0, 0, 0])?.value, !value, "NOP of vCPU 0, queue 0")?;
    }
    Ok(())
}

fn bind_names_a_frame(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let shift = desk.smallest();
    let size = 1usize << shift;
    let (pages, at) = raw::pages(ctx.env, 4 * size, size)?;
    let window = ctx.env.window();
    let first = load(&window, 0xa0) >> 32;
    // Unknown ops, so that each frame's answer is its ticket and nothing else happens.
    for frame in 0..4usize {
        let mut request = Control::new(ctx.env, 0x7000);
        request.0[1] = 0x7000 | (((first + 10 + frame as u64) & 0xffff_ffff) << 32);
        for (index, word) in request.0.iter().enumerate() {
            store(&pages, frame * size + index * 8, *word);
        }
    }
    for frame in [2u64, 0, 3, 1, 3] {
        raw::full_fence();
        ctx.env.bind(((at >> shift) + frame) as u32);
        let ticket = (first + 10 + frame) & 0xffff_ffff;
        let answered = (0..ctx.env.patience()).any(|_| {
            ctx.env.relax();
            load(&window, 0xa0) >> 32 == ticket
        });
        check(answered, "the request in the frame that was handed over is not answered")?;
        equal(load(&window, 0xa0) & 0xffff_ffff, 1, "an unknown op's status")?;
    }
    Ok(())
}

fn bind_outside(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let len = load(&ctx.env.window(), 0x58);
    for open in [false, true] {
        let shift = raw::granule_shift(ctx.env);
        // The first frame beyond region 0, and frames whose offset needs more than 32 bits.
        let beyond = len.div_ceil(1 << shift);
        for frame in [beyond, beyond + 1, u64::from(u32::MAX), 0x8000_0000] {
            let inside = frame << shift < len;
            if let (false, Ok(frame)) = (inside, u32::try_from(frame)) {
                desk.unanswered(frame, "a frame outside region 0 is answered")?;
            }
        }
        if !open {
            desk.open()?;
        }
    }
    desk.reset()
}

fn synchronous(ctx: &Ctx) -> Outcome {
    let flags = load(&ctx.env.window(), 0x18) >> 48;
    if flags & 1 == 0 {
        return Err(Fail::Skip(Lacks::Conduit(ConduitFlags::SYNCHRONOUS)));
    }
    let mut bound = raw::attach(ctx.env)?;
    for value in 0..16 {
        bound.submit(op::NOP, 0, [0, value, 0, 0, 0, 0, 0]);
        bound.kick();
        // Not one look more than the first.
        let done = bound.look().ok_or(Fail::Failed("nothing in memory when the kick returned", value, 0))?;
        equal(done.value, value, "NOP")?;
    }
    let request = Control::reset(ctx.env);
    for (index, word) in request.0.iter().enumerate() {
        store(&bound.scratch.0, index * 8, *word);
    }
    raw::full_fence();
    ctx.env.bind((bound.scratch.1 >> raw::granule_shift(ctx.env)) as u32);
    let result = load(&ctx.env.window(), 0xa0);
    equal(result, request.0[1] & !0xffff_ffff, "the control result when the bind returned")
}

fn user_mode(ctx: &Ctx) -> Outcome {
    // A function call has no level below it.
    if raw::record(ctx.env).conduit.get() == ConduitKind::CALL.0 {
        return Err(Fail::Skip(Lacks::Kind(ConduitKind::CALL)));
    }
    let record = raw::record(ctx.env);
    let shared = record.conduit.get() == ConduitKind::SHARED.0;
    let mut bound = raw::attach(ctx.env)?;
    let ring = |bell| match ctx.env.doorbell_from_user_mode(bell) {
        // The processor refuses, or the host gets time to do what it must not.
        Some(true) => Ok(()),
        Some(false) => {
            settle(ctx.env);
            let is_hypercall = record.conduit.get() == ConduitKind::HYPERCALL.0;
            let offered = record.conduit_flags.get() & 2 == 2;
            check(!is_hypercall || offered, "hypercalls are open to user mode, and PRIVILEGED is not offered")
        }
        // A device's pages are closed by the guest's kernel alone: no host has a part in it.
        None if shared => Err(Fail::Skip(Lacks::Kind(ConduitKind::SHARED))),
        None => Err(Fail::Error("this environment has no user mode")),
    };
    bound.submit(op::NOP, 0, [0, 3, 0, 0, 0, 0, 0]);
    settle(ctx.env);
    // A host that looks without a kick cannot be caught by one.
    let waits_for_kick = bound.look().is_none();
    ring(Bell::Kick(0))?;
    if waits_for_kick {
        check(bound.look().is_none(), "a kick from user mode is served")?;
        bound.kick();
        equal(bound.wait()?.value, 3, "NOP, kicked by the kernel")?;
    }
    // An unknown op: its answer is its ticket, and nothing else happens.
    let request = Control::new(ctx.env, 0x7000);
    for (index, word) in request.0.iter().enumerate() {
        store(&bound.scratch.0, index * 8, *word);
    }
    let before = load(&ctx.env.window(), 0xa0);
    raw::full_fence();
    ring(Bell::Bind((bound.scratch.1 >> raw::granule_shift(ctx.env)) as u32))?;
    equal(load(&ctx.env.window(), 0xa0), before, "a bind from user mode is answered")?;
    let answer = bound.control(request).ok_or(Fail::Failed("the kernel's bind is not answered", 0, 0))?;
    equal(u64::from(answer.0), 1, "an unknown op's status")?;
    equal(bound.call(op::NOP, [4, 0, 0, 0, 0, 0])?.value, 4, "NOP afterwards")
}
