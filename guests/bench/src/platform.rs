// SPDX-License-Identifier: MIT OR Apache-2.0
//! What this kernel provides to the shim, and its bare `out`.
#![allow(unsafe_code, reason = "a platform is an unsafe trait, and memory comes as addresses")]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};
use tenon_guest::conduit::{Conduit, PortIo};
use tenon_guest::discovery::WindowAt;
use tenon_guest::{Error, Found, Pages, Platform};
use tenon_guest_rt as rt;
use tenon_rings::Mapping;

/// This kernel.
pub(crate) struct Bench {
    bells: Counted,
}

/// Tenon's doorbells, counted.
pub(crate) struct Counted {
    ports: PortIo,
    kicks: AtomicU64,
}

impl Conduit for Counted {
    #[inline(always)]
    fn kick(&self, queue: u32) {
        // There is one CPU.
        self.kicks.store(self.kicks.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.ports.kick(queue);
    }

    fn bind(&self, frame: u32) {
        self.ports.bind(frame);
    }
}

impl Bench {
    pub(crate) fn of(found: &Found) -> Result<Self, Error> {
        // SAFETY: the record is the host's, found by CPUID, and the image owns all ports.
        let ports = unsafe { PortIo::of(found.record()) }.ok_or(Error::NotPresent)?;
        Ok(Self { bells: Counted { ports, kicks: AtomicU64::new(0) } })
    }

    /// Doorbells that were rung.
    pub(crate) fn kicks(&self) -> u64 {
        self.bells.kicks.load(Ordering::Relaxed)
    }
}

// SAFETY: `irq_save` masks interrupts and pairs nest; there is one CPU; the ports are those of the record.
unsafe impl Platform for Bench {
    type Conduit = Counted;

    #[inline(always)]
    fn conduit(&self) -> &Counted {
        &self.bells
    }

    fn enter(&self) -> usize {
        rt::irq_save()
    }

    fn leave(&self, token: usize) {
        rt::irq_restore(token);
    }
}

/// The window: memory is mapped one to one.
pub(crate) fn window(at: WindowAt) -> Result<Mapping, Error> {
    let len = usize::try_from(at.len).map_err(|_| Error::NotPresent)?;
    // SAFETY: the host keeps its window there, and this image stores nothing to it.
    unsafe { Mapping::new(at.address as *mut u8, len) }.ok_or(Error::NotPresent)
}

/// Pages of the image's own, aligned to their size.
pub(crate) fn pages(len: usize) -> Result<Pages, Error> {
    let page = rt::alloc_pages(len / rt::memory::PAGE_SIZE, len).ok_or(Error::BadMemory)?;
    // SAFETY: the pages were just taken from the arena, are never given back, and are mapped one to one.
    unsafe { Pages::new(page, len, page.addr() as u64) }
}

/// A page that the host is told of by a port: its first two words.
pub(crate) fn shared(control: u16) -> Result<&'static [AtomicU64; 2], Error> {
    let (words, address) = page()?;
    out(control, address as u32);
    Ok(words)
}

/// The first two words of a page, for the host too, and where it lies.
pub(crate) fn page() -> Result<(&'static [AtomicU64; 2], u64), Error> {
    let page = rt::alloc_pages(1, rt::memory::PAGE_SIZE).ok_or(Error::BadMemory)?;
    // SAFETY: the page was just taken from the arena and is never given back; it is reached by atomics only,
    // the host's side too.
    Ok((unsafe { &*page.cast::<[AtomicU64; 2]>() }, page.addr() as u64))
}

/// A bare exit, or a bare doorbell.
#[inline(always)]
pub(crate) fn out(port: u16, value: u32) {
    // SAFETY: the image owns all ports. No `nomem`: it is as good a doorbell as that of Tenon.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags)) };
}
