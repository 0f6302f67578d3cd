// SPDX-License-Identifier: MIT OR Apache-2.0
//! Per-CPU memory, and what only this processor has: its counter, CPUID.
#![allow(unsafe_code, reason = "per-CPU memory is reached through a segment register")]

use core::arch::asm;
use core::cell::UnsafeCell;

use super::boot;
use crate::cpu::{MAX_CPUS, Raw};

/// Bytes of the stack on which CPL0 takes interrupts (and runs the upcall handler, where the image stays
/// there).
pub(crate) const INTERRUPT_STACK_SIZE: usize = 16 << 10;
/// Bytes of the stack on which CPL0 takes exceptions.
pub(crate) const FAULT_STACK_SIZE: usize = 8 << 10;

pub(crate) static INTERRUPT_STACKS: Raw<[[u8; INTERRUPT_STACK_SIZE]; MAX_CPUS]> =
    Raw(UnsafeCell::new([[0; INTERRUPT_STACK_SIZE]; MAX_CPUS]));
pub(crate) static FAULT_STACKS: Raw<[[u8; FAULT_STACK_SIZE]; MAX_CPUS]> =
    Raw(UnsafeCell::new([[0; FAULT_STACK_SIZE]; MAX_CPUS]));

/// What belongs to one CPU. GS points to it at both levels; it is never swapped.
#[repr(C, align(64))]
pub(crate) struct PerCpu {
    pub(crate) index: u64,
    /// Native mode: not zero while upcalls wait.
    pub(crate) masked: u32,
    /// Native mode: vectors that arrived and were not handled yet, from bit 0 =
    /// [`super::interrupts::FIRST_VECTOR`].
    pub(crate) pending: u32,
    /// Native mode: where the upcall that is being entered goes back to.
    pub(crate) upcall_return: u64,
    /// Not zero: a fault is expected, and goes on there.
    pub(crate) recover_rip: u64,
    pub(crate) recover_rsp: u64,
    pub(crate) fault_vector: u64,
    pub(crate) fault_error: u64,
    pub(crate) fault_address: u64,
}

const NO_CPU: PerCpu = PerCpu {
    index: 0,
    masked: 1,
    pending: 0,
    upcall_return: 0,
    recover_rip: 0,
    recover_rsp: 0,
    fault_vector: 0,
    fault_error: 0,
    fault_address: 0,
};

pub(crate) static PER_CPU: Raw<[PerCpu; MAX_CPUS]> = Raw(UnsafeCell::new([NO_CPU; MAX_CPUS]));

/// Reads one field of the running CPU's block with a single instruction: no interrupt can come between
/// finding the block and reading it.
macro_rules! per_cpu {
    (u32 $field:ident) => {{
        let value: u32;
        // SAFETY: GS points to this CPU's block, whose field lies at that offset.
        unsafe {
            core::arch::asm!("mov {0:e}, gs:[{1}]", out(reg) value,
                const core::mem::offset_of!($crate::arch::x86_64::cpu::PerCpu, $field),
                options(nostack, readonly, preserves_flags));
        }
        value
    }};
    (u64 $field:ident) => {{
        let value: u64;
        // SAFETY: GS points to this CPU's block, whose field lies at that offset.
        unsafe {
            core::arch::asm!("mov {0}, gs:[{1}]", out(reg) value,
                const core::mem::offset_of!($crate::arch::x86_64::cpu::PerCpu, $field),
                options(nostack, readonly, preserves_flags));
        }
        value
    }};
    (u32 $field:ident = $value:literal) => {
        // SAFETY: GS points to this CPU's block, whose field lies at that offset; no reference to it exists.
        unsafe {
            core::arch::asm!("mov dword ptr gs:[{0}], {1}",
                const core::mem::offset_of!($crate::arch::x86_64::cpu::PerCpu, $field), const $value,
                options(nostack, preserves_flags));
        }
    };
}
pub(crate) use per_cpu;

/// The index of the CPU that runs this, from 0 for the boot CPU.
#[inline]
pub fn cpu_index() -> usize {
    per_cpu!(u64 index) as usize
}

/// The CPU's time stamp counter.
#[inline]
pub fn ticks() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a counter; the barrier keeps the look from being early.
    unsafe {
        asm!("lfence", "rdtsc", out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

unsafe extern "C" {
    static tenon_secondary_entry: u8;
}

/// Where a secondary CPU starts: flat 32-bit state with paging off as PVH defines it, EBX = the CPU's index.
pub(crate) fn secondary_entry() -> u64 {
    (&raw const tenon_secondary_entry).addr() as u64
}

unsafe extern "C" {
    fn tenon_cpuid(leaf: u32, registers: *mut [u32; 4]);
}

/// EAX, EBX, ECX, EDX of a CPUID leaf as the kernel level sees them. In native mode a trap stub asks: a
/// hypervisor may let user mode see the processor's own leaves instead of the guest's.
pub fn cpuid(leaf: u32) -> [u32; 4] {
    if boot::is_native() {
        let mut registers = [0; 4];
        // SAFETY: the stub writes four registers there and keeps all others that the calling convention
        // keeps.
        unsafe { tenon_cpuid(leaf, &raw mut registers) };
        return registers;
    }
    let leaf = core::arch::x86_64::__cpuid(leaf);
    [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]
}
