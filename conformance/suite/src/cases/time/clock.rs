// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks by call and by page (TIME-1 to TIME-10).

use super::{BOOT, RUNNING, TIME, UTC, by_formula, by_page, kind, read};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::page::{Page, TIME as PAGED};
use crate::cases::tools::{case, expect, op, second, status};
use crate::raw::{self, Bound};
use core::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::Features;

/// The cases.
pub const CASES: &[Case] = &[
    case("time.clock-read", &["TIME-1", "TIME-2", "TIME-7", "TIME-10"], TIME, by_call),
    case("time.goes-on", &["TIME-1", "TIME-7"], TIME, goes_on),
    case("time.utc-known-or-not", &["TIME-2", "TIME-3", "TIME-8"], PAGED, utc),
    case("time.page-copy", &["TIME-3", "TIME-4", "TIME-5", "TIME-7", "TIME-8", "GEN-5"], WINDOW, copy),
    case("time.page-and-call", &["TIME-5", "TIME-6", "TIME-10"], WINDOW, page_and_call),
    case("time.page-never-back", &["TIME-7", "TIME-5", "PAGE-3"], WINDOW, never_back),
    case("time.two-vcpus-never-back", &["TIME-4", "TIME-7"], SMP, two_vcpus),
    case("time.marker-stays", &["TIME-9"], WINDOW, marker),
];

const WINDOW: Needs = Needs { features: PAGED.features.union(Features::WINDOW), ..Needs::NONE };
const SMP: Needs = Needs {
    features: PAGED.features.union(Features::WINDOW).union(Features::SMP).union(Features::EVENTS),
    vcpus: 2,
    ..Needs::NONE
};
const ROUNDS: u32 = 200;

fn by_call(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let mut last = [0; 2];
    for _ in 0..ROUNDS {
        let running = read(&mut bound, RUNNING)?;
        let boot = read(&mut bound, BOOT)?;
        check(running >= last[0] && boot >= last[1], "a clock has stepped back")?;
        check(boot >= running, "BOOT is behind RUNNING")?;
        last = [running, boot];
    }
    Ok(())
}

/// A clock that stands is none. The environment's own clock says how long to wait, and no more.
fn goes_on(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (running, boot) = (read(&mut bound, RUNNING)?, read(&mut bound, BOOT)?);
    for _ in 0..ctx.env.patience() {
        if read(&mut bound, RUNNING)? > running && read(&mut bound, BOOT)? > boot {
            return Ok(());
        }
        ctx.env.relax();
    }
    Err(Fail::Failed("a clock stands", running, boot))
}

fn utc(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let done = bound.call(op::CLOCK_READ, [UTC, 0, 0, 0, 0, 0])?;
    match done.status {
        status::OK => {
            let again = read(&mut bound, UTC)?;
            // It may step, and a minute between two calls is one.
            check(again.abs_diff(done.value) < 60_000_000_000, "UTC is no clock")
        }
        status::BAD_STATE => equal(done.value, 0, "the value of a clock that is not known"),
        other => Err(Fail::Failed("CLOCK_READ of UTC", u64::from(other), 0)),
    }
}

fn copy(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let copy = Page::in_window(&mut bound)?.copy()?;
    let [kind, shift, valid, flags] = [0, 16, 32, 48].map(|shift| copy[5] >> shift & 0xffff);
    check(kind <= 4 && shift <= 63, "a counter kind or a shift that cannot be")?;
    check(valid & !7 == 0 && valid & 3 == 3, "RUNNING and BOOT are told, UTC may be, and no other clock")?;
    check(flags & !7 == 0, "a flag that there is not")?;
    if kind == 0 {
        equal(copy[0] | copy[1] | copy[6], 0, "fields of a counter that is not there")?;
    } else {
        check(copy[1] != 0, "a counter that stands")?;
    }
    equal(copy[3], copy[2].saturating_add(copy[11]), "BOOT is RUNNING and boot_jump")?;
    let [leap, smear] = [32, 48].map(|shift| copy[12] >> shift & 0xffff);
    check(leap <= 5 && smear <= 2, "a leap state or a smearing that there is not")?;
    check(copy[13] & 0xffff <= 4, "a status of UTC that there is not")?;
    if flags & 1 == 0 {
        equal(copy[12] & 0xffff_ffff, 0, "a TAI offset that is not known")?;
    }
    if valid & 4 == 0 {
        equal(copy[4] | copy[10] | copy[12] | copy[13], 0, "fields of UTC, which is not told")?;
    }
    equal(copy[13] >> 16 | copy[14] | copy[15], 0, "a reserved field")
}

