// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sets many timers on all CPUs at once, with random deadlines, and takes each one's event.
//!
//! A port has its next timer when the event of the one before was taken, and a CPU sleeps when it has nothing
//! to take. Each timer's lateness is reported as a power of two: `late <log2> <timers>`; then `timers cpus=
//! set= taken= early= twice= lost= worst=`, and `timed`.

use crate::trial::{CPUS, Report, call, cpus, find_page, op, read, start};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};
use tenon_conformance::Fail;
use tenon_conformance::env::Env;
use tenon_conformance::raw::{self, Bound, store};
use tenon_guest_rt as rt;

/// Ports of a CPU: so many timers at once.
const PORTS: usize = 8;
/// A deadline lies up to so many nanoseconds ahead.
const AHEAD: u64 = 20_000_000;
/// A timer that is this late is lost.
const LOST: u64 = 60_000_000_000;

/// Counts of all CPUs.
static SET: AtomicU64 = AtomicU64::new(0);
static TAKEN: AtomicU64 = AtomicU64::new(0);
static EARLY: AtomicU64 = AtomicU64::new(0);
static TWICE: AtomicU64 = AtomicU64::new(0);
static MISSED: AtomicU64 = AtomicU64::new(0);
static WORST: AtomicU64 = AtomicU64::new(0);
static LATE: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];
static WISH: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);

/// A CPU's vCPU, left for it by the first.
struct Left(UnsafeCell<Option<Bound>>);

#[allow(unsafe_code, reason = "hands bound vCPUs from one CPU to others")]
// SAFETY: the first CPU writes before it starts the one that takes it, and nobody else looks.
unsafe impl Sync for Left {}

static BOUND: [Left; CPUS] = [const { Left(UnsafeCell::new(None)) }; CPUS];

/// As the boot parameter `timers` asks; `None` where it asks for nothing.
pub(crate) fn asked(env: &'static dyn Env) -> Option<()> {
    let wish = rt::Params::number("timers")?;
    let mut report = Report::new(env);
    match run(env, wish, &mut report) {
        Ok(()) => report.say(format_args!("timed")),
        Err(fail) => report.say(format_args!("failed {fail}")),
    }
    Some(())
}

fn run(env: &'static dyn Env, wish: u64, report: &mut Report) -> Result<(), Fail> {
    WISH.store(wish, Ordering::Release);
    let (scratch, shift) = raw::open(env)?;
    let mut first = raw::bind(env, scratch, shift, 0, 64, [64, 64])?;
    find_page(&mut first)?;
    let cpus = cpus(env);
    let vector = u64::from(env.first_vector().max(raw::record(env).irq_first.get()));
    env.set_handler(Some(|_, _| {}));
    for cpu in 0..cpus as u64 {
        if cpu != 0 {
            let bound = raw::bind(env, scratch, shift, cpu as u32, 64, [64, 64])?;
            leave(cpu as usize, bound);
        }
        env.lead(cpu as u32, vector as u32 + cpu as u32);
        call(&mut first, op::VCPU_UPCALL, [cpu, vector + cpu, 0, 0, 0, 0])?;
        for port in 0..PORTS as u64 {
            call(&mut first, op::EVENT_BIND, [cpu * PORTS as u64 + port, cpu, 0, 0, 0, 0])?;
        }
    }
    start(&mut first, cpus, |cpu| {
        let done = take(cpu as usize).ok_or(Fail::Error("no vCPU")).and_then(|bound| serve(bound, cpu));
        finish(done);
    })?;
    finish(serve(first, 0));
    while DONE.load(Ordering::Acquire) < cpus as u64 {
        env.relax();
    }
    for (log, count) in LATE.iter().enumerate() {
        let count = count.load(Ordering::Relaxed);
        if count != 0 {
            report.say(format_args!("late {log} {count}"));
        }
    }
    let counts = [&SET, &TAKEN, &EARLY, &TWICE, &MISSED, &WORST];
    let [set, taken, early, twice, lost, worst] = counts.map(|count| count.load(Ordering::Relaxed));
    report.say(format_args!(
        "timers cpus={cpus} set={set} taken={taken} early={early} twice={twice} lost={lost} worst={worst}"
    ));
    match FAILED.load(Ordering::Acquire) {
        0 => Ok(()),
        failed => Err(Fail::Failed("CPUs that failed", failed, 0)),
    }
}

