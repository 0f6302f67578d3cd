// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers that expire, and how often (TIME-11 to TIME-15, TIME-17).

use super::{BOOT, MS, NEVER, RUNNING, SECOND, TIMERS, UTC, by_page, cancel, entry, let_pass, read, set};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::page::{Page, TIME as PAGED};
use crate::cases::session::desk::Random;
use crate::cases::tools::{Upcalls, bind_port, case, expect, no_entry, op, settle, status};
use crate::raw::{self, Bound};
use tenon_abi::Features;

/// The cases.
pub const CASES: &[Case] = &[
    case("time.timer", &["TIME-11", "TIME-13", "TIME-14"], TIMERS, |ctx| each(ctx, RUNNING)),
    case("time.timer-of-boot", &["TIME-11", "TIME-13"], TIMERS, |ctx| each(ctx, BOOT)),
    case("time.timer-of-utc", &["TIME-11", "TIME-13", "TIME-17"], TIMERS, |ctx| each(ctx, UTC)),
    case("time.timer-once", &["TIME-13", "TIME-15"], TIMERS, once),
    case("time.timer-by-the-page", &["TIME-13", "TIME-5"], BY_PAGE, by_the_page),
    case("time.timer-replaced", &["TIME-12"], TIMERS, replaced),
    case("time.timer-sooner", &["TIME-13", "TIME-14"], TIMERS, sooner),
    case("time.timer-cancelled", &["TIME-15"], TIMERS, cancelled),
    case("time.timer-slack", &["TIME-14", "TIME-13"], TIMERS, slack),
    case("time.timers-of-many-ports", &["TIME-12", "TIME-13", "TIME-18"], TIMERS, many),
    case("time.timer-of-a-direct-port", &["TIME-11", "EVT-22"], DIRECT, direct),
];

const BY_PAGE: Needs =
    Needs { features: PAGED.features.union(Features::WINDOW).union(Features::EVENTS), ..Needs::NONE };
const DIRECT: Needs = Needs { features: Needs::DIRECT.features.union(Features::TIME), ..Needs::NONE };

/// Timers of a clock one after the other: each is raised, and none before its deadline.
fn each(ctx: &Ctx, clock: u64) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    if clock == UTC && bound.call(op::CLOCK_READ, [UTC, 0, 0, 0, 0, 0])?.status == status::BAD_STATE {
        let what = "a timer of a clock that is not known";
        return expect(&mut bound, op::TIMER_SET, &[3, UTC, 0, 0], status::BAD_STATE, what).map(|_| ());
    }
    for (position, ahead) in [0, MS / 10, MS, 3 * MS, 7 * MS].into_iter().enumerate() {
        let position = position as u32;
        let deadline = read(&mut bound, clock)?.saturating_add(ahead);
        set(&mut bound, 3, clock, deadline)?;
        equal(u64::from(entry(&bound, 0, position)?), 3, "the port of a timer")?;
        bound.take_until(0, position + 1);
        let now = read(&mut bound, clock)?;
        if now < deadline {
            return Err(Fail::Failed("a timer was early (clock, deadline)", now, deadline));
        }
    }
    Ok(())
}

/// After it has expired, a port has no timer: it is raised no more, and there is nothing to cancel.
fn once(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    for position in 0..4 {
        let deadline = read(&mut bound, RUNNING)?.saturating_add(MS);
        set(&mut bound, 3, RUNNING, deadline)?;
        entry(&bound, 0, position)?;
        bound.take_until(0, position + 1);
        equal(cancel(&mut bound, 3)?, 0, "TIMER_CANCEL behind a timer that has expired")?;
        let_pass(&mut bound, 9, position, deadline.saturating_add(3 * MS))?;
        no_entry(&mut bound, 0, position + 1, "a timer was raised twice")?;
    }
    Ok(())
}

/// The page's own formula says that the deadline is reached.
fn by_the_page(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::in_window(&mut bound)?;
    bind_port(&mut bound, 3, 0, 0)?;
    for position in 0..50 {
        let Some(now) = by_page(&bound, &page, RUNNING)? else { return Ok(()) };
        let deadline = now.saturating_add(u64::from(position) * 40_000);
        set(&mut bound, 3, RUNNING, deadline)?;
        entry(&bound, 0, position)?;
        let Some(now) = by_page(&bound, &page, RUNNING)? else { return Ok(()) };
        bound.take_until(0, position + 1);
        if now < deadline {
            return Err(Fail::Failed("a timer was early by the page (clock, deadline)", now, deadline));
        }
    }
    Ok(())
}

fn replaced(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    // A later one in place of a sooner one: only the later one counts.
    let now = read(&mut bound, RUNNING)?;
    set(&mut bound, 3, RUNNING, now.saturating_add(20 * MS))?;
    let later = now.saturating_add(3600 * SECOND);
    set(&mut bound, 3, RUNNING, later)?;
    let in_time = read(&mut bound, RUNNING)? < now.saturating_add(20 * MS);
    let_pass(&mut bound, 9, 0, now.saturating_add(25 * MS))?;
    // On a slow machine the sooner one may have expired before it was replaced.
    if in_time {
        no_entry(&mut bound, 0, 0, "a timer that was replaced has expired")?;
    }
    let position = u32::from(bound.entry(0, 0).is_some());
    bound.take_until(0, position);
    // And a sooner one in place of a later one, a thousand times over.
    let mut deadline = 0;
    for round in 0..1000 {
        deadline = match round {
            999 => read(&mut bound, RUNNING)?.saturating_add(2 * MS),
            _ => later.saturating_add(round),
        };
        set(&mut bound, 3, RUNNING, deadline)?;
    }
    entry(&bound, 0, position)?;
    bound.take_until(0, position + 1);
    check(read(&mut bound, RUNNING)? >= deadline, "a timer was early")?;
    let_pass(&mut bound, 9, 1, deadline.saturating_add(2 * MS))?;
    no_entry(&mut bound, 0, position + 1, "a timer that was replaced has expired too")?;
    equal(cancel(&mut bound, 3)?, 0, "a timer that was replaced is still there")
}

