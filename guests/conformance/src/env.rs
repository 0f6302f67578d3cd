// SPDX-License-Identifier: MIT OR Apache-2.0
//! The image as an environment of the suite.
#![allow(unsafe_code, reason = "hands out pages and stores to the window on purpose")]

use crate::{bar, bell};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use tenon_conformance::env::{Bell, Env, Handler};
use tenon_conformance::raw;
use tenon_guest::conduit::Conduit;
use tenon_guest::discovery::{WindowAt, cpuid_by};
use tenon_guest_rt as rt;
use tenon_rings::Mapping;

/// The guest that this image is.
struct Image;

static WINDOW_ADDRESS: AtomicU64 = AtomicU64::new(0);
static WINDOW_LEN: AtomicU64 = AtomicU64::new(0);
static DOORBELLS: Doorbells = Doorbells(UnsafeCell::new(None));
/// The arena as it was before the first case.
static CLEAN: AtomicUsize = AtomicUsize::new(0);
static HANDLER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
static RUNS: [AtomicPtr<()>; rt::MAX_CPUS] = [const { AtomicPtr::new(core::ptr::null_mut()) }; rt::MAX_CPUS];

/// One look of a waiter takes so many microseconds, so that its patience is a time on processors of any speed.
const RELAX_MICROS: u64 = 5;
/// With the above at least half a second.
const PATIENCE: u32 = 100_000;

/// Finds the host.
pub(crate) fn discover() -> Option<&'static dyn Env> {
    match cpuid_by(rt::cpuid) {
        Ok(WindowAt { address, len }) => {
            WINDOW_ADDRESS.store(address, Ordering::Relaxed);
            WINDOW_LEN.store(len, Ordering::Relaxed);
        }
        Err(_) => bar::discover()?,
    }
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
    let doorbells = match bar::attached() {
        Some(attached) => bell::Doorbells::device(attached),
        None => bell::Doorbells::of(&raw::record(&Image))?,
    };
    // SAFETY: only the boot CPU runs, and nobody has looked yet.
    unsafe { *DOORBELLS.0.get() = Some(doorbells) };
    Some(&Image)
}

/// The doorbells as the record named them: it does not change (DISC-3).
struct Doorbells(UnsafeCell<Option<bell::Doorbells>>);

// SAFETY: written once, before the suite begins and any other CPU runs.
unsafe impl Sync for Doorbells {}

fn doorbells() -> &'static bell::Doorbells {
    // SAFETY: as above.
    unsafe { &*DOORBELLS.0.get() }.as_ref().unwrap_or_else(|| rt::exit(super::NO_HOST))
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
        if let Some(attached) = bar::attached() {
            return attached.found.window();
        }
        let base = WINDOW_ADDRESS.load(Ordering::Relaxed) as *mut u8;
        // SAFETY: memory is mapped one to one, and the host keeps its window there; nobody stores through this handle.
        unsafe { Mapping::new(base, WINDOW_LEN.load(Ordering::Relaxed) as usize) }
            .unwrap_or_else(|| rt::exit(super::NO_HOST))
    }

    fn kick(&self, queue: u32) {
        doorbells().kick(queue);
    }

    fn bind(&self, frame: u32) {
        doorbells().bind(frame);
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

    fn clean(&self) {
        HANDLER.store(core::ptr::null_mut(), Ordering::Release);
        rt::irq_enable();
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

    fn secondary(&self, cpu: u32, run: fn(u32)) -> Option<(u64, u64)> {
        RUNS.get(cpu as usize)?.store(run as *mut (), Ordering::Release);
        let (entry, argument) = rt::prepare_secondary(cpu as usize, run_secondary)?;
        Some((entry, argument))
    }

    fn store_to_window(&self, offset: usize, value: u64) -> Option<bool> {
        let before = raw::load(&self.window(), offset);
        let address = self.window().base().addr() as u64 + offset as u64;
        // SAFETY: the address lies in the host's window, which is nobody's memory in this image; a fault is the result.
        let stored = unsafe { rt::try_store_u32(address, value as u32) };
        Some(stored.is_err() || raw::load(&self.window(), offset) == before)
    }

    fn doorbell_from_user_mode(&self, bell: Bell) -> Option<bool> {
        doorbells().ring_from_user_mode(bell)
    }

    fn discovered_by_cpuid(&self) -> Option<(u64, u64)> {
        let window = (WINDOW_ADDRESS.load(Ordering::Relaxed), WINDOW_LEN.load(Ordering::Relaxed));
        (window != (0, 0)).then_some(window)
    }

    fn cpuid(&self, leaf: u32) -> Option<[u32; 4]> {
        Some(rt::cpuid(leaf))
    }

    fn step_through(&self, _: &mut dyn FnMut(), _: fn()) -> Option<u32> {
        None
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