fn finish(done: Result<(), Fail>) {
    FAILED.fetch_add(u64::from(done.is_err()), Ordering::AcqRel);
    DONE.fetch_add(1, Ordering::AcqRel);
}

#[allow(unsafe_code, reason = "as `Left`")]
fn leave(cpu: usize, bound: Bound) {
    if let Some(Left(place)) = BOUND.get(cpu) {
        // SAFETY: the CPU that takes it does not run yet.
        unsafe { *place.get() = Some(bound) };
    }
}

#[allow(unsafe_code, reason = "as `Left`")]
fn take(cpu: usize) -> Option<Bound> {
    // SAFETY: only CPU `cpu` calls, and what was left for it was left before it started.
    unsafe { (*BOUND.get(cpu)?.0.get()).take() }
}

/// A number that is hard to foresee (splitmix64).
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Sets and takes timers on one CPU until all are taken.
fn serve(mut bound: Bound, cpu: u32) -> Result<(), Fail> {
    let env = bound.env;
    let seed = env.param("seed").and_then(|seed| u64::from_str_radix(seed, 16).ok()).unwrap_or(1);
    let mut random = seed ^ u64::from(cpu) << 32;
    let mut deadlines: [Option<u64>; PORTS] = [None; PORTS];
    let mut position = 0_u32;
    loop {
        let mut waiting = false;
        for (index, deadline) in deadlines.iter_mut().enumerate() {
            if deadline.is_none() && SET.load(Ordering::Relaxed) < WISH.load(Ordering::Relaxed) {
                SET.fetch_add(1, Ordering::Relaxed);
                let at = now()?.saturating_add(draw(&mut random) % AHEAD);
                let port = u64::from(cpu) * PORTS as u64 + index as u64;
                call(&mut bound, op::TIMER_SET, [port, 0, at, 0, 0, 0])?;
                *deadline = Some(at);
            }
            waiting |= deadline.is_some();
        }
        if !waiting {
            return Ok(());
        }
        position = sleep(&bound, position, &deadlines)?;
        while let Some(port) = bound.entry(0, position) {
            position = position.wrapping_add(1);
            bound.take_until(0, position);
            let index = (port as usize).wrapping_sub(cpu as usize * PORTS);
            let now = now()?;
            match deadlines.get_mut(index).and_then(Option::take) {
                Some(deadline) if now < deadline => EARLY.fetch_add(1, Ordering::Relaxed),
                Some(deadline) => late(now - deadline),
                None => TWICE.fetch_add(1, Ordering::Relaxed),
            };
        }
    }
}

fn late(ns: u64) -> u64 {
    WORST.fetch_max(ns, Ordering::Relaxed);
    if let Some(count) = LATE.get(ns.max(1).ilog2() as usize) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    TAKEN.fetch_add(1, Ordering::Relaxed)
}

fn now() -> Result<u64, Fail> {
    read().map(|now| now.running).ok_or(Fail::Failed("the page cannot be read", 0, 0))
}

/// Sleeps until there is an entry at this position. A timer that does not come is lost.
fn sleep(bound: &Bound, position: u32, deadlines: &[Option<u64>; PORTS]) -> Result<u32, Fail> {
    let env = bound.env;
    // An upcall is wanted from here on (EVT-11, EVT-12).
    store(&bound.guest.0, 0x48, position.into());
    raw::full_fence();
    let token = env.enter();
    let mut lost = false;
    while bound.entry(0, position).is_none() && !lost {
        env.halt();
        let first = deadlines.iter().flatten().min().copied().unwrap_or(u64::MAX);
        lost = now()? > first.saturating_add(LOST);
    }
    env.leave(token);
    if lost {
        MISSED.fetch_add(1, Ordering::Relaxed);
        return Err(Fail::Failed("a timer is lost", 0, 0));
    }
    Ok(position)
}
