// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain that goes on from a saved state: each time it is saved once and restored twice (LIFE-5 to LIFE-8,
//! TIME-7).

use super::{ASKED, Id, Page, repair, repaired};
use crate::case::{Case, Ctx, Fail, Lacks, Needs, Outcome, check, equal};
use crate::cases::tools::order::{self, order_and_wait};
use crate::cases::tools::{bind_port, case, emergency, expect, op, settle, signal, status, wait_until};
use crate::raw::{self, Bound, load};
use tenon_abi::{ConduitFlags, Features};

/// The cases.
pub const CASES: &[Case] = &[
    case("generation.restored", &["LIFE-5", "LIFE-7", "PAGE-7"], ASKED, restored),
    case("generation.restored-often", &["LIFE-5"], ASKED, often),
    case("generation.restored-goes-on", &["LIFE-5", "MET-4"], BUSY, goes_on),
    case("generation.repaired-unfetched", &["LIFE-8"], ASKED, unfetched),
    case("generation.boot-freezes", &["TIME-7"], CLOCKS, |ctx| boot(ctx, 0)),
    case("generation.boot-jumps", &["TIME-7", "TIME-9"], CLOCKS, |ctx| boot(ctx, HOUR)),
];

const BUSY: Needs =
    Needs { features: ASKED.features.union(Features::EVENTS).union(Features::METER), ..Needs::NONE };
const CLOCKS: Needs =
    Needs { features: ASKED.features.union(Features::TIME).union(Features::WINDOW), ..Needs::NONE };
const HOUR: u64 = 3_600_000_000_000;

/// The domain is saved and put back twice, while BOOT goes on by so much.
fn restore(bound: &mut Bound, stood: u64) -> Outcome {
    order_and_wait(bound, b'r', stood)
}

fn restored(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::of(&mut bound)?;
    let (first, sequence) = (page.id()?, page.sequence());
    repaired(&mut bound, first, status::OK, "REPAIRED with the id")?;
    restore(&mut bound, 0)?;
    let second = page.id()?;
    check(second != first, "the id of before the restore")?;
    // It was restored twice.
    check(page.sequence() >= sequence + 2, "a sequence that does not grow with each restore")?;
    repaired(&mut bound, first, status::BAD_STATE, "REPAIRED with the id of before")?;
    repaired(&mut bound, second, status::OK, "REPAIRED with the id of now")?;
    check(page.id()? == second, "an id that changes by itself")
}

fn often(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::of(&mut bound)?;
    let mut seen: [Id; 6] = [page.id()?; 6];
    for round in 1..6 {
        restore(&mut bound, 0)?;
        let id = page.id()?;
        check(seen[..round].iter().all(|other| *other != id), "an id that was there before")?;
        seen[round] = id;
    }
    for id in &seen[..5] {
        repaired(&mut bound, *id, status::BAD_STATE, "REPAIRED with an id of before")?;
    }
    repaired(&mut bound, seen[5], status::OK, "REPAIRED with the id of now")
}

/// Queues, ports and counts go on where they were.
fn goes_on(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    bind_port(&mut bound, 5, 0, 0)?;
    let mut before = [0; 2];
    for round in 0..4 {
        signal(&mut bound, 5)?;
        equal(u64::from(bound.entry(0, round).unwrap_or(u32::MAX)), 5, "the entry of the port")?;
        bound.take_until(0, round + 1);
        let bytes = expect(&mut bound, op::METER_READ, &[1, at, 24], status::OK, "METER_READ")?;
        equal(bytes, 24, "bytes of a row")?;
        let now = [load(&page, 0), load(&page, 16)];
        check(round == 0 || now[0] == before[0] && now[1] > before[1], "counts that do not go on")?;
        before = now;
        restore(&mut bound, 0)?;
    }
    expect(&mut bound, op::EVENT_BIND, &[5, 0, 0], status::EXISTS, "the port is bound")?;
    repair(&mut bound)
}

/// REPAIRED lies in the queue while the domain is saved, and names the id of before.
fn unfetched(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    if load(&ctx.env.window(), 0x18) >> 48 & 1 == 0 {
        // Who looks by itself may fetch it before.
        return Err(Fail::Skip(Lacks::Conduit(ConduitFlags::SYNCHRONOUS)));
    }
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::of(&mut bound)?;
    let first = page.id()?;
    bound.submit(op::REPAIRED, 0, [0, first[0], first[1], 0, 0, 0, 0]);
    // Nobody rings for it.
    let done = emergency(&bound, 0, op::CONSOLE_WRITE, order::words(b'r', 0))?;
    equal(u64::from(done.status), 0, "CONSOLE_WRITE in the emergency lane")?;
    let changed = wait_until(ctx.env, || page.id().is_ok_and(|id| id != first));
    check(changed, "the id of before the restore")?;
    check(bound.look().is_none(), "what nobody rang for is answered")?;
    bound.kick();
    let answer = bound.wait()?;
    equal(u64::from(answer.status), u64::from(status::BAD_STATE), "REPAIRED of before the restore")?;
    // The echo that came with it.
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    expect(&mut bound, op::CONSOLE_READ, &[at, 8], status::OK, "CONSOLE_READ")?;
    let now = page.id()?;
    repaired(&mut bound, now, status::OK, "REPAIRED with the id of now")
}

fn clock(bound: &mut Bound, number: u64) -> Result<u64, Fail> {
    expect(bound, op::CLOCK_READ, &[number], status::OK, "CLOCK_READ")
}

/// How far BOOT is ahead of RUNNING: the page and the calls say the same.
fn ahead(bound: &mut Bound) -> Result<u64, Fail> {
    let at = expect(bound, op::PAGE, &[1, 0], status::OK, "PAGE")? as usize;
    let window = bound.env.window();
    let told = (0..1000).find_map(|_| {
        let sequence = load(&window, at);
        let copy = if sequence & 1 == 0 { 0x40 } else { 0xc0 };
        let jump = load(&window, at + copy + 0x58);
        (load(&window, at) == sequence).then_some(jump)
    });
    let told = told.ok_or(Fail::Failed("the sequence never stands still", 0, 0))?;
    let (before, boot, after) = (clock(bound, 0)?, clock(bound, 1)?, clock(bound, 0)?);
    let fits = boot >= before.saturating_add(told) && boot <= after.saturating_add(told);
    check(fits, "BOOT is not ahead of RUNNING by what the page says")?;
    Ok(told)
}

fn boot(ctx: &Ctx, jump: u64) -> Outcome {
    order::followed(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    for _ in 0..3 {
        let (before, ran) = (ahead(&mut bound)?, clock(&mut bound, 0)?);
        restore(&mut bound, jump)?;
        let (after, runs) = (ahead(&mut bound)?, clock(&mut bound, 0)?);
        equal(after.wrapping_sub(before), jump, "how far BOOT jumped")?;
        // RUNNING goes on where it stood.
        check(runs >= ran && runs - ran < HOUR, "RUNNING went back, or jumped")?;
    }
    settle(&mut bound)?;
    repair(&mut bound)
}
