// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shim's clocks: by page, by call and bracketed, on one CPU and on two (TIME-2 to TIME-10).

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{case, expect, op, rest, second, status, wait_longer, wait_until};
use crate::env::Env;
use crate::raw::{self, Bound};
use crate::shim::{SuitePlatform, failed};
use core::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::time::{Clocks, NEVER};
use tenon_abi::{Clock as Which, CounterKind, Features, Granule, PageKind, Status, TimeCopy};
use tenon_guest::time::{Clock, Counter, Processor, Rate, Reading};
use tenon_guest::{Error, HostPage, Session, Vcpu};
use tenon_rings::Words;
use tenon_rings::page::Reader;

/// The cases.
pub const CASES: &[Case] = &[
    case("time.shim-never-goes-back", &["TIME-7", "TIME-5", "PAGE-4"], PAGE, never_back),
    case("time.shim-page-and-call-agree", &["TIME-10", "TIME-7", "TIME-6"], PAGE, agree),
    case("time.shim-bracketed", &["TIME-10", "TIME-1"], TIME, bracketed),
    case("time.shim-fields-of-a-copy", &["TIME-3", "TIME-4", "TIME-5", "TIME-8"], PAGE, fields),
    case("time.shim-boot-is-ahead-by-its-jump", &["TIME-7", "TIME-3"], PAGE, boot),
    case("time.shim-utc-told-or-refused", &["TIME-2", "TIME-3", "TIME-8"], PAGE, utc),
    case("time.shim-clock-that-is-none", &["TIME-2"], TIME, no_such_clock),
    case("time.shim-page-that-is-none", &["PAGE-2"], PAGES, no_such_page),
    case("time.shim-two-cpus", &["TIME-4", "TIME-7"], PAGE_SMP, two_cpus),
];

const TIME: Needs = Needs { features: Features::TIME, ..Needs::NONE };
const PAGES: Needs = Needs { features: Features::PAGES, ..Needs::NONE };
const PAGE: Needs = Needs { features: Features::TIME.union(Features::PAGES), ..Needs::NONE };
const PAGE_SMP: Needs =
    Needs { features: PAGE.features.union(Features::WINDOW).union(Needs::SMP.features), ..Needs::SMP };
const ALL: [Which; 3] = [Which::RUNNING, Which::BOOT, Which::UTC];

fn shim(error: Error) -> Fail {
    failed("the shim", error)
}

/// The page TIME.
fn page<'p>(
    platform: &SuitePlatform,
    session: &Session<'p, SuitePlatform>,
    vcpu: &Vcpu<'p, SuitePlatform>,
) -> Result<HostPage, Fail> {
    let mut pages = platform.pages(1 << session.granule().shift(), session.granule())?;
    session.page(vcpu, PageKind::TIME, &mut pages).map_err(|error| failed("PAGE", error))
}

/// By page, if there is one.
pub(super) fn clock<'v, 'p>(
    platform: &SuitePlatform,
    session: &Session<'p, SuitePlatform>,
    vcpu: &'v Vcpu<'p, SuitePlatform>,
) -> Result<Clock<'v, Processor>, Fail> {
    if !session.features().contains(Features::PAGES) {
        // Its bracket is the call's: the rate matters little for what is read at once.
        let rate = Rate::new(1_000_000_000, 0).ok_or(Fail::Error("no rate"))?;
        return Ok(Clock::bracketed(vcpu, Processor, rate));
    }
    Clock::by_page(vcpu, &page(platform, session, vcpu)?, Processor).map_err(shim)
}

fn copy<C: Counter>(clock: &Clock<'_, C>) -> Result<TimeCopy, Fail> {
    clock.copy().ok_or(Fail::Failed("a page that changes at each look", 0, 0))
}

/// `later` is not before `earlier`.
fn ordered(earlier: u64, later: u64, what: &'static str) -> Outcome {
    if later >= earlier { Ok(()) } else { Err(Fail::Failed(what, later, earlier)) }
}

