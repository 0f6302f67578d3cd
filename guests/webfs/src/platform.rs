// SPDX-License-Identifier: MIT OR Apache-2.0
//! What this kernel provides to the shim: doorbells, an interrupt mask, pages; and its own memory.
#![allow(unsafe_code, reason = "a platform is an unsafe trait, and memory comes as addresses")]

use core::ptr::NonNull;
use tenon_guest::conduit::Doorbells;
use tenon_guest::discovery::WindowAt;
use tenon_guest::{Error, Found, Pages, Platform};
use tenon_guest_rt as rt;
use tenon_rings::Mapping;

/// This kernel.
pub(crate) struct Kernel(Doorbells);

// SAFETY: `irq_save` masks interrupts and pairs nest; there is one CPU; the doorbells are those of the host
// that wrote the record.
unsafe impl Platform for Kernel {
    type Conduit = Doorbells;

    fn conduit(&self) -> &Doorbells {
        &self.0
    }

    fn enter(&self) -> usize {
        rt::irq_save()
    }

    fn leave(&self, token: usize) {
        rt::irq_restore(token);
    }
}

/// The host, and what rings its doorbells.
pub(crate) fn find() -> Result<(Found, Kernel), Error> {
    let at = place().ok_or(Error::NotPresent)?;
    let len = usize::try_from(at.len).map_err(|_| Error::NotPresent)?;
    let base = rt::map(at.address, at.len, rt::MapAs::Memory).ok_or(Error::NotPresent)?;
    // SAFETY: the host keeps its window there, and this image stores nothing to it.
    let window = unsafe { Mapping::new(base, len) }.ok_or(Error::NotPresent)?;
    let found = Found::at(window)?;
    let map = |address: u64, len: u64| {
        let mapped = rt::map(address, len, rt::MapAs::Device)?;
        NonNull::new(mapped.cast::<u32>()).filter(|_| address.is_multiple_of(4))
    };
    // SAFETY: the record is the host's; the image owns all ports, maps as devices what is nobody's memory,
    // and runs at the level that makes hypercalls.
    let doorbells = unsafe { Doorbells::of(found.record(), map) }.ok_or(Error::NotPresent)?;
    Ok((found, Kernel(doorbells)))
}

/// Where the window is: by CPUID (DISC-4), or by the device tree (DISC-13).
fn place() -> Option<WindowAt> {
    #[cfg(target_arch = "x86_64")]
    if let Ok(at) = tenon_guest::discovery::cpuid_by(rt::cpuid) {
        return Some(at);
    }
    let window = rt::platform::get().window?;
    Some(WindowAt { address: window.address, len: window.len })
}

/// Pages that the host may see.
pub(crate) fn pages(len: usize) -> Result<Pages, Error> {
    let page = rt::alloc_pages(len / rt::memory::PAGE_SIZE, 1 << 16).ok_or(Error::BadMemory)?;
    // SAFETY: the pages were just taken from the arena and are never given back. An address of memory is an
    // offset of region 0.
    unsafe { Pages::new(page, len, page.addr() as u64) }
}

/// Memory of this kernel's alone, of zeros.
pub(crate) fn memory(len: usize) -> Result<&'static mut [u8], Error> {
    let pages = len.div_ceil(rt::memory::PAGE_SIZE);
    let page = rt::alloc_pages(pages, rt::memory::PAGE_SIZE).ok_or(Error::BadMemory)?;
    // SAFETY: so many bytes were just taken from the arena, and nobody else has them.
    Ok(unsafe { core::slice::from_raw_parts_mut(page, len) })
}

/// A place for something that lives as long as the image.
pub(crate) fn keep<T>(value: T) -> Result<&'static mut T, Error> {
    let place = memory(size_of::<T>().max(1))?.as_mut_ptr().cast::<T>();
    if !place.is_aligned() {
        return Err(Error::BadMemory);
    }
    // SAFETY: the memory is large enough, aligned, and nobody else's.
    unsafe {
        place.write(value);
        Ok(&mut *place)
    }
}

/// Bytes of this image's stack: servers, sockets and what is in flight pass over it when they are made.
const STACK: usize = 1 << 20;

/// Runs this on a stack that is long enough.
pub(crate) fn on_long_stack(run: extern "C" fn()) -> Result<(), Error> {
    let top = memory(STACK)?.as_mut_ptr_range().end;
    // SAFETY: the stack is memory of this image's alone, aligned to a page, and lives for ever; the old one
    // is restored from a register that `run` keeps.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!("mov r12, rsp", "mov rsp, {top}", "call {run}", "mov rsp, r12",
            top = in(reg) top, run = in(reg) run, out("r12") _, clobber_abi("C"));
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!("mov x20, sp", "mov sp, {top}", "blr {run}", "mov sp, x20",
            top = in(reg) top, run = in(reg) run, out("x20") _, clobber_abi("C"));
        #[cfg(target_arch = "riscv64")]
        core::arch::asm!("mv s2, sp", "mv sp, {top}", "jalr {run}", "mv sp, s2",
            top = in(reg) top, run = in(reg) run, out("s2") _, clobber_abi("C"));
    }
    Ok(())
}
