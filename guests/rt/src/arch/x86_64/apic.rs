// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local APIC, by its memory-mapped registers: every monitor has them, and the end of an interrupt is
//! then one store that needs no register, which keeps the trap stubs short.
#![allow(unsafe_code, reason = "device registers")]

use super::interrupts::{FIRST_VECTOR, LAST_VECTOR};

const BASE: usize = 0xfee0_0000;
/// Where a zero is stored at the end of an interrupt.
pub(crate) const END_OF_INTERRUPT: usize = BASE + 0xb0;
const SPURIOUS_VECTOR: usize = BASE + 0xf0;
const INTERRUPT_COMMAND: usize = BASE + 0x300;
const LOCAL_INTERRUPT_0: usize = BASE + 0x350;
/// The vector of interrupts that vanish before they are taken.
pub(crate) const SPURIOUS: u8 = 0xff;

/// Switches the running CPU's APIC on, and the legacy interrupt controller's line off.
///
/// # Safety
/// Runs at CPL0, with the one-to-one mapping in place.
pub(crate) unsafe fn enable() {
    // SAFETY: both are registers of this CPU's APIC, which sits at its architectural address after reset.
    unsafe {
        (LOCAL_INTERRUPT_0 as *mut u32).write_volatile(1 << 16);
        (SPURIOUS_VECTOR as *mut u32).write_volatile(1 << 8 | SPURIOUS as u32);
    }
}

/// Sends this CPU the interrupt `vector`, as a device would; `false` for one that has no handler.
pub fn raise(vector: u8) -> bool {
    /// To itself; the level bit has to be set.
    const TO_SELF: u32 = 1 << 18 | 1 << 14;
    if !(FIRST_VECTOR..=LAST_VECTOR).contains(&vector) {
        return false;
    }
    // SAFETY: a register of this CPU's APIC; the vector has a gate.
    unsafe { (INTERRUPT_COMMAND as *mut u32).write_volatile(TO_SELF | u32::from(vector)) };
    true
}
