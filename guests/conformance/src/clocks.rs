// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the page TIME on all CPUs at once for a while, and holds it against the host's clock.
//!
//! The host of a trial fills what ENTROPY asks for with its own clocks as the call reaches it: its monotonic
//! clock, and UTC. It reports `clocks cpus= reads= back= kicks= low= high= utc= call= error= unread=`, and
//! `clocked`.
//!
//! A host behind a device shares no counter with its guest: there the clock is the one that the shim
//! brackets, and the host's own is that of CLOCK_READ. The report is `bracketed reads= back= kicks= call=
//! error= half=`, where half of the readings have an error of at most `half`.

use crate::bar;
use crate::trial::{Now, Report, call, cpus, find_page, op, read, start};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tenon_conformance::Fail;
use tenon_conformance::cases::time::shim::measured;
use tenon_conformance::env::Env;
use tenon_conformance::raw::{self, load};
use tenon_conformance::shim::{SuitePlatform, failed};
use tenon_guest::time::{Clock, Processor};
use tenon_guest_rt as rt;

/// The latest clock that any CPU has read.
static LATEST: AtomicU64 = AtomicU64::new(0);
static READS: AtomicU64 = AtomicU64::new(0);
static BACK: AtomicU64 = AtomicU64::new(0);
static UNREAD: AtomicU64 = AtomicU64::new(0);
static OVER: AtomicBool = AtomicBool::new(false);
static AT_WORK: AtomicU64 = AtomicU64::new(0);

/// Reads once: no clock lies before one that another CPU had read before.
fn look() -> Option<Now> {
    let latest = LATEST.load(Ordering::Acquire);
    let Some(now) = read() else {
        UNREAD.fetch_add(1, Ordering::Relaxed);
        return None;
    };
    if now.running < latest {
        BACK.fetch_add(1, Ordering::Relaxed);
    }
    LATEST.fetch_max(now.running, Ordering::AcqRel);
    READS.fetch_add(1, Ordering::Relaxed);
    Some(now)
}

fn look_on(_: u32) {
    AT_WORK.fetch_add(1, Ordering::AcqRel);
    while !OVER.load(Ordering::Acquire) {
        look();
    }
    AT_WORK.fetch_sub(1, Ordering::AcqRel);
}

/// As the boot parameters `clocks` (milliseconds) and `kicks` ask; `None` where they ask for nothing.
pub(crate) fn asked(env: &'static dyn Env) -> Option<()> {
    let (millis, kicks) = (rt::Params::number("clocks")?, rt::Params::number("kicks").unwrap_or(0));
    let mut report = Report::new(env);
    let done = match bar::attached() {
        Some(_) => bracketed(env, millis, kicks, &mut report),
        None => run(env, millis, kicks, &mut report),
    };
    match done {
        Ok(()) => report.say(format_args!("clocked")),
        Err(fail) => report.say(format_args!("failed {fail}")),
    }
    Some(())
}

/// What the kicks found.
struct Found {
    kicks: u64,
    /// The host's clock less the guest's: at least so much by one kick, at most so much by another one.
    low: i64,
    high: i64,
    /// UTC, and clocks by call, that lay outside.
    utc: u64,
    call: u64,
    error: u64,
}

fn run(env: &'static dyn Env, millis: u64, kicks: u64, report: &mut Report) -> Result<(), Fail> {
    let mut bound = raw::attach(env)?;
    let (page, at) = raw::pages(env, 4096, 4096)?;
    find_page(&mut bound)?;
    let cpus = cpus(env);
    start(&mut bound, cpus, look_on)?;
    let mut found = Found { kicks: 0, low: i64::MIN, high: i64::MAX, utc: 0, call: 0, error: 0 };
    let begun = env.micros();
    while found.kicks < kicks || env.micros().wrapping_sub(begun) < millis * 1000 {
        let Some(before) = look() else { continue };
        let filled = call(&mut bound, op::ENTROPY, [at, 16, 0, 0, 0, 0])?;
        let Some(after) = look() else { continue };
        let [host, utc] = [0, 8].map(|word| load(&page, word));
        if filled != 16 || host == 0 {
            return Err(Fail::Error("the host of this trial does not tell its clocks"));
        }
        let host = host as i64;
        found.low = found.low.max(host - after.running.saturating_add(after.error) as i64);
        found.high = found.high.min(host - before.running.saturating_sub(before.error) as i64);
        found.utc += u64::from(!lies(utc, (before.utc, before.utc_error), (after.utc, after.utc_error)));
        let Some(before) = look() else { continue };
        let said = call(&mut bound, op::CLOCK_READ, [0; 6])?;
        let Some(after) = look() else { continue };
        let [early, late] = [before, after].map(|now| (Some(now.running), now.error));
        found.call += u64::from(!lies(said, early, late));
        found.error = found.error.max(after.error);
        found.kicks += 1;
    }
    OVER.store(true, Ordering::Release);
    while AT_WORK.load(Ordering::Acquire) != 0 {
        env.relax();
    }
    let [reads, back, unread] = [&READS, &BACK, &UNREAD].map(|count| count.load(Ordering::Relaxed));
    let Found { kicks, low, high, utc, call, error } = found;
    report.say(format_args!(
        "clocks cpus={cpus} reads={reads} back={back} kicks={kicks} low={low} high={high} utc={utc} call={call} \
         error={error} unread={unread}"
    ));
    Ok(())
}

/// Errors of bracketed readings, by their logarithm.
const ERRORS: usize = 64;

fn bracketed(env: &'static dyn Env, millis: u64, kicks: u64, report: &mut Report) -> Result<(), Fail> {
    let shim = |error| failed("a clock", error);
    let platform = SuitePlatform::new(env);
    let (_session, vcpu) = platform.attach()?;
    let clock = Clock::bracketed(&vcpu, Processor, measured(env, &vcpu)?);
    let by_call = Clock::by_call(&vcpu);
    let (mut did, mut back, mut call, mut worst, mut last) = (0, 0, 0, 0, 0);
    let mut errors = [0u64; ERRORS];
    let begun = env.micros();
    while did < kicks || env.micros().wrapping_sub(begun) < millis * 1000 {
        let before = clock.running().map_err(shim)?;
        let said = by_call.running().map_err(shim)?.ns;
        let after = clock.running().map_err(shim)?;
        call += u64::from(!lies(said, (Some(before.ns), before.error), (Some(after.ns), after.error)));
        for now in [before, after] {
            back += u64::from(now.step_back.is_some() || now.ns < last);
            (last, worst) = (now.ns, now.error.max(worst));
            errors[now.error.checked_ilog2().unwrap_or(0) as usize] += 1;
        }
        did += 1;
    }
    // The least power of two that half of them stay below.
    let mut below = 0;
    let half = errors.iter().position(|count| {
        below += count;
        below >= did
    });
    let half = 2u64.saturating_pow(half.unwrap_or(0) as u32 + 1);
    let reads = did * 2;
    report.say(format_args!(
        "bracketed reads={reads} back={back} kicks={did} call={call} error={worst} half={half}"
    ));
    Ok(())
}

/// Whether a clock lies between two readings, each with its error.
fn lies(clock: u64, (early, before): (Option<u64>, u64), (late, after): (Option<u64>, u64)) -> bool {
    match (early, late) {
        (Some(early), Some(late)) => {
            clock >= early.saturating_sub(before) && clock <= late.saturating_add(after)
        }
        _ => false,
    }
}
