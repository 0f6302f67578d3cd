// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arming and upcalls, by hand (EVT-11 to EVT-13).
//!
//! A spurious upcall is legal (EVT-13), so a single one that is not owed proves nothing. A host that sends
//! one for every entry, or before every armed position, has not read the armed word: that is a breach of
//! EVT-11.

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check};
use crate::cases::tools::{
    FAR, Upcalls, arm, bind_port, case, no_entry, rest, settle, signal, wait_until, want_entry,
};
use crate::raw::{self, Bound, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("event.arm-at-next", &["EVT-11", "VCPU-8"], Needs::UPCALL, |ctx| arm_at(ctx, 0)),
    case("event.arm-behind-next", &["EVT-11"], Needs::UPCALL, |ctx| arm_at(ctx, 1)),
    case("event.arm-behind-zero", &["EVT-11", "CALL-27"], Needs::UPCALL, |ctx| arm_at(ctx, 1 << 20)),
    case("event.arm-beyond-next", &["EVT-11"], Needs::UPCALL, |ctx| not_yet(ctx, 1)),
    case("event.arm-far", &["EVT-11", "CALL-27"], Needs::UPCALL, |ctx| not_yet(ctx, FAR)),
    case("event.cleared-area-is-armed", &["CALL-27", "EVT-11", "CALL-16"], Needs::UPCALL, cleared),
    case("event.arm-once", &["EVT-11"], Needs::UPCALL, once),
    case("event.arm-classes-apart", &["EVT-11", "EVT-2"], Needs::UPCALL, classes),
    case("event.raised-between-take-and-arm", &["EVT-12", "EVT-8", "EVT-9"], Needs::UPCALL, between),
    case("event.halt-wakes", &["EVT-12", "EVT-11"], Needs::UPCALL, halt_wakes),
];

const PORT: u32 = 5;
const OTHER: u32 = 6;

/// vCPU 0 with two ports in ring 0 and one (8) in ring 1, its upcall set and nothing armed.
fn attach(ctx: &Ctx) -> Result<(Bound, Upcalls), Fail> {
    let mut bound = raw::attach(ctx.env)?;
    for class in 0..2 {
        arm(&bound, class, FAR);
    }
    bind_port(&mut bound, PORT, 0, 0)?;
    bind_port(&mut bound, OTHER, 0, 0)?;
    bind_port(&mut bound, 8, 0, 1)?;
    let upcalls = Upcalls::of(&mut bound, 0, 0)?;
    Ok((bound, upcalls))
}

/// Raises a port whose entry goes to `position`, and takes it.
fn raise(bound: &mut Bound, port: u32, position: u32) -> Outcome {
    signal(bound, port)?;
    want_entry(bound, 0, position, port)?;
    bound.take_until(0, position + 1);
    Ok(())
}

/// Armed `behind` positions before the next entry, modulo 2^32, the upcall is owed with it.
fn arm_at(ctx: &Ctx, behind: u32) -> Outcome {
    let (mut bound, upcalls) = attach(ctx)?;
    for position in 0..4u32 {
        arm(&bound, 0, position.wrapping_sub(behind));
        raise(&mut bound, PORT, position)?;
        upcalls.want("no upcall for an entry at or beyond the armed position")?;
        settle(&mut bound)?;
        upcalls.forget();
    }
    Ok(())
}

/// Armed `beyond` positions after the next entry, no upcall is owed until that is written.
fn not_yet(ctx: &Ctx, beyond: u32) -> Outcome {
    const ROUNDS: u32 = 6;
    let (mut bound, upcalls) = attach(ctx)?;
    let mut early = 0;
    let mut position = 0;
    for _ in 0..ROUNDS {
        arm(&bound, 0, position + beyond);
        raise(&mut bound, PORT, position)?;
        settle(&mut bound)?;
        early += u32::from(upcalls.seen() > 0);
        upcalls.forget();
        position += 1;
        if beyond == 1 {
            raise(&mut bound, OTHER, position)?;
            upcalls.want("no upcall for the entry at the armed position")?;
            settle(&mut bound)?;
            upcalls.forget();
            position += 1;
        }
    }
    match early {
        0 => Ok(()),
        ROUNDS => Err(Fail::Failed("each time an upcall before the armed position", u64::from(early), 0)),
        _ => Err(Fail::Warn("upcalls before the armed position")),
    }
}

