// SPDX-License-Identifier: MIT OR Apache-2.0
//! Control requests as such, by hand.

use super::desk::{BAD_SESSION, Desk, Random, settle};
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::{case, op, status};
use crate::raw::{self, Control, load, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("session.control-reserved", &["GEN-5", "SES-3"], Needs::NONE, reserved),
    case("session.control-unknown-op", &["SES-3"], Needs::NONE, unknown_op),
    case("session.control-without-magic", &["SES-3"], Needs::NONE, without_magic),
    case("session.control-ticket", &["SES-4"], Needs::NONE, ticket),
    case("session.control-other-session", &["SES-5"], Needs::NONE, other_session),
    case("session.control-order-of-checks", &["GEN-9", "SES-3", "SES-5"], Needs::NONE, order),
    case("session.control-random", &["GEN-7"], Needs::NONE, random),
];

/// Bits of each word of a request that an operation may set: NEGOTIATE, BIND, RESET. The words are those of
/// the table: word 1 holds op, reserved0 and ticket, word 2 session and vCPU, word 3 version and granule,
/// word 4 features, word 5 depth and events0, word 6 events1 and reserved1, words 7 and 8 the areas, the rest
/// reserved2.
const USED: [[u64; 16]; 3] = {
    let (all, low, high) = (u64::MAX, 0xffff_ffff, 0xffff_ffff_0000_0000);
    let head = high | 0xffff;
    [
        [all, head, low, all, all, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [all, head, all, 0, 0, all, low, all, all, 0, 0, 0, 0, 0, 0, 0],
        [all, head, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
};

/// Spoils each unused 16 bits of a request in turn; each time it is refused.
fn spoil(desk: &Desk, request: Control, used: &[u64; 16], what: &'static str) -> Outcome {
    for (index, used) in used.iter().enumerate() {
        for lane in 0..4 {
            let low = 1u64 << (16 * lane);
            let top = low << 15;
            // One bit of each field, the lowest or the highest by turns.
            let bit = if (index + lane) % 2 == 0 { low } else { top };
            if used & bit != 0 {
                continue;
            }
            let mut bad = request;
            bad.0[1] = Control::new(desk.env, bad.0[1] as u16).0[1];
            bad.0[index] |= bit;
            desk.expect(bad, status::BAD_RESERVED, what)?;
        }
    }
    Ok(())
}

fn reserved(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let [negotiate, bind, reset] = &USED;
    let features = desk.features() & !1;
    let request = Control::negotiate(ctx.env, features, desk.smallest());
    spoil(&desk, request, negotiate, "NEGOTIATE with a reserved bit")?;
    equal(load(&ctx.env.window(), 0x88), 0, "a refused NEGOTIATE opened the session")?;
    desk.negotiate(features, desk.smallest())?;
    let (_, guest) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let (_, host) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    let mut request = Control::bind(ctx.env, 0, 64, [16, 16], guest);
    request.0[8] = host;
    spoil(&desk, request, bind, "BIND with a reserved bit")?;
    let session = desk.session();
    spoil(&desk, Control::reset(ctx.env), reset, "RESET with a reserved bit")?;
    equal(desk.session(), session, "a refused RESET ended the session")?;
    // Had one of the refused ones bound the vCPU, this would find it.
    let mut request = Control::bind(ctx.env, 0, 64, [16, 16], guest);
    request.0[8] = host;
    desk.expect(request, status::OK, "BIND after refused ones").map(|_| ())
}

fn unknown_op(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for open in [false, true] {
        let before = [desk.session(), load(&ctx.env.window(), 0x88)];
        for op in [0, 4, 5, 0x00ff, 0x0100, 0x0103, 0x7fff, 0x8001, 0xffff] {
            desk.expect(Control::new(ctx.env, op), status::NOT_SUPPORTED, "an unknown control op")?;
        }
        equal(desk.session(), before[0], "an unknown op changed the session")?;
        equal(load(&ctx.env.window(), 0x88), before[1], "an unknown op changed `active`")?;
        if !open {
            desk.open()?;
        }
    }
    Ok(())
}

fn without_magic(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let frame = (desk.scratch.1 >> desk.smallest()) as u32;
    let session = desk.session();
    let request = Control::reset(ctx.env);
    for (index, word) in request.0.iter().enumerate() {
        store(&desk.scratch.0, index * 8, *word);
    }
    let magic = request.0[0];
    let record = u64::from_le_bytes(*b"Tenon\0DR");
    for bad in [0, record, magic ^ 1, magic ^ (1 << 63), magic.swap_bytes(), magic & 0xffff_ffff, u64::MAX] {
        store(&desk.scratch.0, 0, bad);
        desk.unanswered(frame, "a request without the magic is answered")?;
        equal(desk.session(), session, "a request without the magic took effect")?;
    }
    // The magic alone was missing.
    store(&desk.scratch.0, 0, magic);
    raw::full_fence();
    ctx.env.bind(frame);
    let window = ctx.env.window();
    let answered = (0..ctx.env.patience()).any(|_| {
        ctx.env.relax();
        load(&window, 0xa0) == request.0[1] & !0xffff_ffff
    });
    check(answered, "the same request with the magic is not answered")
}

fn ticket(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let window = ctx.env.window();
    let last = load(&window, 0xa0) >> 32;
    for ticket in [0x8000_0000, u64::from(u32::MAX), 0, 1, 0x1234_5678, last ^ 1] {
        if ticket == load(&window, 0xa0) >> 32 {
            continue;
        }
        // A refusal, so that status and ticket both show.
        let mut request = Control::new(ctx.env, 0);
        request.0[1] = ticket << 32;
        desk.expect(request, status::NOT_SUPPORTED, "an unknown op")?;
        equal(load(&window, 0xa0), (ticket << 32) | 1, "control_result")?;
    }
    // An answer's value is in place before its ticket: the offset of the area.
    for _ in 0..4 {
        desk.open()?;
        let mut bound = desk.bind(0, 64, [16, 16])?;
        equal(bound.call(op::NOP, [6, 0, 0, 0, 0, 0])?.value, 6, "NOP at the value's offset")?;
        desk.reset()?;
    }
    Ok(())
}

fn other_session(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let (_, guest) = raw::pages(ctx.env, 0x2000, 0x1_0000)?;
    for open in [false, true] {
        let before = [desk.session(), load(&ctx.env.window(), 0x88)];
        let number = before[0] >> 32;
        let seed = before[0] & 0xffff_ffff;
        for other in [number.wrapping_sub(1), number + 1, 0, u64::from(u32::MAX), number ^ (1 << 31), seed] {
            let other = other & 0xffff_ffff;
            if other == number {
                continue;
            }
            for request in [
                Control::negotiate(ctx.env, 0, desk.smallest()),
                Control::bind(ctx.env, 0, 64, [16, 16], guest),
                Control::reset(ctx.env),
            ] {
                let mut request = request;
                request.0[1] = Control::new(ctx.env, request.0[1] as u16).0[1];
                request.0[2] = (request.0[2] & !0xffff_ffff) | other;
                desk.expect(request, BAD_SESSION, "a request of another session")?;
            }
        }
        equal(desk.session(), before[0], "a request of another session changed the session")?;
        equal(load(&ctx.env.window(), 0x88), before[1], "a request of another session changed `active`")?;
        if !open {
            desk.open()?;
        }
    }
    Ok(())
}

/// Requests that break several rules at once.
fn order(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let elsewhere = |mut request: Control| {
        request.0[2] ^= 1 << 31;
        request.0[15] = 1;
        request
    };
    for open in [false, true] {
        let unknown = elsewhere(Control::new(ctx.env, 9));
        desk.expect(unknown, status::NOT_SUPPORTED, "an unknown op of another session")?;
        let bind = Control::bind(ctx.env, u32::MAX, 3, [0, 5], 1);
        desk.expect(elsewhere(bind), BAD_SESSION, "a request of another session with a reserved bit")?;
        let mut reserved = Control::bind(ctx.env, u32::MAX, 3, [0, 5], 1);
        reserved.0[15] = 1 << 63;
        desk.expect(reserved, status::BAD_RESERVED, "a reserved bit beside other breaches")?;
        let (status, value) = desk.ask(Control::bind(ctx.env, u32::MAX, 3, [0, 5], 1))?;
        let allowed: &[u16] = if open {
            &[status::BAD_ARGUMENT, status::BAD_ALIGNMENT, status::BAD_RANGE]
        } else {
            &[status::BAD_STATE, status::BAD_ARGUMENT, status::BAD_ALIGNMENT, status::BAD_RANGE]
        };
        check(allowed.contains(&status), "none of the rules that it breaks")?;
        equal(value, 0, "the value of what was refused")?;
        if !open {
            desk.open()?;
        }
    }
    Ok(())
}

fn random(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut random = Random::new(ctx.seed ^ 0x5e55);
    let (_, area) = raw::pages(ctx.env, 0x2_0000, 0x1_0000)?;
    for _ in 0..100 {
        let mut request = Control::new(ctx.env, random.below(5) as u16);
        for word in &mut request.0[2..] {
            *word = match random.below(8) {
                // Mostly what a reserved field has to be, so that something gets past that check.
                0 => random.word(),
                1 => random.below(0x100),
                2 => area + random.below(4) * 0x4000,
                _ => 0,
            };
        }
        if random.below(8) != 0 {
            request.0[2] = (request.0[2] & !0xffff_ffff) | (desk.session() >> 32);
        }
        let (status, _) = desk.ask(request)?;
        check(status <= 17, "a status that is not in the table")?;
    }
    // Frames of any number, among them the one that holds the last request.
    for _ in 0..50 {
        ctx.env.bind(random.word() as u32);
    }
    settle(ctx.env);
    desk.reset()?;
    desk.open()?;
    let mut bound = desk.bind(0, 64, [16, 16])?;
    equal(bound.call(op::NOP, [8, 0, 0, 0, 0, 0])?.value, 8, "NOP after random control requests")
}
