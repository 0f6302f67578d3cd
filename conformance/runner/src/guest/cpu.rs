// SPDX-License-Identifier: MIT OR Apache-2.0
//! CPUs of a process: masks, pending interrupts, start and stop.

use super::step::HostCode;
use super::{CPUS, Doorbells};
use crate::out::complain;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tenon_conformance::env::Handler;

/// How long a halt lasts when no interrupt comes.
const HALT: Duration = Duration::from_millis(100);
/// Entry for VCPU_START: the one place where a thread of this guest can begin.
const ENTRY: u64 = 0x1000;

thread_local! {
    static CURRENT: Cell<u32> = const { Cell::new(0) };
    /// Depth of masking.
    static MASKED: Cell<usize> = const { Cell::new(0) };
    /// When this CPU began to wait, if it waits, and how often it has looked since.
    static WAITING: Cell<Option<(Instant, u32)>> = const { Cell::new(None) };
}

/// The CPU that runs this thread.
pub fn current() -> u32 {
    CURRENT.get()
}

/// Masks interrupts; the result is for [`unmask`].
pub fn mask() -> usize {
    MASKED.replace(MASKED.get().saturating_add(1))
}

/// Undoes one [`mask`].
pub fn unmask(token: usize) {
    MASKED.set(token);
}

/// Whether interrupts are masked.
pub fn is_masked() -> bool {
    MASKED.get() != 0
}

/// This CPU did something that may change memory soon.
pub fn busy() {
    WAITING.set(None);
}

/// This CPU looked at memory in vain. The result is how long it has been waiting, and how often it has
/// looked.
pub fn waiting() -> (Duration, u32) {
    let now = Instant::now();
    let (since, looks) = WAITING.get().unwrap_or((now, 0));
    WAITING.set(Some((since, looks.saturating_add(1))));
    (now.saturating_duration_since(since), looks)
}

/// The CPUs of a guest.
pub struct Cpus {
    cpus: [Cpu; CPUS as usize],
    handler: Mutex<Option<Handler>>,
    /// What was handed out for VCPU_START: the argument is an index.
    entries: Mutex<Vec<fn(u32)>>,
    host: OnceLock<&'static dyn Doorbells>,
}

#[derive(Default)]
struct Cpu {
    state: Mutex<State>,
    changed: Condvar,
    /// Something in `state` wants a look: saves the lock where nothing does.
    attention: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Bit v of the whole: vector v is pending.
    pending: [u64; 4],
    /// A thread runs for this CPU.
    threaded: bool,
    stop: bool,
}

impl State {
    fn is_pending(&self) -> bool {
        self.pending.iter().any(|&bits| bits != 0)
    }

    /// The highest pending vector, as interrupt controllers do it.
    fn take(&mut self) -> Option<u32> {
        let (index, bits) = self.pending.iter_mut().enumerate().rfind(|(_, bits)| **bits != 0)?;
        let bit = 63 - bits.leading_zeros();
        *bits &= !(1 << bit);
        Some(index as u32 * 64 + bit)
    }
}

impl Cpu {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.attention.store(true, Ordering::Release);
        self.changed.notify_all();
    }
}

impl Default for Cpus {
    fn default() -> Self {
        let cpus: [Cpu; CPUS as usize] = Default::default();
        cpus[0].lock().threaded = true;
        Self { cpus, handler: Mutex::default(), entries: Mutex::default(), host: OnceLock::new() }
    }
}

impl Cpus {
    /// Where stopped CPUs are announced.
    pub(super) fn connect(&self, host: &'static dyn Doorbells) {
        // A second host of the same CPUs would be a mistake of the caller's; the first one stays.
        let _ = self.host.set(host);
    }

    fn get(&self, cpu: u32) -> Option<&Cpu> {
        self.cpus.get(cpu as usize)
    }

    /// Makes an interrupt pending.
    pub fn inject(&self, cpu: u32, vector: u32) {
        if let Some(cpu) = self.get(cpu) {
            cpu.change(|state| {
                // This interrupt controller has 256 interrupts, which is what its host's record says.
                if let Some(bits) = state.pending.get_mut(vector as usize / 64) {
                    *bits |= 1 << (vector % 64);
                }
            });
        }
    }

