// SPDX-License-Identifier: MIT OR Apache-2.0
//! RESET and what is left of a session, by hand.

use super::desk::{BAD_SESSION, Desk, settle, wait_corrupt};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::call::held::hold_read;
use crate::cases::tools::{case, op, status};
use crate::raw::{self, Control, load, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("session.number-and-seed", &["SES-1", "CALL-5"], Needs::NONE, number_and_seed),
    case("session.reset-in-every-state", &["SES-6", "NEG-5"], Needs::NONE, in_every_state),
    case("session.reset-in-flight", &["SES-6", "SES-7"], Needs::CONSOLE, in_flight),
    case("session.reset-forgets", &["SES-6"], Needs::EVENTS, forgets),
    case("session.reset-lets-go", &["SES-6", "SES-7", "CALL-2"], Needs::NONE, lets_go),
    case("session.reset-same-number-twice", &["SES-5", "SES-1"], Needs::NONE, same_number_twice),
    case("session.stale-pages", &["SES-1", "CALL-4", "CALL-5"], Needs::NONE, stale_pages),
    case("session.kexec", &["SES-8", "GEN-4"], Needs::NONE, kexec),
];

fn number_and_seed(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let window = ctx.env.window();
    // The longest ring of this host: none of its first turns, seed + 1 to seed + length, is zero.
    let longest = (load(&window, 0x40) >> 32).max(load(&window, 0x48) & 0xffff_ffff);
    for lap in 0..24 {
        if lap % 3 == 0 {
            desk.open()?;
        }
        let before = desk.session();
        desk.reset()?;
        let now = desk.session();
        check(now >> 32 != before >> 32, "the session number did not change")?;
        let step = (now as u32).wrapping_sub(before as u32);
        equal(u64::from(step & 1), 1, "the seed's step is not odd")?;
        check((now & 0xffff_ffff) + longest <= 0xffff_ffff, "a turn of the first lap is zero")?;
    }
    Ok(())
}

fn in_every_state(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let window = ctx.env.window();
    let ended = |before: u64| {
        desk.reset()?;
        check(desk.session() >> 32 != before >> 32, "RESET did not end the session")?;
        equal(load(&window, 0x88), 0, "active after RESET")?;
        equal(load(&window, 0x90), 0, "active_features after RESET")
    };
    // Idle, twice; negotiated; bound; at work; with what was published and not kicked; corrupt.
    ended(desk.session())?;
    ended(desk.session())?;
    desk.open()?;
    ended(desk.session())?;
    for state in 0..4 {
        desk.open()?;
        let mut bound = desk.bind(0, 64, [16, 16])?;
        match state {
            0 => {}
            1 => drop(bound.call(op::NOP, [1, 0, 0, 0, 0, 0])?),
            2 => (0..64).for_each(|id| bound.submit(op::NOP, id, [0; 7])),
            _ => {
                bound.submit(op::NOP, 64, [0; 7]);
                bound.kick();
                wait_corrupt(&bound, 0)?;
            }
        }
        ended(desk.session())?;
    }
    desk.open()?;
    let mut bound = desk.bind(0, 64, [16, 16])?;
    equal(bound.call(op::NOP, [2, 0, 0, 0, 0, 0])?.value, 2, "NOP after many resets")
}

fn in_flight(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for _ in 0..3 {
        // Donated, so that the old area cannot be the next session's.
        let mut old = desk.attach(desk.features() & !1, 64)?;
        let buffer = raw::pages(ctx.env, 0x1000, 0x1000)?;
        hold_read(&mut old, 9, buffer.1, 64)?;
        desk.reset()?;
        settle(ctx.env);
        check(old.look().is_none(), "a request in flight got a completion by RESET")?;
        // One read is in flight for a domain: the old one is not any more.
        let mut new = desk.attach(desk.features(), 64)?;
        hold_read(&mut new, 3, buffer.1, 64)?;
        let cancelled = new.call(op::CANCEL, [9, 0, 0, 0, 0, 0])?;
        equal(cancelled.value, 0, "CANCEL of the last session's id")?;
        desk.reset()?;
        check(old.look().is_none(), "a completion in the memory of an old session")?;
        check(new.look().is_none(), "a completion after RESET")?;
    }
    Ok(())
}

fn forgets(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for _ in 0..3 {
        let mut bound = desk.attach(desk.features(), 16)?;
        let signal = bound.call(op::EVENT_SIGNAL, [7, 0, 0, 0, 0, 0])?;
        equal(u64::from(signal.status), 9, "EVENT_SIGNAL of a port of the last session")?;
        // Each is free: port, class, and each of the 16 entries.
        for port in 0..16 {
            let done = bound.call(op::EVENT_BIND, [port, 0, 1, 0, 0, 0])?;
            equal(u64::from(done.status), 0, "EVENT_BIND in a new session")?;
        }
        equal(u64::from(bound.call(op::EVENT_SIGNAL, [7, 0, 0, 0, 0, 0])?.status), 0, "EVENT_SIGNAL")?;
        desk.reset()?;
    }
    Ok(())
}

