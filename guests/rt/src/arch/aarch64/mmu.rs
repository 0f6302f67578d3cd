// SPDX-License-Identifier: MIT OR Apache-2.0
//! Page tables: one to one. The first GiB is devices, the next three are memory; more is mapped when it is
//! asked for.
#![allow(unsafe_code, reason = "tables that the processor reads")]

use core::arch::asm;
use core::cell::UnsafeCell;

use crate::cpu::Raw;
use crate::memory::MapAs;

/// MAIR: attribute 0 is normal write-back memory, attribute 1 device memory (nGnRE).
pub(crate) const ATTRIBUTES: u64 = 0x04ff;
/// TCR: 39 bits of addresses through TTBR0 in 4 KiB granules, walks through the caches; nothing through
/// TTBR1.
pub(crate) const CONTROL: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23;

/// A block that was accessed, inner shareable, normal memory.
const MEMORY: u64 = 0x701;
/// A block that was accessed, device memory, never executed.
const DEVICE: u64 = 0x405 | 3 << 53;
const BLOCK_2M: u32 = 21;
const BLOCK_1G: u32 = 30;

/// One entry a GiB. The entry code puts [`LEVEL2`] into the first.
pub(crate) static LEVEL1: Raw<[u64; 512]> = Raw(UnsafeCell::new({
    let mut table = [0; 512];
    let mut gib = 1;
    while gib < 4 {
        table[gib] = (gib as u64) << BLOCK_1G | MEMORY;
        gib += 1;
    }
    table
}));

/// One entry for each 2 MiB of the first GiB.
pub(crate) static LEVEL2: Raw<[u64; 512]> = Raw(UnsafeCell::new({
    let mut table = [0; 512];
    let mut index = 0;
    while index < 512 {
        table[index] = (index as u64) << BLOCK_2M | DEVICE;
        index += 1;
    }
    table
}));

/// Maps physical memory one to one: in blocks of 2 MiB in the first GiB, of 1 GiB elsewhere, so that what
/// shares a block gets the same kind. `None` for what cannot be mapped. To be called by the boot CPU, before
/// others run.
pub(crate) fn map(address: u64, len: u64, kind: MapAs) -> Option<*mut u8> {
    let last = address.checked_add(len.checked_sub(1)?)?;
    if last >> BLOCK_1G >= 512 {
        return None;
    }
    let bits = match kind {
        MapAs::Memory => MEMORY | 3 << 53,
        MapAs::Device => DEVICE,
    };
    let low = address >> BLOCK_1G == 0;
    if low && last >> BLOCK_1G != 0 {
        return None;
    }
    let (table, shift) = if low { (&LEVEL2, BLOCK_2M) } else { (&LEVEL1, BLOCK_1G) };
    for block in address >> shift..=last >> shift {
        // The image's own memory stays what it is.
        if !low && block < 4 {
            continue;
        }
        let entry = table.0.get().cast::<u64>().wrapping_add(block as usize);
        // SAFETY: the index is below 512; the boot CPU alone writes; a valid entry is broken, and forgotten,
        // before it is made anew, as the architecture wants it; nothing of the image lies in that block.
        unsafe {
            entry.write_volatile(0);
            asm!("dsb ishst", "tlbi vmalle1is", "dsb ish", "isb", options(nostack, preserves_flags));
            entry.write_volatile(block << shift | bits);
            asm!("dsb ishst", "isb", options(nostack, preserves_flags));
        }
    }
    Some(core::ptr::with_exposed_provenance_mut(address as usize))
}
