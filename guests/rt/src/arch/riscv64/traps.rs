// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the trap vector leads to: software interrupts to the handler, expected faults to whoever expects
//! them, others to the end. The interrupt mask, sleep.
#![allow(unsafe_code, reason = "provokes and handles processor exceptions")]

use core::arch::asm;
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU64, Ordering};

use super::{FIRST_VECTOR, cpu_index};
use crate::boot::{EXIT_FAULT, exit};
use crate::cpu::MAX_CPUS;
use crate::interrupts;
use crate::serial::{serial_write, write_hex};

/// What `entry.s` puts on the stack: the registers that a called function may change.
#[repr(C, align(16))]
pub(crate) struct Frame {
    ra: u64,
    t: [u64; 7],
    a: [u64; 8],
    sepc: u64,
    unused: u64,
}

const _: () =
    assert!(size_of::<Frame>() == 144 && offset_of!(Frame, a) == 64 && offset_of!(Frame, sepc) == 128);

/// SSIE, SSIP: supervisor software interrupt.
const SOFTWARE: u64 = 1 << 1;
/// What SCAUSE says of it.
const SOFTWARE_CAUSE: u64 = 1 << 63 | 1;
/// SSTATUS: interrupts are taken.
const TAKEN: u64 = 1 << 1;

/// An exception that an access ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The exception's cause: 7 store access fault, 15 store page fault.
    pub cause: u64,
    /// The address that faulted.
    pub address: u64,
}

/// Where each CPU goes on after a fault that it expects; zero: it expects none.
static RECOVER: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

fn fault() -> Fault {
    let (cause, address): (u64, u64);
    // SAFETY: reads registers.
    unsafe {
        asm!("csrr {}, scause", "csrr {}, stval", out(reg) cause, out(reg) address,
            options(nomem, nostack, preserves_flags));
    }
    Fault { cause, address }
}

/// Makes software interrupts be taken where the mask allows it.
pub(crate) fn enable() {
    // SAFETY: the vector is in place, and the mask is set.
    unsafe { asm!("csrw sie, {}", in(reg) SOFTWARE, options(nostack, preserves_flags)) };
}

/// Makes this CPU the one that takes interrupt `vector`: a software interrupt is taken where it is sent.
pub(crate) fn listen(_vector: u8) {}

/// Makes this CPU's software interrupt pending, whatever the vector; the handler hears of it as the first
/// one.
pub fn raise(_vector: u8) -> bool {
    // SAFETY: S-mode may set the bit for itself.
    unsafe { asm!("csrs sip, {}", in(reg) SOFTWARE, options(nostack, preserves_flags)) };
    true
}

/// Any trap.
pub(crate) extern "C" fn arrived(frame: &mut Frame) {
    let Fault { cause, address } = fault();
    if cause == SOFTWARE_CAUSE {
        // SAFETY: S-mode may clear the bit for itself.
        unsafe { asm!("csrc sip, {}", in(reg) SOFTWARE, options(nostack, preserves_flags)) };
        return interrupts::handle(FIRST_VECTOR);
    }
    let recover = RECOVER.get(cpu_index()).map_or(0, |recover| recover.swap(0, Ordering::Relaxed));
    if recover != 0 {
        frame.sepc = recover;
        return;
    }
    for (name, value) in
        [("fault cause=", cause), (" sepc=", frame.sepc), (" stval=", address), (" cpu=", cpu_index() as u64)]
    {
        serial_write(name.as_bytes());
        write_hex(value);
    }
    serial_write(b"\n");
    exit(EXIT_FAULT)
}

/// Stores `value` at `address`; a fault comes back as an error.
///
/// # Safety
/// Where the store does not fault, whatever lies there is the caller's to change.
pub unsafe fn try_store_u32(address: u64, value: u32) -> Result<(), Fault> {
    let Some(recover) = RECOVER.get(cpu_index()) else { return Err(fault()) };
    let faulted: u64;
    let state = interrupts::irq_save();
    // SAFETY: the caller owns the target. A fault goes on at label 2 with all registers as they were;
    // interrupts are masked, so that no handler can use the word between.
    unsafe {
        asm!(
            "lla {scratch}, 2f",
            "sd {scratch}, ({recover})",
            "sw {value}, ({address})",
            "sd zero, ({recover})",
            "li {scratch}, 0",
            "2:", // a fault leaves the address in the register: not zero
            scratch = out(reg) faulted,
            address = in(reg) address,
            value = in(reg) value,
            recover = in(reg) recover.as_ptr(),
            options(nostack, preserves_flags),
        );
    }
    let result = if faulted == 0 { Ok(()) } else { Err(fault()) };
    interrupts::irq_restore(state);
    result
}

/// Whether interrupts are taken at present.
pub(crate) fn irqs_enabled() -> bool {
    let status: u64;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, sstatus", out(reg) status, options(nomem, nostack, preserves_flags)) };
    status & TAKEN != 0
}

/// Masks interrupts.
pub(crate) fn irq_disable() {
    // SAFETY: S-mode may. No `nomem`: what follows must not be moved above it.
    unsafe { asm!("csrci sstatus, 2", options(nostack, preserves_flags)) };
}

/// Unmasks interrupts. What arrived meanwhile is handled before this returns.
pub(crate) fn irq_enable() {
    // SAFETY: S-mode may; the vector is in place since before any code of the image ran.
    unsafe { asm!("csrsi sstatus, 2", options(nostack, preserves_flags)) };
}

/// Sleeps until an interrupt was handled. Interrupts are masked, before and after: one that is pending ends
/// the sleep all the same.
pub(crate) fn sleep() {
    // SAFETY: S-mode may do so.
    unsafe {
        asm!(
            "fence rw, rw",
            "wfi",
            "csrsi sstatus, 2",
            "nop",
            "csrci sstatus, 2",
            options(nostack, preserves_flags)
        );
    }
}

/// Sleeps, with interrupts masked, for ever or nearly so.
pub(crate) fn halt() {
    // SAFETY: sleeping touches nothing.
    unsafe { asm!("wfi", options(nomem, nostack, preserves_flags)) };
}