    /// Starts the thread of a CPU, if entry and argument are what `Cpus::entry` gave out: anything else
    /// executes nothing.
    pub fn start(&'static self, vcpu: u32, entry: u64, argument: u64) {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = usize::try_from(argument).ok().and_then(|index| entries.get(index).copied());
        let (Some(cpu), Some(run)) = (self.get(vcpu), found.filter(|_| entry == ENTRY)) else { return };
        drop(entries);
        *cpu.lock() = State { threaded: true, ..State::default() };
        let thread = thread::Builder::new().name(format!("guest-cpu-{vcpu}"));
        let started = thread.spawn(move || {
            CURRENT.set(vcpu);
            run(vcpu);
            mask();
            loop {
                self.halt();
            }
        });
        if let Err(error) = started {
            complain(&format!("tenon-conformance: no thread for CPU {vcpu} of the guest: {error}"));
            cpu.lock().threaded = false;
        }
    }

    /// Asks a CPU to stop; `false` if it executes nothing anyway.
    pub fn stop(&self, vcpu: u32) -> bool {
        let Some(cpu) = self.get(vcpu) else { return false };
        // In one step: whoever stops afterwards announces it.
        let mut executes = false;
        cpu.change(|state| {
            state.stop = true;
            executes = state.threaded;
        });
        executes
    }

    /// Entry and argument of VCPU_START for `run` on CPU `cpu`.
    pub(super) fn entry(&self, cpu: u32, run: fn(u32)) -> Option<(u64, u64)> {
        self.get(cpu)?;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(run);
        Some((ENTRY, entries.len() as u64 - 1))
    }

    pub(super) fn set_handler(&self, handler: Option<Handler>) {
        *self.handler.lock().unwrap_or_else(PoisonError::into_inner) = handler;
    }

    /// Forgets handler and interrupts, and unmasks this CPU.
    pub(super) fn clean(&self) {
        self.set_handler(None);
        for cpu in &self.cpus {
            cpu.lock().pending = [0; 4];
        }
        MASKED.set(0);
        busy();
    }

    /// Stops here if this CPU was stopped, and handles pending interrupts unless they are masked.
    #[inline]
    pub(super) fn look(&self) {
        let Some(cpu) = self.get(current()) else { return };
        if cpu.attention.load(Ordering::Acquire) {
            self.attend(cpu);
        }
    }

    #[cold]
    fn attend(&self, cpu: &Cpu) {
        loop {
            let masked = mask();
            let vector = {
                let _host = HostCode::enter();
                let mut state = cpu.lock();
                if state.stop {
                    drop(state);
                    self.park(cpu);
                }
                let vector = if masked == 0 { state.take() } else { None };
                cpu.attention.store(state.is_pending(), Ordering::Release);
                vector
            };
            let Some(vector) = vector else {
                unmask(masked);
                return;
            };
            let handler = {
                let _host = HostCode::enter();
                *self.handler.lock().unwrap_or_else(PoisonError::into_inner)
            };
            if let Some(handler) = handler {
                handler(current(), vector);
            }
            unmask(masked);
        }
    }

    /// Unmasks, waits for an interrupt for a while, handles what is there, and masks as before.
    pub(super) fn halt(&self) {
        let Some(cpu) = self.get(current()) else { return };
        {
            let _host = HostCode::enter();
            let end = Instant::now() + HALT;
            let mut state = cpu.lock();
            while !state.stop && !state.is_pending() {
                let Some(left) = end.checked_duration_since(Instant::now()) else { break };
                let waited = cpu.changed.wait_timeout(state, left);
                (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
        let masked = MASKED.replace(0);
        self.look();
        MASKED.set(masked);
    }

    /// The thread of a stopped CPU executes nothing more of the guest. It never ends: unwinding would run
    /// guest code.
    fn park(&self, cpu: &Cpu) -> ! {
        cpu.lock().threaded = false;
        if let Some(host) = self.host.get() {
            host.stopped(current());
        }
        loop {
            thread::park();
        }
    }
}
