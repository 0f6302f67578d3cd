// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host wants, memory that is added, and the port that tells of both, by hand (MEM-3 to MEM-5).
//! Whoever runs the machine does what these cases write to the console (REP-5).

use super::{Desk, Info, ground, whole};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::order::{self, order};
use crate::cases::tools::{bind_port, case, expect, no_entry, op, status, wait_longer, want_entry};
use crate::raw::{self, Bound, LONGER};
use tenon_abi::Features;

const WATCH: Needs = Needs { features: Features::MEMORY.union(Features::EVENTS), ..Needs::NONE };
const ASKED: Needs = Needs { features: WATCH.features.union(Features::CONSOLE), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("memory.watch-misuse", &["MEM-5", "CALL-28", "CALL-11"], WATCH, misuse),
    case("memory.target-is-told", &["MEM-4", "MEM-5"], ASKED, told),
    case("memory.target-is-a-wish", &["MEM-4"], ASKED, wish),
    case("memory.target-in-bounds", &["MEM-4"], ASKED, bounds),
    case("memory.another-port-watches", &["MEM-5"], ASKED, another),
    case("memory.watch-ends-with-unbind", &["MEM-5", "EVT-5"], ASKED, unbound),
    case("memory.watch-ends-with-reset", &["MEM-5", "SES-6"], ASKED, reset),
    case("memory.added", &["MEM-3", "MEM-5", "REG-1"], ASKED, added),
];

/// Asks for a target, and waits until MEMORY_INFO says it.
pub(super) fn want(bound: &mut Bound, desk: &Desk, target: u64, shown: u64) -> Outcome {
    order::followed(bound.env)?;
    // An order that changes nothing may be done at any time later, and would be news then.
    if desk.info(bound)?.target == shown {
        return Ok(());
    }
    order(bound, b't', target)?;
    for _ in 0..bound.env.patience().saturating_mul(LONGER) {
        if desk.info(bound)?.target == shown {
            return Ok(());
        }
        bound.env.relax();
    }
    Err(Fail::Failed("the target is not that which was asked for", desk.info(bound)?.target, shown))
}

fn set_up(ctx: &Ctx) -> Result<(Bound, Desk, Info), Fail> {
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    // What an earlier case wanted is no news.
    let memory = desk.info(&mut bound)?.memory;
    let wanted = desk.info(&mut bound)?.granule;
    want(&mut bound, &desk, memory, memory / wanted * wanted)?;
    let info = desk.info(&mut bound)?;
    Ok((bound, desk, info))
}

/// The host wants everything again, for the cases that follow.
fn done(bound: &mut Bound, desk: &Desk, info: &Info) -> Outcome {
    want(bound, desk, info.memory, info.memory / info.granule * info.granule)
}

fn watch(bound: &mut Bound, port: u64) -> Outcome {
    expect(bound, op::MEMORY_WATCH, &[port], status::OK, "MEMORY_WATCH").map(|_| ())
}

fn misuse(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let ports = u64::from(raw::record(ctx.env).max_ports.get());
    for (port, wanted, what) in [
        (3, status::NOT_FOUND, "a port that is not bound"),
        (ports - 1, status::NOT_FOUND, "the last port"),
        (ports, status::BAD_ARGUMENT, "a port beyond the last"),
        (1 << 32, status::BAD_ARGUMENT, "port 2^32"),
        (u64::MAX, status::BAD_ARGUMENT, "port 2^64 - 1"),
    ] {
        expect(&mut bound, op::MEMORY_WATCH, &[port], wanted, what)?;
    }
    expect(&mut bound, op::MEMORY_WATCH, &[3, 1], status::BAD_RESERVED, "an unused argument")?;
    bind_port(&mut bound, 3, 0, 0)?;
    watch(&mut bound, 3)?;
    // As often as one likes.
    watch(&mut bound, 3)
}

fn told(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info) = set_up(ctx)?;
    bind_port(&mut bound, 9, 0, 1)?;
    watch(&mut bound, 9)?;
    let less = (info.memory - 4 * info.granule) / info.granule * info.granule;
    for (position, target) in (0u32..).zip([less, less + info.granule, less]) {
        want(&mut bound, &desk, target, target)?;
        want_entry(&bound, 1, position, 9)?;
        bound.take_until(1, position + 1);
    }
    no_entry(&mut bound, 1, 3, "a change that is told twice")?;
    done(&mut bound, &desk, &info)
}

fn wish(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info) = set_up(ctx)?;
    let (_, at) = ground(ctx.env, &info, 2)?;
    // A guest that gives nothing is served, and so is one that has less than its host wants.
    want(&mut bound, &desk, 0, 0)?;
    expect(&mut bound, op::NOP, &[7], status::OK, "NOP")?;
    equal(desk.info(&mut bound)?.given, 0, "bytes that are given")?;
    done(&mut bound, &desk, &info)?;
    whole(&mut bound, &info, op::GIVE, at, 2 * info.granule)?;
    let now = desk.info(&mut bound)?;
    equal(now.given, 2 * info.granule, "bytes that are given")?;
    equal(now.memory, info.memory, "memory does not shrink by what is given")?;
    whole(&mut bound, &info, op::TAKE, at, 2 * info.granule)
}