/// The armed words of a cleared area are position 0, from which on an upcall is owed; far ahead, none is.
fn cleared(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, PORT, 0, 0)?;
    bind_port(&mut bound, 8, 0, 1)?;
    // Of completions as well: the calls so far owed one, and it is sent when the interrupt is set (VCPU-8).
    let upcalls = Upcalls::count(ctx.env, 0);
    upcalls.set(&mut bound, 0)?;
    upcalls.want("no upcall for completions behind position 0")?;
    store(&bound.guest.0, 0, u64::from(bound.reaped.wrapping_add(FAR)));
    settle(&mut bound)?;
    for (class, port) in [(0, PORT), (1, 8)] {
        upcalls.forget();
        signal(&mut bound, port)?;
        upcalls.want("no upcall for the first entry, with the armed word as BIND found it")?;
        settle(&mut bound)?;
        arm(&bound, class, 1 + FAR);
        bound.take_until(class, 1);
        settle(&mut bound)?;
        upcalls.forget();
        // Far ahead of the next position: at most a spurious one (EVT-13).
        let mut told = 0;
        for position in 1..7 {
            signal(&mut bound, port)?;
            want_entry(&bound, class, position, port)?;
            bound.take_until(class, position + 1);
            settle(&mut bound)?;
            told += u32::from(upcalls.seen() > 0);
            upcalls.forget();
        }
        check(told < 6, "an upcall for each entry of a ring that is armed far ahead")?;
    }
    Ok(())
}

fn once(ctx: &Ctx) -> Outcome {
    const ENTRIES: u32 = 24;
    let (mut bound, upcalls) = attach(ctx)?;
    for position in 0..ENTRIES {
        // The same value, over and over: it was answered by the first upcall.
        arm(&bound, 0, 0);
        raise(&mut bound, PORT, position)?;
        rest(ctx.env);
    }
    upcalls.want("no upcall for an entry beyond the armed position")?;
    settle(&mut bound)?;
    match upcalls.seen() {
        1 => Ok(()),
        few if few < ENTRIES / 2 => Err(Fail::Warn("more upcalls than armed values")),
        many => Err(Fail::Failed("an upcall for each entry, not for each armed value", u64::from(many), 1)),
    }
}

fn classes(ctx: &Ctx) -> Outcome {
    let (mut bound, upcalls) = attach(ctx)?;
    let mut wrong = 0;
    for position in 0..4 {
        arm(&bound, 1, position);
        raise(&mut bound, PORT, position)?;
        settle(&mut bound)?;
        wrong += u32::from(upcalls.seen() > 0);
        upcalls.forget();
        signal(&mut bound, 8)?;
        want_entry(&bound, 1, position, 8)?;
        bound.take_until(1, position + 1);
        upcalls.want("no upcall for an entry of class 1")?;
        settle(&mut bound)?;
        upcalls.forget();
    }
    check(wrong < 4, "each time an upcall for a ring that is not armed")
}

fn between(ctx: &Ctx) -> Outcome {
    let (mut bound, upcalls) = attach(ctx)?;
    let mut position = 0;
    for round in 0..6u32 {
        raise(&mut bound, PORT, position)?;
        position += 1;
        if round % 2 == 0 {
            // Raised after taking and before arming: the look after the fence must find it.
            signal(&mut bound, PORT)?;
            arm(&bound, 0, position);
        } else {
            // Raised after arming: the upcall is owed, whether or not a look comes in time.
            arm(&bound, 0, position);
            signal(&mut bound, PORT)?;
            upcalls.want("no upcall for an entry at the armed position")?;
        }
        want_entry(&bound, 0, position, PORT)?;
        position += 1;
        bound.take_until(0, position);
        arm(&bound, 0, position.wrapping_add(FAR));
        settle(&mut bound)?;
        upcalls.forget();
    }
    no_entry(&mut bound, 0, position, "an entry that nobody raised")
}

fn halt_wakes(ctx: &Ctx) -> Outcome {
    let (mut bound, upcalls) = attach(ctx)?;
    for position in 0..4 {
        let token = ctx.env.enter();
        arm(&bound, 0, position);
        let idle = bound.entry(0, position).is_none();
        // Between the look and the halt: only the upcall can end the halt now.
        let signalled = signal(&mut bound, PORT);
        // A host may answer late, and what wakes may be something else: a bounded number of halts.
        for _ in 0..20 {
            if upcalls.seen() > 0 || signalled.is_err() {
                break;
            }
            ctx.env.halt();
        }
        ctx.env.leave(token);
        signalled?;
        check(idle, "an entry that nobody raised")?;
        check(wait_until(ctx.env, || upcalls.seen() > 0), "a halted vCPU was not woken")?;
        want_entry(&bound, 0, position, PORT)?;
        bound.take_until(0, position + 1);
        settle(&mut bound)?;
        upcalls.forget();
    }
    Ok(())
}
