// SPDX-License-Identifier: MIT OR Apache-2.0
//! What this kernel provides to the shim: doorbells, an interrupt mask, pages.
#![allow(unsafe_code, reason = "a platform is an unsafe trait, and memory comes as addresses")]

use tenon_guest::conduit::PortIo;
use tenon_guest::discovery::WindowAt;
use tenon_guest::{Error, Found, Pages, Platform};
use tenon_guest_rt as rt;
use tenon_rings::Mapping;

/// This kernel.
pub(crate) struct Hello {
    ports: PortIo,
}

impl Hello {
    pub(crate) fn of(found: &Found) -> Result<Self, Error> {
        // SAFETY: the record is the host's, found by CPUID, and the image owns all ports.
        let ports = unsafe { PortIo::of(found.record()) }.ok_or(Error::NotPresent)?;
        Ok(Self { ports })
    }
}

// SAFETY: `irq_save` masks interrupts and pairs nest; there is one CPU; the ports are those of the record.
unsafe impl Platform for Hello {
    type Conduit = PortIo;

    fn conduit(&self) -> &PortIo {
        &self.ports
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
