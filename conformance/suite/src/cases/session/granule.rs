// SPDX-License-Identifier: MIT OR Apache-2.0
//! A whole session at a granule that is not 4 KiB: areas in the window and donated, calls, payload, events,
//! reset.

use super::desk::Desk;
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::{bind_port, case, expect, op, signal, status, want_entry};
use crate::raw::{self, Bound, Control, load};

const WINDOW: u64 = 1;
const EVENTS: u64 = 2;
const CONSOLE: u64 = 32;

/// The clauses in which the granule counts.
const CLAUSES: &[&str] = &["NEG-3", "GEN-4", "NEG-6", "DISC-8", "VCPU-3"];

/// The cases.
pub const CASES: &[Case] = &[
    case("session.whole-at-16k", CLAUSES, Needs { granules: 1 << 14, ..Needs::NONE }, |ctx| whole(ctx, 14)),
    case("session.whole-at-64k", CLAUSES, Needs { granules: 1 << 16, ..Needs::NONE }, |ctx| whole(ctx, 16)),
];

fn whole(ctx: &Ctx, shift: u32) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let offered = desk.features();
    let mut variants = [offered & !WINDOW, offered];
    if offered & WINDOW == 0 {
        variants[1] = variants[0];
    }
    for features in variants {
        desk.negotiate(features, shift)?;
        let found = (load(&ctx.env.window(), 0x88) >> 32) & 0xffff;
        equal(found, u64::from(shift), "the session's granule")?;
        misaligned(&desk, features, shift)?;
        let mut bound = desk.bind(0, 64, [256, 256])?;
        if features & WINDOW != 0 {
            let at = bound.host.base().addr() - ctx.env.window().base().addr();
            equal(at as u64 & ((1 << shift) - 1), 0, "the area's place in the window, beyond a granule")?;
        }
        work(&mut bound, features)?;
        // By a frame number in the session's granule.
        desk.reset()?;
    }
    // Idle again, the smallest granule counts.
    desk.negotiate(0, desk.smallest())?;
    desk.reset()
}

/// What is aligned to every granule below the session's is not aligned.
fn misaligned(desk: &Desk, features: u64, shift: u32) -> Outcome {
    let (_, at) = raw::pages(desk.env, 4 << shift, 1 << shift)?;
    let (host, good) = (if features & WINDOW != 0 { 0 } else { at + (2 << shift) }, at);
    for off in [1 << (shift - 1), 1 << 12, 64] {
        let bind = |guest, host| {
            let mut request = Control::bind(desk.env, 0, 64, [256, 256], guest);
            request.0[8] = host;
            request
        };
        desk.expect(bind(good + off, host), status::BAD_ALIGNMENT, "a misaligned guest-written area")?;
        if host != 0 {
            desk.expect(bind(good, host + off), status::BAD_ALIGNMENT, "a misaligned host-written area")?;
        }
    }
    Ok(())
}

/// More calls than the queue is deep, payload across a granule's border, an event.
fn work(bound: &mut Bound, features: u64) -> Outcome {
    for value in 0..70 {
        equal(expect(bound, op::NOP, &[value], status::OK, "NOP")?, value, "NOP's value")?;
    }
    if features & CONSOLE != 0 {
        let (text, at) = raw::pages(bound.env, 2 << 16, 1 << 16)?;
        for offset in 0..16 {
            raw::store(&text, (1 << 16) - 64 + offset * 8, u64::from_le_bytes(*b"granule "));
        }
        let args = [at + (1 << 16) - 64, 128];
        let taken = expect(bound, op::CONSOLE_WRITE, &args, status::OK, "CONSOLE_WRITE across a border")?;
        check((1..=128).contains(&taken), "CONSOLE_WRITE took another number of bytes")?;
    }
    if features & EVENTS != 0 {
        bind_port(bound, 3, 0, 1)?;
        for position in 0..3 {
            signal(bound, 3)?;
            want_entry(bound, 1, position, 3)?;
            bound.take_until(1, position + 1);
        }
    }
    Ok(())
}
