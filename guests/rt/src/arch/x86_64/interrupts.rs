// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interrupt mask, sleep, and what the gates lead to.
//!
//! At CPL0 the mask is the interrupt flag. At CPL3 (native mode) the flag stays set and the mask is a word of
//! the CPU's own: a trap stub remembers what arrives while it is set, and whoever clears it runs the handler
//! for what was remembered.
#![allow(unsafe_code, reason = "the interrupt flag and trap entries lie below the language")]

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use super::cpu::{PerCpu, per_cpu};
use super::{apic, boot, faults};
use crate::interrupts::handle;

/// The first vector that is delivered to the upcall handler.
pub const FIRST_VECTOR: u8 = 0x30;
/// The last vector that is delivered to the upcall handler.
pub const LAST_VECTOR: u8 = 0x3f;

global_asm!(
    include_str!("traps.s"),
    fault = sym faults::arrived,
    interrupt = sym arrived,
    unmask = sym handle_and_unmask,
    end_of_interrupt = const apic::END_OF_INTERRUPT,
    masked = const offset_of!(PerCpu, masked),
    pending = const offset_of!(PerCpu, pending),
    upcall_return = const offset_of!(PerCpu, upcall_return),
);

unsafe extern "C" {
    static tenon_kernel_stubs: u8;
    static tenon_native_stubs: u8;
    static tenon_spurious_stub: u8;
    safe fn tenon_halt();
}

pub(crate) fn stub(vector: u8, native: bool) -> u64 {
    let place = u64::from(vector - FIRST_VECTOR);
    if native {
        (&raw const tenon_native_stubs).addr() as u64 + place * 128
    } else {
        (&raw const tenon_kernel_stubs).addr() as u64 + place * 16
    }
}

pub(crate) fn spurious_stub() -> u64 {
    (&raw const tenon_spurious_stub).addr() as u64
}

/// CPL0: an interrupt, on the interrupt stack.
extern "C" fn arrived(vector: u64) {
    // SAFETY: the register of this CPU's APIC; the interrupt is in service since the gate was taken.
    unsafe { (apic::END_OF_INTERRUPT as *mut u32).write_volatile(0) };
    handle(vector as u8);
}

/// Native: runs the handler for what is pending. Upcalls are masked.
fn handle_pending() {
    loop {
        let mut pending = 0_u32;
        // SAFETY: GS points to this CPU's block; one instruction, so that a stub comes before or after it.
        unsafe {
            asm!("xchg gs:[{0}], {1:e}", const offset_of!(PerCpu, pending), inout(reg) pending,
                options(nostack, preserves_flags));
        }
        if pending == 0 {
            return;
        }
        while pending != 0 {
            handle(FIRST_VECTOR + pending.trailing_zeros() as u8);
            pending &= pending - 1;
        }
    }
}

/// Native: runs the handler for what is pending, and unmasks. What arrives before the mask is clear is found
/// by the look after it; what arrives later goes through the stub.
extern "C" fn handle_and_unmask() {
    loop {
        handle_pending();
        per_cpu!(u32 masked = 0);
        if per_cpu!(u32 pending) == 0 {
            return;
        }
        per_cpu!(u32 masked = 1);
    }
}

/// Whether interrupts are taken at present.
pub(crate) fn irqs_enabled() -> bool {
    if boot::is_native() {
        return per_cpu!(u32 masked) == 0;
    }
    let flags: u64;
    // SAFETY: reads the flags through the stack, whose red zone images do not use (built without).
    unsafe { asm!("pushfq", "pop {}", out(reg) flags, options(preserves_flags)) };
    flags & 1 << 9 != 0
}

/// Masks interrupts.
pub(crate) fn irq_disable() {
    if boot::is_native() {
        per_cpu!(u32 masked = 1);
    } else {
        // SAFETY: CPL0 may clear the flag. No `nomem`: what follows must not be moved above it.
        unsafe { asm!("cli", options(nostack)) };
    }
}

/// Unmasks interrupts. What arrived meanwhile is handled before this returns.
pub(crate) fn irq_enable() {
    if boot::is_native() {
        handle_and_unmask();
    } else {
        // SAFETY: CPL0 may set the flag; the tables are loaded since before any code of the image ran. The
        // `nop` takes the instruction during which the flag has no effect yet.
        unsafe { asm!("sti", "nop", options(nostack)) };
    }
}

/// Sleeps until an interrupt was handled. Interrupts are masked, before and after.
pub(crate) fn sleep() {
    if boot::is_native() {
        tenon_halt();
        handle_pending();
    } else {
        // SAFETY: CPL0 may do so; `sti` takes effect behind `hlt`, so that nothing can come between.
        unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
    }
}

/// Sleeps, with interrupts masked, for ever or nearly so.
pub(crate) fn halt() {
    if boot::is_native() {
        per_cpu!(u32 pending = 0);
        tenon_halt();
    } else {
        // SAFETY: sleeping touches nothing.
        unsafe { asm!("hlt", options(nomem, nostack)) };
    }
}
