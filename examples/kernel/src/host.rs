// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the host is, and what this kernel provides to the shim.

use core::ptr::NonNull;
use tenon_guest::conduit::Doorbells;
use tenon_guest::pci::{Bus, IVSHMEM, Ports};
use tenon_guest::{Error, Found, Pages, Platform, discovery, shared};
use tenon_rings::Mapping;

/// Addresses of a PC that are free for devices, and the end of what is mapped here.
const FREE: core::ops::Range<u64> = 0xc000_0000..0xfec0_0000;
const MAPPED: u64 = 1 << 32;
const POOL: usize = 0x4_0000;

unsafe extern "C" {
    static mut pool: u8;
}

/// This kernel.
pub(crate) struct Kernel(Doorbells);

// SAFETY: one CPU, and interrupts are off; the doorbells are those of the host that was found.
unsafe impl Platform for Kernel {
    type Conduit = Doorbells;
    fn conduit(&self) -> &Doorbells {
        &self.0
    }
    fn enter(&self) -> usize {
        0
    }
    fn leave(&self, _: usize) {}
}

/// The host, its doorbells, and pages that it may see.
pub(crate) fn find() -> Result<(Found, Kernel, Pages), Error> {
    let Ok(at) = discovery::cpuid() else { return behind_device() };
    // SAFETY: the host keeps its window there, and this kernel stores nothing to it.
    let window = unsafe { Mapping::new(at.address as *mut u8, at.len as usize) };
    let found = Found::at(window.ok_or(Error::NotPresent)?)?;
    let map = |at: u64, len| (at.checked_add(len)? <= MAPPED).then(|| NonNull::new(at as *mut u32))?;
    // SAFETY: the record is the host's; this kernel has all ports, and uses no memory but its own.
    let doorbells = unsafe { Doorbells::of(found.record(), map) }.ok_or(Error::NotPresent)?;
    let start = &raw mut pool;
    // SAFETY: the pool is this function's to hand out, mapped one to one.
    Ok((found, Kernel(doorbells), unsafe { Pages::new(start, POOL, start.addr() as u64) }?))
}

fn behind_device() -> Result<(Found, Kernel, Pages), Error> {
    // SAFETY: without CPUID leaves this is a PC, and nobody else uses its devices.
    let config = unsafe { Ports::new() };
    let mut devices = [None; 4];
    Bus::new(&config, FREE, MAPPED).find(IVSHMEM, &mut devices);
    // A host behind a device may come later than its guest.
    for device in devices.iter().flatten().cycle().take(10_000_000) {
        let (Ok(registers), Ok(memory)) = (device.bar(0), device.bar(2)) else { continue };
        let doorbell = (registers.address + shared::DOORBELL) as *mut u32;
        // SAFETY: both BARs are the device's, mapped one to one; this kernel uses no other device.
        let attached = unsafe {
            let words = Mapping::new(memory.address as *mut u8, memory.len as usize);
            shared::attach(words.ok_or(Error::BadMemory)?, doorbell)
        };
        match attached {
            Ok(attached) => return Ok((attached.found, Kernel(attached.conduit.into()), attached.pages)),
            Err(Error::NotPresent) => core::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
    Err(Error::NotPresent)
}
