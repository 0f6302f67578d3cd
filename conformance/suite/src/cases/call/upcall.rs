// SPDX-License-Identifier: MIT OR Apache-2.0
//! Upcalls for completions, by hand. A spurious upcall is legal at any time, so what is looked for is that
//! none is missing.

use crate::case::{Case, Ctx, Needs, Outcome, equal};
use crate::cases::tools::{Upcalls, case, op, status};
use crate::raw::{self, Bound, full_fence, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.upcall", &["CALL-16"], Needs::UPCALL, upcall),
    case("call.upcall-beyond", &["CALL-16"], Needs::UPCALL, beyond),
    case("call.upcall-wraps", &["CALL-16"], Needs::UPCALL, wraps),
];

/// Arms completions from a position on (CALL-16).
fn arm(bound: &Bound, position: u32) {
    store(&bound.guest.0, 0x00, u64::from(position));
    full_fence();
}

fn nops(bound: &mut Bound, count: u16) -> Outcome {
    for id in 0..count {
        bound.submit(op::NOP, id, [0; 7]);
    }
    bound.kick();
    for _ in 0..count {
        equal(u64::from(bound.wait()?.status), u64::from(status::OK), "NOP")?;
    }
    Ok(())
}

/// Half the circle ahead of the next completion: nothing is owed for a long while.
fn disarm(bound: &Bound) {
    arm(bound, bound.reaped.wrapping_add(0x7fff_ffff));
}

fn upcall(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    disarm(&bound);
    let upcalls = Upcalls::of(&mut bound, 0, 0)?;
    for _ in 0..8 {
        upcalls.forget();
        let next = bound.reaped;
        arm(&bound, next);
        nops(&mut bound, 1)?;
        upcalls.want("no upcall for the completion at the armed position")?;
        disarm(&bound);
    }
    Ok(())
}

fn beyond(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    disarm(&bound);
    let upcalls = Upcalls::of(&mut bound, 0, 1)?;
    for ahead in [3u32, 1, 31, 7] {
        upcalls.forget();
        let next = bound.reaped;
        arm(&bound, next.wrapping_add(ahead));
        // The last of a batch is the one that it was armed for.
        nops(&mut bound, ahead as u16 + 1)?;
        upcalls.want("no upcall for a completion in a batch")?;
        // Armed with what was written long ago: the next completion is beyond it.
        upcalls.forget();
        arm(&bound, next);
        nops(&mut bound, 1)?;
        upcalls.want("no upcall for a completion beyond the armed position")?;
        disarm(&bound);
    }
    Ok(())
}

fn wraps(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    disarm(&bound);
    let upcalls = Upcalls::of(&mut bound, 0, 2)?;
    // Behind position 0, on the other side of the wrap: the next completion is beyond each of them. No value
    // comes twice, for one that is stored again is no other value to a host that did not look in between.
    for behind in [1, 3, 0x100, 0x7000_0000] {
        upcalls.forget();
        let next = bound.reaped;
        arm(&bound, next.wrapping_sub(behind));
        nops(&mut bound, 1)?;
        upcalls.want("no upcall beyond an armed position across the wrap")?;
        disarm(&bound);
    }
    Ok(())
}
