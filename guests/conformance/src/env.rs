// SPDX-License-Identifier: MIT OR Apache-2.0
//! The image as an environment of the suite.
#![allow(unsafe_code, reason = "hands out pages and stores to the window on purpose")]

use crate::bell::Doorbells;
use crate::{bar, find};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use tenon_abi::CounterKind;
use tenon_conformance::env::{Bell, Env, Handler};
use tenon_conformance::raw;
use tenon_guest::Found;
use tenon_guest::conduit::Conduit;
use tenon_guest::discovery::WindowAt;
use tenon_guest_rt as rt;
use tenon_rings::Mapping;

/// The guest that this image is.
struct Image;

/// The host that it found. What the record says of doorbells does not change (DISC-3).
struct Host {
    window: Mapping,
    doorbells: Doorbells,
    /// Where CPUID says that the window is.
    cpuid: Option<WindowAt>,
}

struct Once(UnsafeCell<Option<Host>>);

// SAFETY: `discover` writes it on the boot CPU, before the suite begins and any other CPU runs; it is
// read-only later.
unsafe impl Sync for Once {}

static HOST: Once = Once(UnsafeCell::new(None));

fn host() -> &'static Host {
    // SAFETY: as above.
    unsafe { &*HOST.0.get() }.as_ref().unwrap_or_else(|| rt::exit(super::NO_HOST))
}

/// The arena as it was before the first case.
static CLEAN: AtomicUsize = AtomicUsize::new(0);
static HANDLER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
static RUNS: [AtomicPtr<()>; rt::MAX_CPUS] = [const { AtomicPtr::new(core::ptr::null_mut()) }; rt::MAX_CPUS];

/// One look of a waiter takes so many microseconds, so that its patience is a time on processors of any
/// speed.
const RELAX_MICROS: u64 = 5;
/// With the above at least half a second.
const PATIENCE: u32 = 100_000;

/// Finds the host; else why there is none.
pub(crate) fn discover() -> Result<&'static dyn Env, &'static str> {
    let host = match find::window() {
        Some(place) => behind_window(place)?,
        None => {
            let attached = bar::discover()?;
            let doorbells = Doorbells::device(attached);
            Host { window: attached.found.window(), doorbells, cpuid: None }
        }
    };
    if rt::Params::get("arena") == Some("high") {
        rt::memory::move_high().ok_or("no RAM behind the first 4 GiB")?;
    }
    // SAFETY: only the boot CPU runs, and nobody has looked yet.
    unsafe { *HOST.0.get() = Some(host) };
    CLEAN.store(rt::mark().0, Ordering::Relaxed);
    rt::set_upcall_handler(|cpu, vector| {
        let handler = HANDLER.load(Ordering::Acquire);
        if !handler.is_null() {
            // SAFETY: only `set_handler` stores here, and only functions of this type.
            let handler = unsafe { core::mem::transmute::<*mut (), Handler>(handler) };
            handler(cpu as u32, u32::from(vector));
        }
    });
    rt::irq_enable();
    Ok(&Image)
}

fn behind_window(place: find::Place) -> Result<Host, &'static str> {
    let len = usize::try_from(place.at.len).unwrap_or(0);
    // SAFETY: the host keeps its window there, mapped as long as the image runs; nobody stores through this
    // handle.
    let window = unsafe { Mapping::new(place.base, len) }.ok_or("no Tenon: its window is nowhere")?;
    let found = Found::at(window).map_err(|_| "no Tenon: its window begins with no record")?;
    let doorbells =
        Doorbells::of(found.record()).ok_or("its conduit is of a kind that this image does not have")?;
    Ok(Host { window, doorbells, cpuid: place.by_cpuid.then_some(place.at) })
}

extern "C" fn run_secondary(cpu: usize) {
    rt::irq_enable();
    let run = RUNS.get(cpu).map_or(core::ptr::null_mut(), |run| run.load(Ordering::Acquire));
    if !run.is_null() {
        // SAFETY: only `secondary` stores here, and only functions of this type.
        let run = unsafe { core::mem::transmute::<*mut (), fn(u32)>(run) };
        run(cpu as u32);
    }
}

impl Env for Image {
    fn window(&self) -> Mapping {
        host().window
    }

    fn kick(&self, queue: u32) {
        host().doorbells.kick(queue);
    }

    fn bind(&self, frame: u32) {
        host().doorbells.bind(frame);
    }

