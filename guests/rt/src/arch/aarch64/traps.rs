// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the vectors lead to: interrupts to the handler, expected faults to whoever expects them, others to
//! the end. The interrupt mask, sleep.
#![allow(unsafe_code, reason = "provokes and handles processor exceptions")]

use core::arch::{asm, global_asm};
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU64, Ordering};

use super::{cpu_index, gic};
use crate::boot::{EXIT_FAULT, exit};
use crate::cpu::MAX_CPUS;
use crate::interrupts;
use crate::serial::{serial_write, write_hex};

/// What `vectors.s` puts on the stack: the registers that a called function may change.
#[repr(C)]
pub(crate) struct Frame {
    x0_to_18: [u64; 19],
    x30: u64,
    elr: u64,
    spsr: u64,
    fpcr: u64,
    fpsr: u64,
    vectors: [[u64; 2]; 32],
}

const _: () = assert!(size_of::<Frame>() == 704 && size_of::<Frame>() % 16 == 0);
const _: () = assert!(
    offset_of!(Frame, elr) == 160 && offset_of!(Frame, fpcr) == 176 && offset_of!(Frame, vectors) == 192
);

global_asm!(include_str!("vectors.s"), frame = const size_of::<Frame>(), trap = sym arrived);

/// Vector numbers: from the current level, with its own stack.
const SYNCHRONOUS: u64 = 4;
/// From EL0.
const FROM_USER: u64 = 8;
const INTERRUPT: u64 = 5;

/// An exception that an access ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The exception's syndrome (ESR).
    pub syndrome: u64,
    /// The address that faulted.
    pub address: u64,
}

/// Where each CPU goes on after a fault that it expects; zero: it expects none.
static RECOVER: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

fn fault() -> Fault {
    let (syndrome, address): (u64, u64);
    // SAFETY: reads registers.
    unsafe {
        asm!("mrs {}, esr_el1", "mrs {}, far_el1", out(reg) syndrome, out(reg) address,
            options(nomem, nostack, preserves_flags));
    }
    Fault { syndrome, address }
}

/// Any exception.
extern "C" fn arrived(vector: u64, frame: &mut Frame) {
    if vector == INTERRUPT {
        return gic::arrived();
    }
    let recover = RECOVER.get(cpu_index()).map_or(0, |recover| recover.swap(0, Ordering::Relaxed));
    if matches!(vector, SYNCHRONOUS | FROM_USER) && recover != 0 {
        frame.elr = recover;
        if vector == FROM_USER {
            frame.spsr = KERNEL_MASKED;
        }
        return;
    }
    let Fault { syndrome, address } = fault();
    for (name, value) in [
        ("fault vector=", vector),
        (" esr=", syndrome),
        (" elr=", frame.elr),
        (" far=", address),
        (" cpu=", cpu_index() as u64),
    ] {
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
            "adr {scratch}, 2f",
            "str {scratch}, [{recover}]",
            "str {value:w}, [{address}]",
            "dsb sy", // a store that faults late does so here
            "str xzr, [{recover}]",
            "mov {scratch}, xzr",
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

/// EL1 with its own stack, and EL0, both with everything masked.
const KERNEL_MASKED: u64 = 0x3c5;
const USER_MASKED: u64 = 0x3c0;
/// What ESR says of a supervisor call.
const SUPERVISOR_CALL: u64 = 0x15;

/// What [`in_user_mode`] executes.
#[derive(Clone, Copy)]
enum Instruction {
    Store = 0,
    Hypercall = 1,
}

/// Stores `value` at `address` at EL0, to which nothing is mapped: an error is what a sound machine answers.
pub fn user_mode_store(address: u64, value: u32) -> Result<(), Fault> {
    in_user_mode(Instruction::Store, address, value)
}

/// Executes `hvc #0` at EL0 with a function in W0 and its value in W1. The architecture has it undefined
/// there.
pub fn user_mode_hypercall(function: u32, value: u32) -> Result<(), Fault> {
    in_user_mode(Instruction::Hypercall, function.into(), value)
}

fn in_user_mode(instruction: Instruction, place: u64, value: u32) -> Result<(), Fault> {
    let Some(recover) = RECOVER.get(cpu_index()) else { return Err(fault()) };
    let state = interrupts::irq_save();
    // SAFETY: `eret` goes to label 3 at EL0, where this code may be executed though not read; the chosen
    // instruction faults, or else the supervisor call behind it leaves EL0. Either goes on at label 2 at EL1,
    // on the stack of before, with everything masked, as interrupts are already; a hypercall that does go
    // through changes what the function-call rules give up. A store that does not fault hits what the caller
    // named.
    unsafe {
        asm!(
            "adr x9, 2f",
            "str x9, [x3]",
            "adr x9, 3f",
            "msr elr_el1, x9",
            "msr spsr_el1, x4",
            "isb",
            "eret",
            "3:",
            "cbnz x2, 4f",
            "str w1, [x0]",
            "dsb sy", // a store that faults late does so here
            "svc #0",
            "4:",
            "hvc #0",
            "svc #0",
            "2:",
            in("x0") place,
            in("x1") u64::from(value),
            in("x2") instruction as u64,
            in("x3") recover.as_ptr(),
            in("x4") USER_MASKED,
            clobber_abi("C"),
        );
    }
    let fault = fault();
    interrupts::irq_restore(state);
    if fault.syndrome >> 26 == SUPERVISOR_CALL { Ok(()) } else { Err(fault) }
}

/// Whether interrupts are taken at present.
pub(crate) fn irqs_enabled() -> bool {
    let masks: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, daif", out(reg) masks, options(nomem, nostack, preserves_flags)) };
    masks & 1 << 7 == 0
}

/// Masks interrupts.
pub(crate) fn irq_disable() {
    // SAFETY: EL1 may. No `nomem`: what follows must not be moved above it.
    unsafe { asm!("msr daifset, #2", options(nostack, preserves_flags)) };
}

/// Unmasks interrupts. What arrived meanwhile is handled before this returns.
pub(crate) fn irq_enable() {
    // SAFETY: EL1 may; the vectors are in place since before any code of the image ran. Behind the barrier
    // what is pending was taken.
    unsafe { asm!("msr daifclr, #2", "isb", options(nostack, preserves_flags)) };
}

/// Sleeps until an interrupt was handled. Interrupts are masked, before and after: one that is pending ends
/// the sleep all the same.
pub(crate) fn sleep() {
    // SAFETY: EL1 may do so.
    unsafe {
        asm!("dsb sy", "wfi", "msr daifclr, #2", "isb", "msr daifset, #2", options(nostack, preserves_flags))
    };
}

/// Sleeps, with interrupts masked, for ever or nearly so.
pub(crate) fn halt() {
    // SAFETY: sleeping touches nothing.
    unsafe { asm!("wfi", options(nomem, nostack, preserves_flags)) };
}