fn never_back(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let page = page(&platform, &session, &vcpu)?;
    for which in [Which::RUNNING, Which::BOOT] {
        // Each reading by a clock that remembers nothing: what it says is the host's alone.
        let read = || -> Result<Reading, Fail> {
            Clock::by_page(&vcpu, &page, Processor).map_err(shim)?.read(which).map_err(shim)
        };
        let first = read()?.ns;
        let mut last = first;
        for round in 0..2000 {
            let now = read()?;
            ordered(last, now.ns, "a clock went back")?;
            last = now.ns;
            if round % 100 == 0 {
                rest(ctx.env);
            }
        }
        let moves = wait_until(ctx.env, || read().is_ok_and(|now| now.ns > first));
        check(moves, "a clock stands still while its domain runs")?;
    }
    let clock = Clock::by_page(&vcpu, &page, Processor).map_err(shim)?;
    for _ in 0..500 {
        for which in [Which::RUNNING, Which::BOOT] {
            check(clock.read(which).map_err(shim)?.step_back.is_none(), "a step back was told")?;
        }
    }
    Ok(())
}

fn agree(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let page = page(&platform, &session, &vcpu)?;
    let by_page = || Clock::by_page(&vcpu, &page, Processor).map_err(shim);
    let by_call = || Clock::by_call(&vcpu);
    let is_counted = copy(&by_page()?)?.counter_kind.get() != CounterKind::NONE.0;
    for _ in 0..100 {
        for which in [Which::RUNNING, Which::BOOT] {
            let before = by_page()?.read(which).map_err(shim)?;
            let called = by_call().read(which).map_err(shim)?;
            let behind = by_page()?.read(which).map_err(shim)?;
            ordered(before.ns, called.ns, "a call says less than the page before it")?;
            ordered(called.ns, behind.ns, "the page says less than a call before it")?;
        }
        rest(ctx.env);
    }
    // What the page adds since its base is what passes by call, within the page's error.
    let (from, from_called) = (by_page()?.running().map_err(shim)?, by_call().running().map_err(shim)?);
    wait_until(ctx.env, || by_call().running().is_ok_and(|now| now.ns > from_called.ns + 2_000_000));
    let (to_called, to) = (by_call().running().map_err(shim)?, by_page()?.running().map_err(shim)?);
    check(to.ns - from.ns >= to_called.ns - from_called.ns, "the page runs slower than the calls within it")?;
    check(!is_counted || to.error != NEVER, "a page whose counter has no bound for RUNNING")
}

/// How fast the processor's counter runs by the host's clock, within a twentieth.
///
/// # Errors
///
/// [`Fail::Failed`] where one of both stands still.
pub fn measured(env: &'static dyn Env, vcpu: &Vcpu<'_, SuitePlatform>) -> Result<Rate, Fail> {
    let by_call = Clock::by_call(vcpu);
    let (from, ticks) = (by_call.running().map_err(shim)?.ns, Processor.read());
    // A call at each look would be no rest: so many looks may be over before the time is.
    let mut refused = None;
    let passed = wait_longer(env, || {
        rest(env);
        match by_call.running() {
            Ok(now) => now.ns > from + 50_000_000,
            Err(error) => {
                refused = Some(error);
                true
            }
        }
    });
    refused.map_or(Ok(()), |error| Err(failed("CLOCK_READ", error)))?;
    check(passed, "RUNNING stands still")?;
    let (to, ticks) = (by_call.running().map_err(shim)?.ns, Processor.read().wrapping_sub(ticks));
    let hz = u128::from(ticks) * 1_000_000_000 / u128::from(to.saturating_sub(from).max(1));
    Rate::new(hz as u64, 50_000_000).ok_or(Fail::Failed("a counter that stands still", ticks, 0))
}