/// What a call says lies between what the page says before it and behind it.
fn page_and_call(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::in_window(&mut bound)?;
    for _ in 0..ROUNDS {
        for clock in [RUNNING, BOOT] {
            let before = by_page(&bound, &page, clock)?;
            let called = read(&mut bound, clock)?;
            let after = by_page(&bound, &page, clock)?;
            let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
            if called < before {
                return Err(Fail::Failed("the call is behind the page", called, before));
            }
            if called > after {
                return Err(Fail::Failed("the call is ahead of the page", called, after));
            }
        }
    }
    Ok(())
}

fn never_back(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::in_window(&mut bound)?;
    // Long enough to see the host write its page, where it does so more than once in a second.
    let end = read(&mut bound, RUNNING)?.saturating_add(1_200_000_000);
    let (mut last, mut sequence) = ([0; 2], 0);
    loop {
        for _ in 0..500 {
            check(page.sequence() >= sequence, "the sequence has become smaller")?;
            sequence = page.sequence();
            for (clock, last) in [RUNNING, BOOT].into_iter().zip(&mut last) {
                let Some(now) = by_page(&bound, &page, clock)? else { return Ok(()) };
                if now < *last {
                    return Err(Fail::Failed("the page has stepped back", now, *last));
                }
                *last = now;
            }
        }
        let called = read(&mut bound, RUNNING)?;
        check(called >= last[0], "the call is behind the page")?;
        last[0] = called;
        if called >= end {
            return Ok(());
        }
    }
}

/// The largest value that any CPU has read.
static LARGEST: AtomicU64 = AtomicU64::new(0);
/// Where the page lies in the window, for the second CPU.
static PAGE: AtomicU64 = AtomicU64::new(0);
/// By how much the second CPU has read less than the first had before.
static BEHIND: AtomicU64 = AtomicU64::new(0);

/// One reading, and by how much it is less than what any CPU has read before it.
fn compare(bound: &Bound, page: &Page) -> Result<Option<u64>, Fail> {
    let largest = LARGEST.load(Ordering::SeqCst);
    let Some(now) = by_page(bound, page, RUNNING)? else { return Ok(None) };
    LARGEST.fetch_max(now, Ordering::SeqCst);
    Ok(Some(largest.saturating_sub(now)))
}

/// Readings between two rests: a processor that is emulated takes 50 microseconds for each.
const AT_ONCE: u32 = 20;

fn two_vcpus(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 64, [16, 16])?;
    let other = raw::bind(ctx.env, scratch, shift, 1, 16, [16, 16])?;
    let at = expect(&mut bound, op::PAGE, &[1, 0], status::OK, "PAGE")?;
    let page = Page::new(ctx.env.window(), at as usize);
    if ctx.env.counter(kind(&page.copy()?)).is_none() {
        return Ok(());
    }
    LARGEST.store(0, Ordering::SeqCst);
    BEHIND.store(0, Ordering::SeqCst);
    PAGE.store(at, Ordering::SeqCst);
    second::with(&mut bound, other, reader, |bound| {
        second::wait_for(bound, 1, "the vCPU does not run")?;
        for _ in 0..200 {
            for _ in 0..AT_ONCE {
                let behind = compare(bound, &page)?.unwrap_or(0);
                equal(behind, 0, "this vCPU is behind the other one")?;
            }
            ctx.env.relax();
        }
        equal(BEHIND.load(Ordering::SeqCst), 0, "the other vCPU is behind this one")
    })
}

fn reader(_: u32) {
    let Some(bound) = second::take() else { return };
    let page = Page::new(bound.env.window(), PAGE.load(Ordering::SeqCst) as usize);
    while !second::quit() {
        for _ in 0..AT_ONCE {
            if let Ok(Some(behind)) = compare(&bound, &page) {
                BEHIND.fetch_max(behind, Ordering::SeqCst);
            }
        }
        second::count();
        bound.env.relax();
    }
}

/// Nothing that a guest does is a disruption.
fn marker(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::in_window(&mut bound)?;
    let before = page.copy()?;
    check(raw::reset(ctx.env), "RESET")?;
    let mut bound = raw::attach(ctx.env)?;
    let after = Page::in_window(&mut bound)?.copy()?;
    // UTC is the host's to step; where it did not, nothing else is there to tell.
    let stepped = by_formula(&before, UTC, after[0]).abs_diff(after[4]) > 500_000_000;
    if before[11] == after[11] && !stepped {
        equal(after[7], before[7], "a disruption that nothing has caused")?;
    }
    Ok(())
}