    fn pages(&self, len: usize, align: usize) -> Option<(Mapping, u64)> {
        if let Some(attached) = bar::attached() {
            return bar::pages(attached, len, align);
        }
        let page = rt::alloc_pages(len.div_ceil(4096), align)?;
        // SAFETY: the pages were just taken from the arena and belong to the caller until `clean`.
        let mapping = unsafe { Mapping::new(page, len) }?;
        Some((mapping, page.addr() as u64))
    }

    fn hole(&self) -> Option<(u64, u64)> {
        // The memory of a device is a region of its own kind (SHM-1).
        if bar::attached().is_some() { None } else { rt::memory::hole() }
    }

    fn clean(&self) {
        HANDLER.store(core::ptr::null_mut(), Ordering::Release);
        rt::irq_enable();
        #[cfg(target_arch = "aarch64")]
        (rt::interrupts::FIRST_VECTOR..=rt::interrupts::LAST_VECTOR).for_each(|vector| rt::lead(0, vector));
        bar::clean();
        // SAFETY: the session is over, so the host uses none of them, and the case that did has returned.
        unsafe { rt::release(rt::Mark(CLEAN.load(Ordering::Relaxed))) };
    }

    fn enter(&self) -> usize {
        rt::irq_save()
    }

    fn leave(&self, token: usize) {
        rt::irq_restore(token);
    }

    fn relax(&self) {
        let start = rt::ticks();
        let enough = RELAX_MICROS * rt::ticks_per_microsecond();
        while rt::ticks().wrapping_sub(start) < enough {
            core::hint::spin_loop();
        }
    }

    fn patience(&self) -> u32 {
        PATIENCE
    }

    fn halt(&self) {
        rt::wait_for_interrupt();
    }

    fn cpu(&self) -> u32 {
        rt::cpu_index() as u32
    }

    fn set_handler(&self, handler: Option<Handler>) {
        HANDLER.store(handler.map_or(core::ptr::null_mut(), |handler| handler as *mut ()), Ordering::Release);
    }

    fn lead(&self, cpu: u32, interrupt: u32) {
        #[cfg(target_arch = "aarch64")]
        rt::lead(cpu as usize, interrupt as u8);
        #[cfg(not(target_arch = "aarch64"))]
        let _ = (cpu, interrupt);
    }

    fn secondary(&self, cpu: u32, run: fn(u32)) -> Option<(u64, u64)> {
        RUNS.get(cpu as usize)?.store(run as *mut (), Ordering::Release);
        let (entry, argument) = rt::prepare_secondary(cpu as usize, run_secondary)?;
        Some((entry, argument))
    }

    fn store_to_window(&self, offset: usize, value: u64) -> Option<bool> {
        let before = raw::load(&self.window(), offset);
        let address = host().window.base().addr() as u64 + offset as u64;
        // SAFETY: the address lies in the host's window, which is nobody's memory in this image; a fault is
        // the result.
        let stored = unsafe { rt::try_store_u32(address, value as u32) };
        Some(stored.is_err() || raw::load(&self.window(), offset) == before)
    }

    fn doorbell_from_user_mode(&self, bell: Bell) -> Option<bool> {
        host().doorbells.ring_from_user_mode(bell)
    }

    fn discovered_by_cpuid(&self) -> Option<(u64, u64)> {
        host().cpuid.map(|at| (at.address, at.len))
    }

    #[cfg(target_arch = "x86_64")]
    fn cpuid(&self, leaf: u32) -> Option<[u32; 4]> {
        Some(rt::cpuid(leaf))
    }

    fn first_vector(&self) -> u32 {
        u32::from(rt::interrupts::FIRST_VECTOR)
    }

    fn step_through(&self, _: &mut dyn FnMut(), _: fn()) -> Option<u32> {
        None
    }

    fn counter(&self, kind: u16) -> Option<u64> {
        let ours = if cfg!(target_arch = "x86_64") {
            CounterKind::X86_TSC
        } else if cfg!(target_arch = "aarch64") {
            CounterKind::ARM_CNTVCT
        } else {
            CounterKind::RISCV_TIME
        };
        (kind == ours.0).then(rt::ticks)
    }

    fn micros(&self) -> u64 {
        rt::ticks() / rt::ticks_per_microsecond()
    }

    fn param(&self, key: &str) -> Option<&str> {
        rt::Params::get(key)
    }

    fn report(&self, line: &[u8]) {
        rt::serial_write(line);
    }
}
