// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the entry point to the main function; which CPU, what time, and power off.
#![allow(unsafe_code, reason = "the boot protocol and control registers lie below the language")]

use core::arch::{asm, global_asm};

use super::traps;
use crate::boot::run;
use crate::memory::MapAs;
use crate::{cpu, platform};

global_asm!(
    include_str!("entry.s"),
    max_cpus = const cpu::MAX_CPUS,
    stacks = sym cpu::STACKS,
    stack_shift = const cpu::STACK_SIZE.ilog2(),
    frame = const size_of::<traps::Frame>(),
    trap = sym traps::arrived,
    start = sym start,
);

const SBI_SYSTEM_RESET: u64 = 0x5352_5354;
/// The timer of QEMU's `virt`, where no device tree says another.
const TIMEBASE: u32 = 10_000_000;

unsafe extern "C" {
    static tenon_secondary_entry: u8;
}

/// Every CPU's first Rust code: S-mode, no paging, interrupts masked, its own stack, TP = its index.
extern "C" fn start(index: usize, tree: u64) -> ! {
    if index == 0 {
        // SAFETY: the boot CPU runs alone, once, and the boot protocol puts the tree's address into A1.
        unsafe { platform::take(tree) };
    }
    traps::enable();
    run(index)
}

/// Where a further CPU starts: as SBI's HSM starts one, A1 = the CPU's index.
pub(crate) fn secondary_entry() -> u64 {
    (&raw const tenon_secondary_entry).addr() as u64
}

/// The index of the CPU that runs this, from 0 for the boot CPU.
#[inline]
pub fn cpu_index() -> usize {
    let index: usize;
    // SAFETY: reads a register that the entry code has set and compiled code without threads leaves alone.
    unsafe { asm!("mv {}, tp", out(reg) index, options(nomem, nostack, preserves_flags)) };
    index
}

/// The real-time counter.
#[inline]
pub fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: reads a counter.
    unsafe { asm!("rdtime {}", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// How many [`ticks`] a microsecond has, rounded up.
pub fn ticks_per_microsecond() -> u64 {
    u64::from(platform::get().timebase.unwrap_or(TIMEBASE)).div_ceil(1_000_000)
}

/// Physical memory is there as it is: addresses are physical, and the platform knows what is memory.
pub(crate) fn map(address: u64, len: u64, _kind: MapAs) -> Option<*mut u8> {
    let last = address.checked_add(len.checked_sub(1)?)?;
    (last < super::MAPPED_END).then(|| core::ptr::with_exposed_provenance_mut(address as usize))
}

/// Switches the machine off by SBI, which takes no code: it is said on the serial port. Comes back where
/// there is no such extension.
pub(crate) fn power_off(code: u32) {
    if code != 0 {
        crate::serial::serial_write(b"exit code ");
        crate::serial::write_hex(u64::from(code));
        crate::serial::serial_write(b"\n");
    }
    // SAFETY: the call touches no memory of the image, and no registers but these two.
    unsafe {
        asm!("ecall", in("a7") SBI_SYSTEM_RESET, in("a6") 0_u64, inout("a0") 0_u64 => _,
            inout("a1") u64::from(code != 0) => _, options(nostack));
    }
}
