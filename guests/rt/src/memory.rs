// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages for the image: a bump allocator over the RAM behind it.
#![allow(unsafe_code, reason = "hands out raw pages of RAM")]

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::arch;

/// Bytes of a page.
pub const PAGE_SIZE: usize = 4096;

/// Firmware that ran before the image may have used the top of RAM: it is left alone.
const LEFT_TO_FIRMWARE: usize = 2 << 20;

/// What kind of memory is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapAs {
    /// Memory as RAM is: write-back, coherent. Shared memory has to be mapped so.
    Memory,
    /// Device registers.
    Device,
}

static NEXT: AtomicUsize = AtomicUsize::new(0);
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static tenon_image_end: u8;
}

/// Makes what lies behind the image available if this is the RAM that holds it; whether it is. Only the boot
/// CPU calls.
pub(crate) fn take(address: u64, size: u64) -> bool {
    let image_end = (&raw const tenon_image_end).addr();
    let end = address.saturating_add(size).min(arch::MAPPED_END) as usize;
    let holds = (address as usize) < image_end && image_end < end;
    if holds {
        NEXT.store(image_end, Ordering::Relaxed);
        START.store(address as usize, Ordering::Relaxed);
        END.store(end, Ordering::Release);
    }
    holds
}

/// Where physical memory that is no RAM of the image's can be used; `None` where it cannot be mapped, or for
/// a device where the image's RAM is. To be called by the boot CPU, before others run.
pub fn map(address: u64, len: u64, kind: MapAs) -> Option<*mut u8> {
    let is_ram = address < memory_end() && address.saturating_add(len) > START.load(Ordering::Relaxed) as u64;
    if is_ram && kind == MapAs::Device { None } else { arch::map(address, len, kind) }
}

/// The end of the RAM that holds the image; 0 where the monitor passed no memory map.
pub fn memory_end() -> u64 {
    END.load(Ordering::Acquire) as u64
}

/// `pages` pages of zeros, aligned to `align` bytes (a power of two, at least a page); `None` where RAM is
/// used up.
pub fn alloc_pages(pages: usize, align: usize) -> Option<*mut u8> {
    let align = align.max(PAGE_SIZE);
    let size = pages.checked_mul(PAGE_SIZE)?;
    let limit = END.load(Ordering::Acquire).saturating_sub(LEFT_TO_FIRMWARE);
    let mut next = NEXT.load(Ordering::Relaxed);
    let start = loop {
        let start = next.checked_next_multiple_of(align)?;
        let end = start.checked_add(size)?;
        if end > limit {
            return None;
        }
        match NEXT.compare_exchange_weak(next, end, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => break start,
            Err(now) => next = now,
        }
    };
    let page = core::ptr::with_exposed_provenance_mut::<u8>(start);
    // Also what nobody here has used: a machine that was reset keeps what lay in its memory.
    // SAFETY: start..end is RAM behind the image that this call alone took out of the arena.
    unsafe { page.write_bytes(0, size) };
    Some(page)
}

/// A state of the arena to come back to: the first address that is free.
#[derive(Clone, Copy, Debug)]
pub struct Mark(pub usize);

/// The arena's present state.
pub fn mark() -> Mark {
    Mark(NEXT.load(Ordering::Relaxed))
}

/// Takes back everything that was allocated since `mark`.
///
/// # Safety
/// Nobody, the host included, uses those pages any more.
pub unsafe fn release(mark: Mark) {
    NEXT.store(mark.0, Ordering::Relaxed);
}
