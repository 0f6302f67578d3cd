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
/// Where the arena ends.
static LIMIT: AtomicUsize = AtomicUsize::new(0);
/// The RAM that holds the image, as far as it is mapped from the start.
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
/// RAM that is not mapped from the start: its first byte, and the one behind its last.
static HIGH: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

unsafe extern "C" {
    static tenon_image_end: u8;
}

/// Takes note of a piece of RAM: what lies behind the image becomes the arena. Only the boot CPU calls.
pub(crate) fn take(address: u64, size: u64) {
    let image_end = (&raw const tenon_image_end).addr();
    let all = address.saturating_add(size);
    let end = all.min(arch::MAPPED_END) as usize;
    if (address as usize) < image_end && image_end < end {
        NEXT.store(image_end, Ordering::Relaxed);
        START.store(address as usize, Ordering::Relaxed);
        LIMIT.store(end.saturating_sub(LEFT_TO_FIRMWARE), Ordering::Relaxed);
        END.store(end, Ordering::Release);
    }
    let [first, last] = &HIGH;
    if all > arch::MAPPED_END && last.load(Ordering::Relaxed) == 0 {
        first.store(address.max(arch::MAPPED_END) as usize, Ordering::Relaxed);
        last.store(all as usize, Ordering::Relaxed);
    }
}

/// From now on pages come from the RAM behind the first 4 GiB, of which a GiB at most is mapped now. `None`:
/// there is none. To be called by the boot CPU, before others run.
pub fn move_high() -> Option<()> {
    const GIB: u64 = 1 << 30;
    let [first, last] = HIGH.each_ref().map(|word| word.load(Ordering::Relaxed) as u64);
    let end = last.min((first & !(GIB - 1)).saturating_add(GIB));
    let base = arch::map(first, end.checked_sub(first)?, MapAs::Memory)?;
    NEXT.store(base.addr(), Ordering::Relaxed);
    LIMIT.store(end as usize, Ordering::Release);
    Some(())
}

/// A range of physical addresses without RAM, below all RAM or between two pieces of it: its first byte, and
/// the one behind its last.
pub fn hole() -> Option<(u64, u64)> {
    let (start, end) = (START.load(Ordering::Relaxed) as u64, memory_end());
    let high = HIGH[0].load(Ordering::Relaxed) as u64;
    let between = (high > end).then_some((end, high));
    between.or((start != 0).then_some((0, start)))
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
    let limit = LIMIT.load(Ordering::Acquire);
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
