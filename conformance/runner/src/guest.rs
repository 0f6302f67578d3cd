// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process as a guest environment: threads are its CPUs, and interrupts are handled wherever a CPU enters
//! the environment unmasked.
//!
//! | module | what |
//! | --- | --- |
//! | [`cpu`] | CPUs: masks, pending interrupts, start and stop |
//! | [`memory`] | region 0, and a window that the guest's side cannot write |
//! | [`step`] | one instruction at a time |
//! | `window` | the window, mapped twice |

pub mod cpu;
pub mod memory;
pub mod step;
mod window;

use cpu::Cpus;
use memory::GuestMemory;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use step::HostCode;
use tenon_abi::CounterKind;
use tenon_conformance::Env;
use tenon_conformance::env::{Bell, Handler};
use tenon_host::Memory;
use tenon_host::loopback::Loopback;
use tenon_rings::{Mapping, Site, Words};

/// vCPUs of a loopback machine.
pub const CPUS: u32 = 4;
/// A waiter gives way to others, and begins to sleep between two looks after so many of them, or so much
/// time.
const EAGER: (Duration, u32) = (Duration::from_millis(1), 32);
const NAP: Duration = Duration::from_micros(50);
/// Looks in all. A nap takes about twice its length, so a wait in vain ends within about a second.
const LOOKS: u32 = 6000;
/// Page 0 is nobody's, so that no address is zero.
const FIRST_PAGE: usize = 1 << 16;

/// How a guest reaches its host. The loopback host is one; broken ones wrap it.
pub trait Doorbells: Send + Sync {
    /// Rings a queue's doorbell.
    fn kick(&self, queue: u32);
    /// Hands a frame number over.
    fn bind(&self, frame: u32);
    /// The CPU of a thread executes nothing more.
    fn stopped(&self, cpu: u32);
}

impl<M> Doorbells for Loopback<M>
where
    M: Memory + Send + 'static,
    M::Words: Send,
{
    fn kick(&self, queue: u32) {
        Loopback::kick(self, queue);
    }

    fn bind(&self, frame: u32) {
        Loopback::bind(self, frame);
    }

    fn stopped(&self, cpu: u32) {
        self.with(|domain| domain.stopped(cpu));
    }
}

/// The guest of one process. It lives for ever: its threads and the cases refer to it.
pub struct Guest {
    host: &'static dyn Doorbells,
    memory: &'static GuestMemory,
    cpus: &'static Cpus,
    params: HashMap<String, String>,
    next_page: Mutex<usize>,
    born: Instant,
}

impl Guest {
    /// A guest with these boot parameters.
    #[must_use]
    pub fn new(
        host: &'static dyn Doorbells,
        memory: &'static GuestMemory,
        cpus: &'static Cpus,
        params: HashMap<String, String>,
    ) -> Self {
        cpus.connect(host);
        Self { host, memory, cpus, params, next_page: Mutex::new(FIRST_PAGE), born: Instant::now() }
    }
}

impl Env for Guest {
    fn window(&self) -> Mapping {
        self.memory.guest_window()
    }

    fn kick(&self, queue: u32) {
        cpu::busy();
        {
            let _host = HostCode::enter();
            self.host.kick(queue);
        }
        self.cpus.look();
    }

    fn bind(&self, frame: u32) {
        cpu::busy();
        {
            let _host = HostCode::enter();
            self.host.bind(frame);
        }
        self.cpus.look();
    }

    fn pages(&self, len: usize, align: usize) -> Option<(Mapping, u64)> {
        let _host = HostCode::enter();
        let mut next = self.next_page.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.checked_next_multiple_of(align.max(8))?;
        let end = at.checked_add(len).filter(|end| *end <= memory::MEMORY_LEN)?;
        let words = self.memory.region().slice(at / 8, len.div_ceil(8))?;
        for index in 0..words.len() {
            words.store(index, 0, Site::Status);
        }
        *next = end;
        Some((words, at as u64))
    }

    fn clean(&self) {
        let _host = HostCode::enter();
        *self.next_page.lock().unwrap_or_else(PoisonError::into_inner) = FIRST_PAGE;
        self.cpus.clean();
    }

    fn enter(&self) -> usize {
        cpu::mask()
    }

    fn leave(&self, token: usize) {
        cpu::unmask(token);
        if token == 0 {
            step::unmasked();
            self.cpus.look();
        }
    }

    fn relax(&self) {
        {
            let _host = HostCode::enter();
            let (time, looks) = cpu::waiting();
            if time < EAGER.0 && looks < EAGER.1 {
                thread::yield_now();
            } else {
                thread::sleep(NAP);
            }
        }
        self.cpus.look();
    }

    fn patience(&self) -> u32 {
        LOOKS
    }

    fn halt(&self) {
        cpu::busy();
        self.cpus.halt();
    }

    fn cpu(&self) -> u32 {
        cpu::current()
    }

    fn set_handler(&self, handler: Option<Handler>) {
        let _host = HostCode::enter();
        self.cpus.set_handler(handler);
    }

    fn secondary(&self, cpu: u32, run: fn(u32)) -> Option<(u64, u64)> {
        let _host = HostCode::enter();
        self.cpus.entry(cpu, run)
    }

    fn store_to_window(&self, offset: usize, value: u64) -> Option<bool> {
        let _host = HostCode::enter();
        self.memory.store_to_window(offset, value)
    }

    fn doorbell_from_user_mode(&self, _: Bell) -> Option<bool> {
        None
    }

    fn discovered_by_cpuid(&self) -> Option<(u64, u64)> {
        None
    }

    fn step_through(&self, run: &mut dyn FnMut(), hook: fn()) -> Option<u32> {
        step::through(self.cpus, run, hook)
    }

    fn counter(&self, kind: u16) -> Option<u64> {
        let ours = if cfg!(target_arch = "x86_64") { CounterKind::X86_TSC } else { CounterKind::ARM_CNTVCT };
        if kind == ours.0 { tenon_host::loopback::clock::now().counter } else { None }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn param(&self, key: &str) -> Option<&str> {
        self.params.get(key).map(String::as_str)
    }

    fn report(&self, line: &[u8]) {
        let _host = HostCode::enter();
        let mut serial = std::io::stdout().lock();
        // A runner that is gone reads no report.
        let _ = serial.write_all(line).and_then(|()| serial.flush());
    }
}
