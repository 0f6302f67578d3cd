// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupts: a handler, a mask, and sleep.
//!
//! What masks is the architecture's. Everywhere the handler runs with interrupts masked, and interrupts begin
//! masked on every CPU.
#![allow(unsafe_code, reason = "the handler is kept as a pointer")]

use core::sync::atomic::{AtomicPtr, Ordering};

use crate::arch::{self, cpu_index};

pub use arch::{FIRST_VECTOR, LAST_VECTOR};

/// Called with the CPU's index and the vector, interrupts masked. It must leave them masked.
pub type Handler = fn(cpu: usize, vector: u8);

static HANDLER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Chooses who is called for vectors [`FIRST_VECTOR`] to [`LAST_VECTOR`], on all CPUs; their ends are
/// signalled to the interrupt controller by the run time. Without a handler they are dropped.
pub fn set_upcall_handler(handler: Handler) {
    HANDLER.store(handler as *mut (), Ordering::Release);
}

/// Runs the handler, if there is one, with interrupts masked.
pub(crate) fn handle(vector: u8) {
    let handler = HANDLER.load(Ordering::Acquire);
    if !handler.is_null() {
        // SAFETY: the only pointers ever stored are functions of this type (`set_upcall_handler`).
        let handler = unsafe { core::mem::transmute::<*mut (), Handler>(handler) };
        handler(cpu_index(), vector);
    }
}

/// Makes the running CPU the one that takes interrupt `vector`, where the platform does not know that by
/// itself.
pub fn listen(vector: u8) {
    arch::listen(vector);
}

/// Whether interrupts are taken at present.
pub fn irqs_enabled() -> bool {
    arch::irqs_enabled()
}

/// Masks interrupts; returns the state for [`irq_restore`]: 1 where they were taken before, else 0.
pub fn irq_save() -> usize {
    let before = irqs_enabled();
    irq_disable();
    usize::from(before)
}

/// Restores what [`irq_save`] returned. What arrived meanwhile is handled before this returns.
pub fn irq_restore(state: usize) {
    if state == 0 { irq_disable() } else { irq_enable() }
}

/// Masks interrupts.
pub fn irq_disable() {
    arch::irq_disable();
}

/// Unmasks interrupts. What arrived meanwhile is handled before this returns.
pub fn irq_enable() {
    arch::irq_enable();
}

/// Sleeps until an interrupt was handled, even where interrupts are masked; the mask is as before when it
/// returns.
///
/// To lose none: mask, look whether there is something to do, and sleep only if not. Enabling and halting are
/// one step. Not for handlers.
pub fn wait_for_interrupt() {
    let state = irq_save();
    arch::sleep();
    irq_restore(state);
}

/// Masks interrupts and sleeps for ever.
pub fn halt_for_ever() -> ! {
    irq_disable();
    loop {
        arch::halt();
    }
}
