// SPDX-License-Identifier: MIT OR Apache-2.0
//! Control words that break the protocol, by hand (EVT-8, EVT-11, EVT-20).

use crate::case::{Case, Ctx, Fail, Needs, Outcome, equal};
use crate::cases::tools::{
    bind_port, case, expect, no_entry, op, settle, signal, status, wait_until, want_entry,
};
use crate::raw::{self, Bound, full_fence, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("event.taken-beyond-written", TAKEN, Needs::EVENTS, |ctx| taken(ctx, 3)),
    case("event.taken-far-beyond", TAKEN, Needs::EVENTS, |ctx| taken(ctx, 0x7fff_ffff)),
    case("event.taken-backwards", TAKEN, Needs::EVENTS, |ctx| taken(ctx, 0)),
    case("event.taken-high-half", TAKEN, Needs::EVENTS, |ctx| taken(ctx, 1 | (1 << 32))),
    case("event.armed-high-half", &["EVT-11", "EVT-20", "CALL-15"], Needs::UPCALL, armed_high_half),
    case("event.corrupt-ring-refuses", &["EVT-20", "EVT-17", "EVT-5"], Needs::EVENTS, refuses),
];

const TAKEN: &[&str] = &["EVT-8", "EVT-20", "CALL-15"];
const BAD_TAKEN: u16 = 3;
const BAD_ARMED: u16 = 4;

/// Ring sizes of all cases here.
const SIZE: u32 = 8;

/// Breaks the ring of each class, in a session each, by storing `bad` where `taken` is 1 and 2 entries are
/// written.
fn taken(ctx: &Ctx, bad: u64) -> Outcome {
    for class in 0..2 {
        let mut bound = prepare(ctx, class)?;
        let at = 0x40 + class * 0x40;
        store(&bound.guest.0, at, bad);
        full_fence();
        broken(&mut bound, class, BAD_TAKEN)?;
        no_entry(&mut bound, class, 2, "an entry by the call that finds BAD_TAKEN")?;
        // Honest again: it is too late, until reset.
        store(&bound.guest.0, at, 2);
        full_fence();
        poke(&mut bound, class)?;
        no_entry(&mut bound, class, 2, "an entry in a corrupt ring")?;
        others(&mut bound, class)?;
    }
    Ok(())
}

/// A session with a port of that number in each class. In the ring of `class` the first of two entries is
/// taken, and the host has seen that.
fn prepare(ctx: &Ctx, class: usize) -> Result<Bound, Fail> {
    if !raw::reset(ctx.env) {
        return Err(Fail::Failed("RESET", 0, 0));
    }
    let mut bound = raw::attach_with(ctx.env, 8, [SIZE, SIZE])?;
    for number in 0..2 {
        bind_port(&mut bound, number, 0, number)?;
    }
    let port = class as u32;
    signal(&mut bound, port)?;
    want_entry(&bound, class, 0, port)?;
    bound.take_until(class, 1);
    // The second entry is written because the host has read `taken`.
    signal(&mut bound, port)?;
    want_entry(&bound, class, 1, port)?;
    Ok(bound)
}

/// Raises the port of `class` again: refused, also by the call that finds the breach (EVT-20).
fn poke(bound: &mut Bound, class: usize) -> Outcome {
    let what = "EVENT_SIGNAL that finds its ring corrupt";
    expect(bound, op::EVENT_SIGNAL, &[class as u64], status::BAD_STATE, what).map(|_| ())
}

/// Makes the host look, and waits for the state word.
fn broken(bound: &mut Bound, class: usize, reason: u16) -> Outcome {
    let at = 0x10 + class * 8;
    poke(bound, class)?;
    wait_until(bound.env, || bound.state(at).0 != 1);
    let (state, why, _) = bound.state(at);
    equal(u64::from(state), 2, "the ring's state word does not say CORRUPT")?;
    equal(u64::from(why), u64::from(reason), "the reason in the ring's state word")
}

/// The other ring, the call queue and the emergency lane go on.
fn others(bound: &mut Bound, class: usize) -> Outcome {
    let other = 1 - class;
    for position in 0..3 {
        signal(bound, other as u32)?;
        want_entry(bound, other, position, other as u32)?;
        bound.take_until(other, position + 1);
    }
    settle(bound)?;
    for (at, what) in [
        (0x00, "the state word of the call queue"),
        (0x08, "the state word of the emergency lane"),
        (0x10 + other * 8, "the state word of the other ring"),
    ] {
        equal(u64::from(bound.state(at).0), 1, what)?;
    }
    Ok(())
}

/// What would put entries into a corrupt ring is refused; its ports can leave it.
fn refuses(ctx: &Ctx) -> Outcome {
    for class in 0..2 {
        let mut bound = prepare(ctx, class)?;
        let (ring, other) = (class as u64, 1 - class as u64);
        for port in [5, 6] {
            bind_port(&mut bound, port, 0, class as u32)?;
        }
        store(&bound.guest.0, 0x40 + class * 0x40, 1 << 32);
        full_fence();
        broken(&mut bound, class, BAD_TAKEN)?;
        let refused = status::BAD_STATE;
        expect(&mut bound, op::EVENT_SIGNAL, &[ring], refused, "EVENT_SIGNAL into a corrupt ring")?;
        expect(&mut bound, op::EVENT_BIND, &[7, 0, ring], refused, "EVENT_BIND to a corrupt ring")?;
        expect(&mut bound, op::EVENT_MOVE, &[other, 0, ring], refused, "EVENT_MOVE to a corrupt ring")?;
        // None of them had an effect, and there is a way out.
        signal(&mut bound, other as u32)?;
        want_entry(&bound, 1 - class, 0, other as u32)?;
        bound.take_until(1 - class, 1);
        expect(&mut bound, op::EVENT_UNBIND, &[5], status::OK, "EVENT_UNBIND in a corrupt ring")?;
        expect(&mut bound, op::EVENT_SIGNAL, &[5], status::NOT_FOUND, "a port that was released")?;
        expect(&mut bound, op::EVENT_MOVE, &[6, 0, other], status::OK, "EVENT_MOVE out of a corrupt ring")?;
        signal(&mut bound, 6)?;
        want_entry(&bound, 1 - class, 1, 6)?;
        no_entry(&mut bound, class, 2, "an entry in a corrupt ring")?;
    }
    Ok(())
}

fn armed_high_half(ctx: &Ctx) -> Outcome {
    for class in 0..2 {
        let mut bound = prepare(ctx, class)?;
        let at = 0x48 + class * 0x40;
        bound.take_until(class, 2);
        store(&bound.guest.0, at, 2 | (1 << 63));
        full_fence();
        // The host looks at it once it has written an entry.
        broken(&mut bound, class, BAD_ARMED)?;
        want_entry(&bound, class, 2, class as u32)?;
        store(&bound.guest.0, at, 2);
        bound.take_until(class, 3);
        poke(&mut bound, class)?;
        no_entry(&mut bound, class, 3, "an entry in a corrupt ring")?;
        others(&mut bound, class)?;
    }
    // Until reset.
    let mut bound = prepare(ctx, 1)?;
    bound.take_until(1, 2);
    signal(&mut bound, 1)?;
    want_entry(&bound, 1, 2, 1)
}
