// SPDX-License-Identifier: MIT OR Apache-2.0
//! A second CPU: what it is given, and that it is stopped however the case ends.
#![allow(unsafe_code, reason = "hands a bound vCPU from one CPU to another")]

use super::{expect, op, status, wait_longer};
use crate::case::{Fail, Outcome, equal};
use crate::raw::Bound;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A place where one CPU leaves a bound vCPU for another.
struct Stage {
    busy: AtomicBool,
    bound: UnsafeCell<Option<Bound>>,
}

// SAFETY: `bound` is only accessed by whoever has set `busy`, and what it holds is shared memory and a shared
// environment.
unsafe impl Sync for Stage {}

impl Stage {
    fn with<T>(&self, run: impl FnOnce(&mut Option<Bound>) -> T) -> T {
        while self.busy.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            core::hint::spin_loop();
        }
        // SAFETY: `busy` was clear and is set now, so nobody else is in here.
        let result = run(unsafe { &mut *self.bound.get() });
        self.busy.store(false, Ordering::Release);
        result
    }
}

static STAGE: Stage = Stage { busy: AtomicBool::new(false), bound: UnsafeCell::new(None) };
/// The second CPU shall come to an end.
static QUIT: AtomicBool = AtomicBool::new(false);
/// What the second CPU counts for the first.
static COUNT: AtomicU32 = AtomicU32::new(0);
/// What the first CPU tells the second.
static WORD: AtomicU32 = AtomicU32::new(0);

/// On the second CPU: the vCPU that the first has bound for it.
pub(in crate::cases) fn take() -> Option<Bound> {
    STAGE.with(Option::take)
}

/// Whether the second CPU shall come to an end.
pub(in crate::cases) fn quit() -> bool {
    QUIT.load(Ordering::Acquire)
}

/// Counts on the second CPU; the first looks with [`counted`].
pub(in crate::cases) fn count() {
    COUNT.fetch_add(1, Ordering::AcqRel);
}

/// How far the second CPU has counted since it was started.
pub(in crate::cases) fn counted() -> u32 {
    COUNT.load(Ordering::Acquire)
}

/// Tells the second CPU something.
pub(in crate::cases) fn tell(word: u32) {
    WORD.store(word, Ordering::Release);
}

/// What the first CPU told last; zero to begin with.
pub(in crate::cases) fn told() -> u32 {
    WORD.load(Ordering::Acquire)
}

/// Leaves `second`, which vCPU 1 was bound as, for `run`. The result is the entry and the argument of
/// VCPU_START.
pub(in crate::cases) fn prepare(first: &Bound, second: Bound, run: fn(u32)) -> Result<(u64, u64), Fail> {
    stage(first, Some(second), run)
}

fn stage(first: &Bound, second: Option<Bound>, run: fn(u32)) -> Result<(u64, u64), Fail> {
    QUIT.store(false, Ordering::Release);
    COUNT.store(0, Ordering::Release);
    WORD.store(0, Ordering::Release);
    let Some((entry, argument)) = first.env.secondary(1, run) else {
        return Err(Fail::Error("this environment has no second CPU"));
    };
    // vCPU 1 does not run. It may have been stopped while it was in here.
    STAGE.busy.store(false, Ordering::Release);
    STAGE.with(|stage| *stage = second);
    Ok((entry, argument))
}

/// Asks the second CPU to come to an end.
pub(in crate::cases) fn ask_to_end() {
    QUIT.store(true, Ordering::Release);
}

/// Starts vCPU 1, which was bound for it as `second`, with `run`.
pub(in crate::cases) fn start(first: &mut Bound, second: Bound, run: fn(u32)) -> Outcome {
    launch(first, Some(second), run)
}

/// Starts vCPU 1, which is not bound, with `run`.
pub(in crate::cases) fn start_alone(first: &mut Bound, run: fn(u32)) -> Outcome {
    launch(first, None, run)
}

fn launch(first: &mut Bound, second: Option<Bound>, run: fn(u32)) -> Outcome {
    let (entry, argument) = stage(first, second, run)?;
    expect(first, op::VCPU_START, &[1, entry, argument], status::OK, "VCPU_START").map(|_| ())
}

/// Asks the second CPU to come to an end, and stops vCPU 1 with vCPU 0 as the target.
pub(in crate::cases) fn stop(first: &mut Bound) -> Outcome {
    ask_to_end();
    first.submit(op::VCPU_STOP, 0, [0, 1, 0, 0, 0, 0, 0]);
    first.kick();
    let done = first.wait_longer("VCPU_STOP")?;
    equal(done.status.into(), status::OK.into(), "VCPU_STOP")
}

/// Starts vCPU 1, runs `body` here, and stops vCPU 1 whatever the result.
pub(in crate::cases) fn with(
    first: &mut Bound,
    second: Bound,
    run: fn(u32),
    body: impl FnOnce(&mut Bound) -> Outcome,
) -> Outcome {
    start(first, second, run)?;
    let outcome = body(first);
    outcome.and(stop(first))
}

/// Waits until the second CPU has counted to `target`.
pub(in crate::cases) fn wait_for(first: &Bound, target: u32, what: &'static str) -> Outcome {
    if wait_longer(first.env, || counted() >= target) {
        Ok(())
    } else {
        Err(Fail::Failed(what, u64::from(counted()), u64::from(target)))
    }
}

/// On the second CPU: counts until it shall end.
pub(in crate::cases) fn beat(_: u32) {
    let Some(bound) = take() else { return };
    while !quit() {
        count();
        bound.env.relax();
    }
}

/// As [`beat`], without a vCPU that was bound for it.
pub(in crate::cases) fn beat_alone(_: u32) {
    while !quit() {
        count();
        core::hint::spin_loop();
    }
}
