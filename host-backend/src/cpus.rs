// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting, stopping and parking vCPUs, and ending a run: the state machine of an attachment whose vCPUs are
//! threads (VCPU-5, VCPU-6).
//!
//! It knows no hypervisor. [`Cpus`] is the handle for everybody: it starts and stops vCPUs and ends the run.
//! [`CpuThread`] belongs to the thread that runs one vCPU: [`CpuThread::next`] says what to do, and
//! [`CpuThread::must_leave`] says when to stop doing it.
//!
//! ```
//! use std::{thread, time::Duration};
//! use tenon_host::cpus::{Cpus, Next};
//!
//! let cpus = Cpus::<u64, &str>::new(2);
//! for index in 0..2 {
//!     let mut cpu = cpus.take(index).ok_or("taken")?;
//!     thread::spawn(move || {
//!         // Brings this thread out of the guest. With KVM: sets `immediate_exit` and sends a signal.
//!         cpu.set_kick(|| {});
//!         loop {
//!             match cpu.next() {
//!                 Next::Run(_entry) => while !cpu.must_leave() {
//!                     // Run the guest until its next exit, and handle the exit.
//! #                   thread::yield_now();
//!                 },
//!                 // Tell the core: `domain.lock().stopped(index)`.
//!                 Next::Stopped => {}
//!                 Next::End => break,
//!             }
//!         }
//!     });
//! }
//! cpus.start(0, 0x10_0000)?; // the boot CPU; later `VcpuAction::Start`
//! cpus.stop(0); // `VcpuAction::Stop`: counts even if the vCPU's thread has not woken yet
//! let outcome = cpus.wait(Duration::from_millis(10), "the limit has passed");
//! assert_eq!(outcome, "the limit has passed");
//! assert!(cpus.wait_for_threads(Duration::from_secs(5)).is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rules
//!
//! - Every method may be called from any thread, at any time, also while an exit is handled. None waits for
//!   a vCPU, except [`Cpus::wait`] and [`Cpus::wait_for_threads`]. A kick ([`CpuThread::set_kick`]) runs
//!   under a lock and must call nothing of this module.
//! - A stop that [`Cpus::stop`] accepted is reported once, by [`Next::Stopped`] on the vCPU's own thread,
//!   unless the run ends first. When it is reported, the vCPU executes nothing and may be started again.
//! - A vCPU that was stopped before its thread could start it is never run: [`Next::Stopped`] comes in place
//!   of [`Next::Run`].
//! - No pending stop holds the end of the run: after [`Cpus::end`] the next answer is [`Next::End`], whatever
//!   is pending.

mod slot;
#[cfg(test)]
mod tests;

pub use slot::{CpuBusy, Next};

use slot::Slot;
use std::boxed::Box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::vec::Vec;

/// The vCPUs of one run, for any thread. `E` is what a vCPU starts with, `O` how a run ends.
#[derive(Debug)]
pub struct Cpus<E, O>(Arc<Shared<E, O>>);

impl<E, O> Clone for Cpus<E, O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<E, O> {
    cpus: Vec<Cpu<E>>,
    ending: AtomicBool,
    outcome: Mutex<Option<O>>,
    ended: Condvar,
}

type Kick = Box<dyn Fn() + Send>;

#[derive(Debug)]
struct Cpu<E> {
    slot: Mutex<Guarded<E>>,
    changed: Condvar,
    /// What [`CpuThread::must_leave`] looks at: the vCPU was asked to stop, or the run has ended. Set before
    /// the kick.
    leave: AtomicBool,
}

struct Guarded<E> {
    slot: Slot<E>,
    kick: Option<Kick>,
}

impl<E: std::fmt::Debug> std::fmt::Debug for Guarded<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.slot.fmt(f)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing of this module panics while it holds a lock; what an embedder's kick does leaves the state as
    // it was.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E> Cpu<E> {
    fn parked() -> Self {
        Self {
            slot: Mutex::new(Guarded { slot: Slot::new(), kick: None }),
            changed: Condvar::new(),
            leave: AtomicBool::new(false),
        }
    }

    /// Has the thread look at its slot, wherever it is: waiting here, or in the guest.
    fn wake(&self, guarded: &Guarded<E>) {
        if !tenon_rings::planted!("stop-seen-at-the-next-kick") {
            self.leave.store(true, Ordering::SeqCst);
        }
        self.changed.notify_all();
        if let Some(kick) = &guarded.kick {
            kick();
        }
    }

    /// What the thread does next, if it need not wait.
    fn answer(&self, guarded: &mut Guarded<E>, ending: bool) -> Option<Next<E>> {
        let next = guarded.slot.next(ending)?;
        if !matches!(next, Next::End) {
            self.leave.store(false, Ordering::SeqCst);
        }
        Some(next)
    }
}

