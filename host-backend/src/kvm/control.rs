// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steering a running machine from any thread: starting and stopping vCPUs, ending it.
#![allow(unsafe_code, reason = "wakes vCPU threads out of the kernel")]

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};
use std::vec::Vec;

use vmm_sys_util::signal::{SIGRTMIN, register_signal_handler};

use super::{Error, Outcome};

/// The vCPU has not stopped yet (or there is no such vCPU).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the vCPU is running, or does not exist")]
pub struct CpuBusy;

/// What a vCPU starts with, in the state in which the platform's boot protocol starts the first one (VCPU-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it starts: EIP, PC.
    pub address: u64,
    /// What it finds in EBX, X0.
    pub argument: u64,
}

/// A handle to a machine's vCPUs, for any thread.
#[derive(Clone)]
pub struct Control(Arc<Shared>);

struct Shared {
    cpus: Vec<Cpu>,
    ending: AtomicBool,
    outcome: Mutex<Option<Outcome>>,
    ended: Condvar,
}

#[derive(Default)]
struct Cpu {
    state: Mutex<State>,
    changed: Condvar,
    /// Asks the running vCPU to park.
    stop: AtomicBool,
    kick: Mutex<Option<Kick>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Parked,
    Starting(Entry),
    Running,
    Gone,
}

/// How to bring a vCPU's thread out of the kernel.
struct Kick {
    thread: libc::pthread_t,
    immediate_exit: *const AtomicU8,
}

// SAFETY: the thread's handle and the pointer are usable from any thread while the `Kick` is in its slot: the
// vCPU's thread takes it out before either ends (`Control::unregister`).
unsafe impl Send for Kick {}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn on_kick(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

impl Control {
    pub(crate) fn new(cpus: usize) -> Self {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(|| {
            // A handler that does nothing makes the signal interrupt KVM_RUN. The number is valid, so this
            // cannot fail.
            let _ = register_signal_handler(SIGRTMIN(), on_kick);
        });
        Self(Arc::new(Shared {
            cpus: (0..cpus).map(|_| Cpu::default()).collect(),
            ending: AtomicBool::new(false),
            outcome: Mutex::new(None),
            ended: Condvar::new(),
        }))
    }

    /// Starts a parked vCPU.
    pub fn start(&self, vcpu: u32, entry: Entry) -> Result<(), CpuBusy> {
        let cpu = self.cpu(vcpu).ok_or(CpuBusy)?;
        let mut state = locked(&cpu.state);
        if *state != State::Parked {
            return Err(CpuBusy);
        }
        *state = State::Starting(entry);
        cpu.changed.notify_all();
        Ok(())
    }

    /// Asks a vCPU to park. It has when [`Control::is_parked`] says so.
    pub fn stop(&self, vcpu: u32) {
        if let Some(cpu) = self.cpu(vcpu) {
            let state = locked(&cpu.state);
            if *state == State::Running {
                cpu.stop.store(true, Ordering::SeqCst);
                cpu.kick();
            }
        }
    }

    /// Whether the vCPU is parked, and so may be started.
    pub fn is_parked(&self, vcpu: u32) -> bool {
        self.cpu(vcpu).is_some_and(|cpu| *locked(&cpu.state) == State::Parked)
    }

    /// Whether the machine's run has ended, or is about to.
    pub fn is_ending(&self) -> bool {
        self.0.ending.load(Ordering::SeqCst)
    }

    /// Ends the machine's run; only the first outcome counts.
    pub fn end(&self, outcome: Outcome) {
        locked(&self.0.outcome).get_or_insert(outcome);
        self.0.ending.store(true, Ordering::SeqCst);
        self.0.ended.notify_all();
        for cpu in &self.0.cpus {
            let _state = locked(&cpu.state);
            cpu.changed.notify_all();
            cpu.kick();
        }
    }

    pub(crate) fn wait(&self, limit: Duration) -> Outcome {
        let arrived = {
            let none_yet = |outcome: &mut Option<Outcome>| outcome.is_none();
            let (outcome, _) = self
                .0
                .ended
                .wait_timeout_while(locked(&self.0.outcome), limit, none_yet)
                .unwrap_or_else(PoisonError::into_inner);
            outcome.clone()
        };
        arrived.unwrap_or_else(|| {
            self.end(Outcome::TimedOut);
            // Someone may have been faster.
            locked(&self.0.outcome).clone().unwrap_or(Outcome::TimedOut)
        })
    }

    /// Waits until every vCPU's thread has left its loop, but not for ever.
    pub(crate) fn wait_for_threads(&self, limit: Duration) -> Result<(), Error> {
        let start = Instant::now();
        for (index, cpu) in self.0.cpus.iter().enumerate() {
            let left = limit.saturating_sub(start.elapsed());
            let (state, _) = cpu
                .changed
                .wait_timeout_while(locked(&cpu.state), left, |state| *state != State::Gone)
                .unwrap_or_else(PoisonError::into_inner);
            if *state != State::Gone {
                return Err(Error::Stuck(u32::try_from(index).unwrap_or(u32::MAX)));
            }
        }
        Ok(())
    }

    fn cpu(&self, vcpu: u32) -> Option<&Cpu> {
        self.0.cpus.get(usize::try_from(vcpu).ok()?)
    }

    /// Whether the vCPU's thread has to leave the guest.
    #[inline]
    pub(crate) fn must_leave(&self, vcpu: u32) -> bool {
        self.0.ending.load(Ordering::Relaxed)
            || self.cpu(vcpu).is_some_and(|cpu| cpu.stop.load(Ordering::Relaxed))
    }

    /// Parks the calling vCPU's thread until it is started (its entry) or the machine ends (`None`).
    pub(crate) fn park(&self, vcpu: u32) -> Option<Entry> {
        let cpu = self.cpu(vcpu)?;
        let mut state = locked(&cpu.state);
        if *state == State::Running {
            *state = State::Parked;
        }
        cpu.stop.store(false, Ordering::SeqCst);
        cpu.changed.notify_all();
        loop {
            if self.0.ending.load(Ordering::SeqCst) {
                return None;
            }
            if let State::Starting(entry) = *state {
                *state = State::Running;
                return Some(entry);
            }
            state = cpu.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes the calling thread, whose vCPU's `immediate_exit` is given, reachable.
    ///
    /// # Safety
    /// The pointer is valid until the same thread calls [`Control::unregister`].
    pub(crate) unsafe fn register(&self, vcpu: u32, immediate_exit: *const AtomicU8) {
        if let Some(cpu) = self.cpu(vcpu) {
            // SAFETY: asks for the calling thread's own handle.
            let thread = unsafe { libc::pthread_self() };
            *locked(&cpu.kick) = Some(Kick { thread, immediate_exit });
        }
    }

    pub(crate) fn unregister(&self, vcpu: u32) {
        if let Some(cpu) = self.cpu(vcpu) {
            *locked(&cpu.kick) = None;
            *locked(&cpu.state) = State::Gone;
            cpu.changed.notify_all();
        }
    }
}

impl Cpu {
    /// Brings the thread out of KVM_RUN, or keeps it from entering: first the word that KVM_RUN looks at,
    /// then the signal that ends one already running.
    fn kick(&self) {
        if let Some(kick) = &*locked(&self.kick) {
            // SAFETY: the `Kick` is in its slot and the slot is locked, so thread and pointer are alive.
            unsafe {
                (*kick.immediate_exit).store(1, Ordering::SeqCst);
                libc::pthread_kill(kick.thread, SIGRTMIN());
            }
        }
    }
}