fn bracketed(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let rate = measured(ctx.env, &vcpu)?;
    let bracketed = || Clock::bracketed(&vcpu, Processor, rate);
    for _ in 0..50 {
        for which in [Which::RUNNING, Which::BOOT] {
            let before = bracketed().read(which).map_err(shim)?;
            let called = Clock::by_call(&vcpu).read(which).map_err(shim)?.ns;
            let behind = bracketed().read(which).map_err(shim)?;
            let (earliest, latest) = (before.ns.saturating_sub(before.error), behind.ns + behind.error);
            ordered(earliest, called, "the host's clock lies before a bracketed reading that was before")?;
            ordered(called, latest, "the host's clock lies behind a bracketed reading that was later")?;
        }
    }
    // A bracket counts on by itself.
    let bracket = bracketed().bracket(Which::RUNNING).map_err(shim)?.ok_or(Fail::Error("no bracket"))?;
    rest(ctx.env);
    let earliest = bracket.at(Processor.read());
    let called = Clock::by_call(&vcpu).running().map_err(shim)?.ns;
    let latest = bracket.at(Processor.read());
    ordered(earliest.0.saturating_sub(earliest.1), called, "a bracket counts too fast")?;
    ordered(called, latest.0.saturating_add(latest.1), "a bracket counts too slowly")
}

fn fields(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let clock = clock(&platform, &session, &vcpu)?;
    for _ in 0..20 {
        let copy = copy(&clock)?;
        check(copy.shift.get() <= 63, "a shift above 63")?;
        check(copy.valid.get() & 0b11 == 0b11, "RUNNING and BOOT are always told")?;
        check(copy.valid.get() & !Clocks::all().bits() == 0, "a clock that there is not")?;
        check(copy.flags.get() & !0b111 == 0, "an unknown flag")?;
        check(CounterKind(copy.counter_kind.get()).name().is_some(), "an unknown kind of counter")?;
        if copy.counter_kind.get() == CounterKind::NONE.0 {
            let all = copy.counter_base.get() | copy.period.get() | copy.period_error.get();
            equal(all, 0, "fields of a counter that there is not")?;
        } else {
            check(copy.period.get() != 0, "a counter of no time")?;
        }
        check(copy.flags.get() & 1 != 0 || copy.tai_offset.get() == 0, "a TAI offset that is not known")?;
        check(copy.leap.get() <= 5 && copy.smear.get() <= 2 && copy.status.get() <= 4, "an unknown number")?;
        let reserved = u64::from(copy.reserved0.get()) | u64::from(copy.reserved1.get());
        let reserved = copy.reserved2.iter().fold(reserved, |all, word| all | word.get());
        equal(reserved, 0, "reserved fields")?;
        rest(ctx.env);
    }
    Ok(())
}

fn boot(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let clock = clock(&platform, &session, &vcpu)?;
    for _ in 0..100 {
        let copy = copy(&clock)?;
        let [running, boot, _] = copy.ns.map(|ns| ns.get());
        equal(boot, running.saturating_add(copy.boot_jump.get()), "BOOT of a copy")?;
        let [running, boot, _] = copy.error_ns.map(|error| error.get());
        equal(boot, running, "the error of BOOT of a copy")?;
        rest(ctx.env);
    }
    Ok(())
}

fn utc(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let clock = clock(&platform, &session, &vcpu)?;
    for _ in 0..20 {
        let (before, called) = (copy(&clock)?, Clock::by_call(&vcpu).utc());
        let behind = copy(&clock)?;
        if before.disruption_marker.get() != behind.disruption_marker.get() {
            // UTC may have become known between the two.
            continue;
        }
        match called {
            Ok(_) => check(behind.valid.get() & 0b100 != 0, "a call tells UTC, and the page does not")?,
            Err(Error::Refused(Status::BAD_STATE)) => {
                check(behind.valid.get() & 0b100 == 0, "the page tells UTC, and a call does not")?;
                let [.., utc] = behind.ns;
                equal(utc.get(), 0, "UTC that is not told")?;
            }
            Err(error) => return Err(failed("CLOCK_READ of UTC", error)),
        }
    }
    Ok(())
}