fn lets_go(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut old = desk.attach(desk.features() & !1, 16)?;
    for value in 0..5 {
        old.call(op::NOP, [value, 0, 0, 0, 0, 0])?;
    }
    desk.reset()?;
    // The old area now holds what the host of the old session would have fetched and answered.
    for id in 0..8 {
        old.submit(op::NOP, id, [0, 77, 0, 0, 0, 0, 0]);
    }
    let words = old.host.byte_len() / 8;
    for index in 0..words {
        store(&old.host, index * 8, 0xdead_0000_0000_0000 | index as u64);
    }
    old.kick();
    ctx.env.kick(1);
    settle(ctx.env);
    let mut new = desk.attach(desk.features(), 16)?;
    old.kick();
    for value in 0..20 {
        equal(new.call(op::NOP, [value, 0, 0, 0, 0, 0])?.value, value, "NOP of the next session")?;
    }
    for index in 0..words {
        let found = load(&old.host, index * 8);
        equal(found, 0xdead_0000_0000_0000 | index as u64, "the memory of an old session was written")?;
    }
    Ok(())
}

fn same_number_twice(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    desk.open()?;
    // As two vCPUs would that read the record at the same time.
    let (first, mut second) = (Control::reset(ctx.env), Control::reset(ctx.env));
    second.0[1] = second.0[1].wrapping_add(1 << 32);
    desk.expect(first, status::OK, "the first RESET")?;
    let between = desk.session();
    desk.expect(second, BAD_SESSION, "the second RESET with the same number")?;
    equal(desk.session(), between, "two resets of one session ended two sessions")
}

fn stale_pages(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut old = desk.attach(desk.features(), 16)?;
    let (guest, at) = old.guest;
    // Every slot has been used, and the last lap is left as it was published.
    for _ in 0..2 {
        for id in 0..16 {
            old.submit(op::NOP, id, [0, 1, 0, 0, 0, 0, 0]);
        }
        old.kick();
        for _ in 0..16 {
            old.wait()?;
        }
    }
    for lap in 0..3 {
        desk.reset()?;
        desk.open()?;
        // Not cleared, against SES-2: the turns alone have to tell.
        let mut request = Control::bind(ctx.env, 0, 16, [16, 16], at);
        let donated = raw::pages(ctx.env, 0x1000, 0x1_0000)?;
        let in_window = load(&ctx.env.window(), 0x90) & 1 != 0;
        request.0[8] = if in_window { 0 } else { donated.1 };
        let value = desk.expect(request, status::OK, "BIND over stale pages")?;
        let host = if in_window {
            tenon_rings::Words::slice(&ctx.env.window(), value as usize / 8, 0x1000 / 8)
                .ok_or(Fail::Failed("the area lies outside the window", value, 0))?
        } else {
            donated.0
        };
        let mut bound = raw::Bound {
            env: ctx.env,
            scratch: desk.scratch,
            guest: (guest, at),
            host,
            vcpu: 0,
            depth: 16,
            events: [16, 16],
            seed: desk.session() as u32,
            next: 0,
            reaped: 0,
        };
        bound.kick();
        ctx.env.kick(1);
        settle(ctx.env);
        check(bound.look().is_none(), "a stale submission was fetched")?;
        // One more call than slots: behind each of them lies another stale one.
        for call in 0..17 + lap {
            equal(bound.call(op::NOP, [call, 0, 0, 0, 0, 0])?.value, call, "NOP over stale pages")?;
            check(bound.look().is_none(), "a stale submission was fetched behind a new one")?;
        }
    }
    Ok(())
}

fn kexec(ctx: &Ctx) -> Outcome {
    // The old kernel: the largest granule, everything bound, calls published, a queue corrupt. It is gone
    // without a word.
    let before = {
        let desk = Desk::new(ctx.env)?;
        desk.negotiate(desk.features(), desk.largest())?;
        let mut bound = desk.bind(0, 64, [16, 16])?;
        bound.call(op::NOP, [1, 0, 0, 0, 0, 0])?;
        bound.submit(op::NOP, 0xfff, [0; 7]);
        bound.kick();
        wait_corrupt(&bound, 0)?;
        desk.session()
    };
    // The new one: the record is all that it has.
    let window = ctx.env.window();
    let active = load(&window, 0x88);
    equal(active >> 48, 1, "the session state in `active`")?;
    let desk = Desk::new(ctx.env)?;
    let request = Control::reset(ctx.env);
    let shift = ((active >> 32) & 0xffff) as u32;
    match request.send(ctx.env, &desk.scratch.0, desk.scratch.1, shift) {
        Some((0, _)) => {}
        Some((status, _)) => return Err(Fail::Failed("RESET of a session found open", status.into(), 0)),
        None => return Err(Fail::Failed("RESET of a session found open is not answered", 0, 0)),
    }
    let now = desk.session();
    check(now >> 32 != before >> 32, "the session number did not change")?;
    equal((now ^ before) & 1, 1, "the seed's step is not odd")?;
    let mut bound = desk.attach(desk.features(), 16)?;
    for value in 0..32 {
        equal(bound.call(op::NOP, [value, 0, 0, 0, 0, 0])?.value, value, "NOP of the new kernel")?;
    }
    Ok(())
}
