// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arbitrary submissions, tails and kicks, by hand. Whatever comes of them, they come of them once, and the
//! next session works.

use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::session::desk::{Desk, Random, settle, wait_corrupt};
use crate::cases::tools::{case, op};
use crate::raw::{self, full_fence, load, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.random-submissions", &["GEN-7", "CALL-7", "CALL-13"], Needs::NONE, submissions),
    case("call.random-tails", &["GEN-7", "CALL-6", "CALL-15"], Needs::NONE, tails),
    case("call.random-areas", &["GEN-7", "DISC-7"], Needs::NONE, areas),
];

/// WINDOW, EVENTS and CONSOLE: nothing of these ends the machine, starts a CPU at a random place or injects a
/// random vector.
const HARMLESS: u64 = 1 | (1 << 1) | (1 << 5);

/// The session after all of this is like any other.
fn is_usable(desk: &Desk) -> Outcome {
    desk.reset()?;
    let mut bound = desk.attach(desk.features(), 16)?;
    for value in 0..20 {
        equal(bound.call(op::NOP, [value, 0, 0, 0, 0, 0])?.value, value, "NOP in the next session")?;
    }
    Ok(())
}

fn submissions(ctx: &Ctx) -> Outcome {
    const KNOWN: [u16; 9] = [
        op::NOP,
        op::PROBE,
        op::CANCEL,
        op::REGION_QUERY,
        op::EVENT_BIND,
        op::EVENT_UNBIND,
        op::EVENT_MOVE,
        op::EVENT_SIGNAL,
        op::CONSOLE_WRITE,
    ];
    let desk = Desk::new(ctx.env)?;
    let mut random = Random::new(ctx.seed ^ 0x5ab);
    let mut bound = desk.attach(desk.features() & HARMLESS, 32)?;
    let (_, page) = raw::pages(ctx.env, 0x1000, 0x1000)?;
    for _ in 0..16 {
        for id in 0..16 {
            let op = match random.below(4) {
                0 => random.word() as u16,
                _ => KNOWN[random.below(KNOWN.len() as u64) as usize],
            };
            // A read with a good range would stay in flight.
            let op = if op == op::CONSOLE_READ { op::NOP } else { op };
            let mut words = [0; 7];
            if random.below(4) == 0 {
                words[0] = random.word() & random.word() & random.word();
            }
            for word in &mut words[1..] {
                *word = match random.below(8) {
                    0 => random.word(),
                    1 => random.below(0x80),
                    2 => page,
                    3 => u64::MAX,
                    _ => 0,
                };
            }
            bound.submit(op, id, words);
        }
        bound.kick();
        let mut seen = 0u32;
        for _ in 0..16 {
            let done = bound.wait()?;
            check(
                done.id < 16 && seen & (1 << done.id) == 0,
                "a completion for no or for the same submission",
            )?;
            seen |= 1 << done.id;
            check(done.status <= 17, "a status that is not in the table")?;
            check(done.status == 0 || done.value == 0, "a value with a status other than OK")?;
        }
    }
    equal(u64::from(bound.state(0).0), 1, "valid ids and turns made the queue corrupt")?;
    is_usable(&desk)
}

fn tails(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut random = Random::new(ctx.seed ^ 0x7a11);
    for _ in 0..6 {
        let mut bound = desk.attach(desk.features() & HARMLESS, 16)?;
        for _ in 0..24 {
            if random.below(3) == 0 {
                let turn = random.word() as u32;
                if turn != bound.seed.wrapping_add(bound.next).wrapping_add(1) {
                    bound.submit_with_turn(random.word() as u16, random.word() as u16, [u64::MAX; 7], turn);
                    bound.kick();
                    check(bound.look().is_none(), "a slot with another turn was fetched")?;
                }
            }
            let id = random.below(18) as u16;
            let position = bound.next;
            bound.submit(op::NOP, id, [0; 7]);
            bound.kick();
            if id < 16 {
                equal(u64::from(bound.wait()?.id), u64::from(id), "the id")?;
            } else {
                let (reason, at) = wait_corrupt(&bound, 0)?;
                equal(u64::from(reason), 1, "the reason")?;
                equal(u64::from(at), u64::from(position), "the position")?;
                break;
            }
        }
        desk.reset()?;
    }
    is_usable(&desk)
}

fn areas(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut random = Random::new(ctx.seed ^ 0xa3ea5);
    for _ in 0..4 {
        let bound = desk.attach(desk.features() & HARMLESS, 4)?;
        let words = (0x200 + 4 * 64) / 8;
        for _ in 0..12 {
            for _ in 0..16 {
                let word = random.below(words) as usize * 8;
                // Now and then what makes a slot count, so that not all of it stays unseen.
                let value = match random.below(3) {
                    0 => {
                        let turn = bound.seed.wrapping_add(random.below(6) as u32).wrapping_add(1);
                        random.below(0x0400) | (random.below(5) << 16) | (u64::from(turn) << 32)
                    }
                    1 => random.below(8),
                    _ => random.word(),
                };
                store(&bound.guest.0, word, value);
            }
            full_fence();
            ctx.env.kick(random.below(2) as u32);
        }
        settle(ctx.env);
        let state = load(&bound.host, 0) & 0xffff;
        check(state == 1 || state == 2, "a state that no bound queue has")?;
        desk.reset()?;
    }
    is_usable(&desk)
}