impl<E, O: Clone> Cpus<E, O> {
    /// `count` parked vCPUs.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Self(Arc::new(Shared {
            cpus: (0..count).map(|_| Cpu::parked()).collect(),
            ending: AtomicBool::new(false),
            outcome: Mutex::new(None),
            ended: Condvar::new(),
        }))
    }

    /// The vCPU's own end, to be moved into its thread. Once for each vCPU: `None` after that, and for a vCPU
    /// that does not exist.
    ///
    /// Take it before the thread is started: from then on [`Cpus::wait_for_threads`] waits until it is
    /// dropped.
    #[must_use]
    pub fn take(&self, cpu: u32) -> Option<CpuThread<E, O>> {
        let index = usize::try_from(cpu).ok()?;
        locked(&self.0.cpus.get(index)?.slot).slot.take().then(|| CpuThread { cpus: self.clone(), index })
    }

    /// Starts a parked vCPU. Its thread may not have been started yet.
    ///
    /// # Errors
    ///
    /// [`CpuBusy`].
    pub fn start(&self, cpu: u32, entry: E) -> Result<(), CpuBusy> {
        let cpu = self.cpu(cpu).ok_or(CpuBusy)?;
        locked(&cpu.slot).slot.start(entry)?;
        cpu.changed.notify_all();
        Ok(())
    }

    /// Asks a vCPU that starts or runs to stop. `true`: [`Next::Stopped`] will say that it has, once for all
    /// stops until then. `false`: it executes nothing, and nothing will be said.
    pub fn stop(&self, cpu: u32) -> bool {
        let Some(cpu) = self.cpu(cpu) else { return false };
        let mut guarded = locked(&cpu.slot);
        let counts = guarded.slot.stop();
        if counts {
            cpu.wake(&guarded);
        }
        counts
    }

    /// Whether the vCPU is parked, and so may be started.
    #[must_use]
    pub fn is_parked(&self, cpu: u32) -> bool {
        self.cpu(cpu).is_some_and(|cpu| locked(&cpu.slot).slot.is_parked())
    }

    /// Ends the run; only the first outcome counts.
    pub fn end(&self, outcome: O) {
        locked(&self.0.outcome).get_or_insert(outcome);
        self.0.ending.store(true, Ordering::SeqCst);
        self.0.ended.notify_all();
        for cpu in &self.0.cpus {
            // Locked, so that a thread either sees the end before it waits or is woken.
            cpu.wake(&locked(&cpu.slot));
        }
    }

    /// Whether the run has ended, or is about to.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.0.ending.load(Ordering::SeqCst)
    }

    /// How the run has ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<O> {
        locked(&self.0.outcome).clone()
    }

    /// Waits until the run has ended; after `limit` it ends it with `at_limit`. The result is the outcome
    /// that counts.
    pub fn wait(&self, limit: Duration, at_limit: O) -> O {
        let none_yet = |outcome: &mut Option<O>| outcome.is_none();
        let waited = self.0.ended.wait_timeout_while(locked(&self.0.outcome), limit, none_yet);
        let arrived = waited.unwrap_or_else(PoisonError::into_inner).0.clone();
        arrived.unwrap_or_else(|| {
            self.end(at_limit.clone());
            // Someone may have been faster.
            self.outcome().unwrap_or(at_limit)
        })
    }

    /// Waits until every [`CpuThread`] that was taken is dropped, for `patience` in all and not for each. The
    /// result is those that are late; their threads still leave as soon as they can.
    pub fn wait_for_threads(&self, patience: Duration) -> Vec<u32> {
        let start = Instant::now();
        let mut late = Vec::new();
        for (index, cpu) in (0..).zip(&self.0.cpus) {
            let mut left = patience.saturating_sub(start.elapsed());
            if tenon_rings::planted!("late-threads-in-turn") {
                left = patience;
            }
            let waited =
                cpu.changed.wait_timeout_while(locked(&cpu.slot), left, |guarded| guarded.slot.has_thread());
            if waited.unwrap_or_else(PoisonError::into_inner).0.slot.has_thread() {
                late.push(index);
            }
        }
        late
    }

    fn cpu(&self, cpu: u32) -> Option<&Cpu<E>> {
        self.0.cpus.get(usize::try_from(cpu).ok()?)
    }
}

/// One vCPU's own end of [`Cpus`], for the thread that runs it. When it is dropped the vCPU is gone: it can
/// be neither started nor stopped.
#[derive(Debug)]
pub struct CpuThread<E, O: Clone> {
    cpus: Cpus<E, O>,
    index: usize,
}

impl<E, O: Clone> CpuThread<E, O> {
    /// How others bring the thread out of the guest, or keep it from entering. Called with a lock of this
    /// module held, so it must call nothing of this module; it is not called any more once this is dropped.
    pub fn set_kick(&mut self, kick: impl Fn() + Send + 'static) {
        if let Some(cpu) = self.cpu() {
            locked(&cpu.slot).kick = Some(Box::new(kick));
        }
    }

    /// Says that the vCPU executes nothing now, and waits until there is something to do.
    #[allow(clippy::should_implement_trait, reason = "it always has an answer, and waits for it")]
    pub fn next(&mut self) -> Next<E> {
        let Some(cpu) = self.cpu() else { return Next::End };
        let mut guarded = locked(&cpu.slot);
        guarded.slot.left();
        cpu.changed.notify_all();
        loop {
            if let Some(next) = cpu.answer(&mut guarded, self.cpus.is_ending()) {
                return next;
            }
            guarded = cpu.changed.wait(guarded).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the thread has to leave the guest and call [`Self::next`]. Looked at after each exit, and
    /// after each kick.
    #[inline]
    #[must_use]
    pub fn must_leave(&self) -> bool {
        self.cpu().is_none_or(|cpu| cpu.leave.load(Ordering::SeqCst))
    }

    /// The same handle that everybody has.
    #[must_use]
    pub const fn cpus(&self) -> &Cpus<E, O> {
        &self.cpus
    }

    fn cpu(&self) -> Option<&Cpu<E>> {
        self.cpus.0.cpus.get(self.index)
    }
}

impl<E, O: Clone> Drop for CpuThread<E, O> {
    fn drop(&mut self) {
        if let Some(cpu) = self.cpu() {
            let mut guarded = locked(&cpu.slot);
            guarded.slot.gone();
            guarded.kick = None;
            cpu.changed.notify_all();
        }
    }
}