fn no_such_clock(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let clock = clock(&platform, &session, &vcpu)?;
    for number in [3, 4, 0xff, 0x100, u16::MAX] {
        let read = clock.read(Which(number));
        let refused = read == Err(Error::Refused(Status::BAD_ARGUMENT));
        check(refused, "a clock that there is not was read")?;
    }
    // And those that there are go on.
    for which in ALL.into_iter().take(2) {
        clock.read(which).map_err(shim)?;
    }
    Ok(())
}

fn no_such_page(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    for kind in [0, 0x7fff, u16::MAX] {
        let mut pages = platform.pages(1 << session.granule().shift(), Granule::K64)?;
        let asked = session.page(&vcpu, PageKind(kind), &mut pages).err();
        check(asked == Some(Error::Refused(Status::NOT_FOUND)), "a page that there is not was told")?;
    }
    Ok(())
}

/// The largest reading that either CPU has told the other, and by how much one lay before it at most.
static TOLD: AtomicU64 = AtomicU64::new(0);
static BACK: AtomicU64 = AtomicU64::new(0);
/// Where the page lies in the window.
static PLACE: AtomicU64 = AtomicU64::new(0);

/// One reading on whatever CPU runs this: it is not before what the other CPU has told.
fn compare(bound: &mut Bound) -> Outcome {
    let first = PLACE.load(Ordering::Acquire) as usize / 8;
    let words = bound.env.window().slice(first, 512).ok_or(Fail::Failed("a page beyond the window", 0, 0))?;
    let reader = Reader::<_, 16>::new(words, [8, 24]).map_err(|_| Fail::Error("no place for copies"))?;
    let told = TOLD.load(Ordering::Acquire);
    let by_page = reader.read(16, |words| {
        let copy: TimeCopy = zerocopy::transmute!(words.map(u64::to_le));
        let is_ours = copy.counter_kind.get() == Processor.kind().0;
        copy.read(Which::RUNNING, Processor.read()).filter(|_| is_ours)
    });
    let now = match by_page {
        Ok(Some(now)) => now,
        _ => expect(bound, op::CLOCK_READ, &[0], status::OK, "CLOCK_READ")?,
    };
    BACK.fetch_max(told.saturating_sub(now), Ordering::AcqRel);
    TOLD.fetch_max(now, Ordering::AcqRel);
    Ok(())
}

fn other(_: u32) {
    let Some(mut bound) = second::take() else { return };
    while !second::quit() {
        if compare(&mut bound).is_err() {
            return;
        }
        second::count();
    }
}

fn two_cpus(ctx: &Ctx) -> Outcome {
    const ROUNDS: u32 = 3000;
    let env = ctx.env;
    let (scratch, shift) = raw::open(env)?;
    let mut bound = raw::bind(env, scratch, shift, 0, 16, [16, 16])?;
    let second = raw::bind(env, scratch, shift, 1, 16, [16, 16])?;
    let place = expect(&mut bound, op::PAGE, &[1, 0], status::OK, "PAGE")?;
    PLACE.store(place, Ordering::Release);
    TOLD.store(0, Ordering::Release);
    BACK.store(0, Ordering::Release);
    second::with(&mut bound, second, other, |bound| {
        let mut rounds = 0;
        let met = wait_longer(env, || {
            rounds += 1;
            let done = compare(bound).is_err();
            done || (rounds >= ROUNDS && second::counted() >= ROUNDS)
        });
        check(met && second::counted() >= ROUNDS, "a CPU has stopped reading the clock")
    })?;
    equal(BACK.load(Ordering::Acquire), 0, "a CPU read less than another had read before, by ns")
}