fn bounds(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info) = set_up(ctx)?;
    let most = info.memory / info.granule * info.granule;
    for (asked, shown) in [
        (0, 0),
        (1, 0),
        (info.granule + 1, info.granule),
        (2 * info.granule - 1, info.granule),
        (info.memory + info.granule, most),
        (u64::MAX, most),
    ] {
        want(&mut bound, &desk, asked, shown)?;
    }
    done(&mut bound, &desk, &info)
}

fn another(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info) = set_up(ctx)?;
    bind_port(&mut bound, 5, 0, 0)?;
    bind_port(&mut bound, 6, 0, 1)?;
    watch(&mut bound, 5)?;
    watch(&mut bound, 6)?;
    let less = (info.memory - info.granule) / info.granule * info.granule;
    want(&mut bound, &desk, less, less)?;
    want_entry(&bound, 1, 0, 6)?;
    no_entry(&mut bound, 0, 0, "a port that does not watch any more is told")?;
    done(&mut bound, &desk, &info)
}

fn unbound(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, info) = set_up(ctx)?;
    bind_port(&mut bound, 5, 0, 0)?;
    watch(&mut bound, 5)?;
    expect(&mut bound, op::EVENT_UNBIND, &[5], status::OK, "EVENT_UNBIND")?;
    // The same number is another port now.
    bind_port(&mut bound, 5, 0, 0)?;
    let less = (info.memory - info.granule) / info.granule * info.granule;
    want(&mut bound, &desk, less, less)?;
    no_entry(&mut bound, 0, 0, "a port that was released is told")?;
    done(&mut bound, &desk, &info)
}

fn reset(ctx: &Ctx) -> Outcome {
    let (mut bound, _, info) = set_up(ctx)?;
    bind_port(&mut bound, 5, 0, 0)?;
    watch(&mut bound, 5)?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    bind_port(&mut bound, 5, 0, 0)?;
    let less = (info.memory - info.granule) / info.granule * info.granule;
    want(&mut bound, &desk, less, less)?;
    no_entry(&mut bound, 0, 0, "a port of the last session is told")?;
    // What the host wants goes on.
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let mut bound = raw::attach(ctx.env)?;
    let desk = Desk::new(ctx.env)?;
    equal(desk.info(&mut bound)?.target, less, "the target in the next session")?;
    done(&mut bound, &desk, &info)
}

fn added(ctx: &Ctx) -> Outcome {
    let (mut bound, desk, before) = set_up(ctx)?;
    let old: [(u64, u64); 16] =
        core::array::from_fn(
            |index| if (index as u64) < before.pieces { desk.piece(index as u64) } else { (0, 0) },
        );
    bind_port(&mut bound, 5, 0, 0)?;
    watch(&mut bound, 5)?;
    let len = before.granule.max(1 << 16);
    order(&mut bound, b'a', len)?;
    let env = bound.env;
    let mut now = before;
    let came = wait_longer(env, || {
        now = desk.info(&mut bound).unwrap_or(before);
        now.memory != before.memory
    });
    if !came {
        return Err(Fail::Warn("whoever runs the machine adds no memory"));
    }
    check(wait_longer(env, || bound.entry(0, 0).is_some()), "the port that watches is not told")?;
    want_entry(&bound, 0, 0, 5)?;
    equal(now.memory, before.memory + len, "bytes of memory")?;
    check(now.given == 0 && now.pieces >= before.pieces, "pieces of memory")?;
    // One piece is new, or longer, and nothing has gone.
    let mut new = None;
    for index in 0..now.pieces.min(16) {
        let (start, long) = desk.piece(index);
        match old.iter().find(|(at, len)| *len != 0 && *at == start) {
            Some((_, len)) if *len == long => {}
            Some((_, len)) => new = Some(start + len),
            None => new = Some(start),
        }
    }
    let at = new.ok_or(Fail::Failed("no piece is new", now.pieces, before.pieces))?;
    check(at + len <= raw::record(env).region0_len.get(), "memory beyond region0_len")?;
    // It was a hole, and is memory: it can be given, and comes back as zeros.
    let at = at.next_multiple_of(now.granule);
    whole(&mut bound, &now, op::GIVE, at, now.granule)?;
    equal(desk.info(&mut bound)?.given, now.granule, "bytes that are given")?;
    whole(&mut bound, &now, op::TAKE, at, now.granule)?;
    if !crate::kit::is_closed(env) {
        expect(&mut bound, op::CONSOLE_WRITE, &[at + len - 1, 1], status::OK, "its last byte as payload")?;
    }
    Ok(())
}