/// The host waits for the last of many deadlines, and a new one comes before them all.
fn sooner(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for port in 1..=8 {
        bind_port(&mut bound, port, 0, 0)?;
        let far = read(&mut bound, RUNNING)?.saturating_add(u64::from(20 - port) * 100 * SECOND);
        set(&mut bound, u64::from(port), RUNNING, far)?;
    }
    bind_port(&mut bound, 9, 0, 1)?;
    for position in 0..4 {
        let deadline = read(&mut bound, RUNNING)?.saturating_add(2 * MS);
        set(&mut bound, 9, RUNNING, deadline)?;
        entry(&bound, 1, position)?;
        bound.take_until(1, position + 1);
    }
    no_entry(&mut bound, 0, 0, "a timer of the far future has expired")
}

fn cancelled(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    equal(cancel(&mut bound, 3)?, 0, "TIMER_CANCEL without a timer")?;
    let deadline = read(&mut bound, RUNNING)?.saturating_add(30 * MS);
    set(&mut bound, 3, RUNNING, deadline)?;
    let first = cancel(&mut bound, 3)?;
    if read(&mut bound, RUNNING)? < deadline {
        equal(first, 1, "TIMER_CANCEL of a timer that has not expired")?;
    }
    equal(cancel(&mut bound, 3)?, 0, "TIMER_CANCEL twice")?;
    let_pass(&mut bound, 9, 0, deadline.saturating_add(2 * MS))?;
    if first == 1 {
        no_entry(&mut bound, 0, 0, "a timer that was cancelled has expired")?;
    }
    // The end of time never comes, and there is a timer all the same.
    set(&mut bound, 3, RUNNING, NEVER)?;
    settle(&mut bound)?;
    equal(cancel(&mut bound, 3)?, 1, "TIMER_CANCEL of a timer that is never due")
}

/// Slack makes a timer late, and not lost.
fn slack(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    for (position, slack) in [0, MS, 5 * MS].into_iter().enumerate() {
        let deadline = read(&mut bound, RUNNING)?.saturating_add(MS);
        let args = [3, RUNNING, deadline, slack];
        expect(&mut bound, op::TIMER_SET, &args, status::OK, "TIMER_SET with slack")?;
        entry(&bound, 0, position as u32)?;
        bound.take_until(0, position as u32 + 1);
        check(read(&mut bound, RUNNING)? >= deadline, "a timer with slack was early")?;
    }
    // As much as can be named: late for ever, if the host likes.
    let deadline = read(&mut bound, RUNNING)?.saturating_add(SECOND * 1000);
    let args = [3, RUNNING, deadline, u64::MAX];
    expect(&mut bound, op::TIMER_SET, &args, status::OK, "TIMER_SET with all slack")?;
    settle(&mut bound)?;
    equal(cancel(&mut bound, 3)?, 1, "TIMER_CANCEL of a timer with all slack")
}

const PORTS: u32 = 60;

/// Many ports with random deadlines on two clocks: none early, none lost, none twice.
fn many(ctx: &Ctx) -> Outcome {
    let mut random = Random::new(ctx.seed);
    let mut bound = raw::attach(ctx.env)?;
    let mut deadlines = [(0, 0); PORTS as usize];
    for port in 0..PORTS {
        bind_port(&mut bound, port, 0, 0)?;
    }
    for (port, place) in (0..).zip(&mut deadlines) {
        let clock = random.below(2);
        let deadline = read(&mut bound, clock)?.saturating_add(random.below(30 * MS));
        *place = (clock, deadline);
        set(&mut bound, port, clock, deadline)?;
    }
    let mut seen = 0u64;
    for position in 0..PORTS {
        let port = entry(&bound, 0, position)?;
        let Some((clock, deadline)) = deadlines.get(port as usize).copied() else {
            return Err(Fail::Failed("a port that has no timer", u64::from(port), 0));
        };
        check(seen & (1 << port) == 0, "a timer was raised twice")?;
        seen |= 1 << port;
        bound.take_until(0, position + 1);
        let now = read(&mut bound, clock)?;
        if now < deadline {
            return Err(Fail::Failed("a timer was early (clock, deadline)", now, deadline));
        }
    }
    no_entry(&mut bound, 0, PORTS, "a timer was raised twice")
}

fn direct(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let upcalls = Upcalls::count(ctx.env, 3);
    let args = [4, 0, upcalls.vector()];
    expect(&mut bound, op::EVENT_BIND_DIRECT, &args, status::OK, "EVENT_BIND_DIRECT")?;
    settle(&mut bound)?;
    for _ in 0..3 {
        upcalls.forget();
        let deadline = read(&mut bound, RUNNING)?.saturating_add(MS);
        set(&mut bound, 4, RUNNING, deadline)?;
        wait(&bound, upcalls)?;
        check(read(&mut bound, RUNNING)? >= deadline, "a timer was early")?;
    }
    Ok(())
}

fn wait(bound: &Bound, upcalls: Upcalls) -> Outcome {
    for _ in 0..raw::LONGER {
        if upcalls.want("").is_ok() {
            return Ok(());
        }
        bound.env.relax();
    }
    upcalls.want("no interrupt of a direct port's timer")
}
