// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the entry point to the main function; which CPU, what time, and power off.
#![allow(unsafe_code, reason = "the boot protocol and system registers lie below the language")]

use core::arch::{asm, global_asm};

use super::{gic, mmu};
use crate::boot::run;
use crate::serial::write_hex;
use crate::{cpu, platform, serial};

global_asm!(
    include_str!("entry.s"),
    max_cpus = const cpu::MAX_CPUS,
    stacks = sym cpu::STACKS,
    stack_size = const cpu::STACK_SIZE,
    level1 = sym mmu::LEVEL1,
    level2 = sym mmu::LEVEL2,
    attributes = const mmu::ATTRIBUTES,
    control = const mmu::CONTROL,
    start = sym start,
);

const PSCI_SYSTEM_OFF: u32 = 0x8400_0008;

unsafe extern "C" {
    static tenon_secondary_entry: u8;
}

/// Every CPU's first Rust code: EL1, one-to-one mapping, interrupts masked, its own stack.
extern "C" fn start(index: usize, tree: u64) -> ! {
    // SAFETY: the register is the system's to use.
    unsafe { asm!("msr tpidr_el1, {}", in(reg) index, options(nomem, nostack, preserves_flags)) };
    if index == 0 {
        // SAFETY: the boot CPU runs alone, once, and the boot protocol puts the tree's address into X0.
        unsafe { platform::take(tree) };
    }
    gic::enable(index);
    run(index)
}

/// Where a further CPU starts: EL1 with the MMU off, X0 = the CPU's index.
pub(crate) fn secondary_entry() -> u64 {
    (&raw const tenon_secondary_entry).addr() as u64
}

/// The index of the CPU that runs this, from 0 for the boot CPU.
#[inline]
pub fn cpu_index() -> usize {
    let index: usize;
    // SAFETY: reads a register that `start` has set.
    unsafe { asm!("mrs {}, tpidr_el1", out(reg) index, options(nomem, nostack, preserves_flags)) };
    index
}

/// The virtual counter.
#[inline]
pub fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: reads a counter; the barrier keeps the look from being early.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// How many [`ticks`] a microsecond has, rounded up.
pub fn ticks_per_microsecond() -> u64 {
    let hertz: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) hertz, options(nomem, nostack, preserves_flags)) };
    hertz.div_ceil(1_000_000).max(1)
}

/// Switches the machine off by PSCI, which takes no code: it is said on the serial port. Comes back where
/// there is no PSCI.
pub(crate) fn power_off(code: u32) {
    if code != 0 {
        serial::serial_write(b"exit code ");
        write_hex(u64::from(code));
        serial::serial_write(b"\n");
    }
    // SAFETY: the call touches no memory of the image; SMCCC lets it change these registers alone.
    unsafe {
        if platform::get().psci_by_smc {
            asm!("smc #0", inout("w0") PSCI_SYSTEM_OFF => _, clobber_abi("C"), options(nostack));
        } else {
            asm!("hvc #0", inout("w0") PSCI_SYSTEM_OFF => _, clobber_abi("C"), options(nostack));
        }
    }
}
