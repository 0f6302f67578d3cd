// SPDX-License-Identifier: MIT OR Apache-2.0
//! GICv3: shared peripheral interrupts, edge-triggered. Without one there are no interrupts.
#![allow(unsafe_code, reason = "device and system registers")]

use core::arch::asm;

use super::{FIRST_VECTOR, LAST_VECTOR};
use crate::firmware::Gic;
use crate::{interrupts, platform};

const GICD_CTLR: u64 = 0;
const GICD_IGROUPR: u64 = 0x80;
const GICD_ISENABLER: u64 = 0x100;
const GICD_ISPENDR: u64 = 0x200;
const GICD_IPRIORITYR: u64 = 0x400;
const GICD_ICFGR: u64 = 0xc00;
const GICD_IROUTER: u64 = 0x6000;
const GICR_TYPER: u64 = 0x8;
const GICR_WAKER: u64 = 0x14;
/// A redistributor's two frames of 64 KiB.
const REDISTRIBUTOR: u64 = 0x2_0000;
/// Affinity routing and interrupts of group 1.
const ENABLE: u32 = 1 << 4 | 1 << 1;
const PRIORITY: u32 = 0x80;
/// A redistributor that does not wake within so many looks stays asleep.
const TRIES: u32 = 1_000_000;
/// Interrupt numbers from here on mean that there is none.
const SPECIAL: u64 = 1020;

fn gic() -> Option<Gic> {
    platform::get().gic
}

/// # Safety
/// The address is that of a register of the interrupt controller.
unsafe fn read(address: u64) -> u32 {
    // SAFETY: the caller's contract; devices are mapped one to one.
    unsafe { (address as *const u32).read_volatile() }
}

/// # Safety
/// As [`read`]; what the register does is the caller's wish.
unsafe fn write(address: u64, value: u32) {
    // SAFETY: the caller's contract; devices are mapped one to one.
    unsafe { (address as *mut u32).write_volatile(value) };
}

/// This CPU as the interrupt controller numbers it.
fn affinity() -> u64 {
    let id: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, mpidr_el1", out(reg) id, options(nomem, nostack, preserves_flags)) };
    id & 0xff_00ff_ffff
}

/// Switches on this CPU's part and, on the boot CPU, the distributor's, with all vectors led to the boot CPU.
pub(crate) fn enable(index: usize) {
    let Some(gic) = gic() else { return };
    let here = affinity();
    let wanted = (here & 0xff_ffff) | here >> 32 << 24;
    let frames = gic.redistributors.len / REDISTRIBUTOR;
    let mut at = (0..frames).map(|frame| gic.redistributors.address + frame * REDISTRIBUTOR);
    // SAFETY: registers of the redistributors that the device tree names; TYPER's upper half is the CPU's
    // affinity.
    if let Some(mine) = at.find(|at| unsafe { u64::from(read(at + GICR_TYPER + 4)) == wanted }) {
        let mut tries = TRIES;
        // SAFETY: this CPU's own redistributor: clearing ProcessorSleep wakes it.
        unsafe {
            write(mine + GICR_WAKER, read(mine + GICR_WAKER) & !2);
            while read(mine + GICR_WAKER) & 4 != 0 && tries > 0 {
                tries -= 1;
            }
        }
    }
    // SAFETY: the system-register interface of GICv3, which the device tree promised: on, all priorities,
    // group 1 on.
    unsafe {
        asm!(
            "msr ICC_SRE_EL1, {on}",
            "isb",
            "msr ICC_PMR_EL1, {all}",
            "msr ICC_IGRPEN1_EL1, {on}",
            "isb",
            on = in(reg) 1_u64,
            all = in(reg) 0xff_u64,
            options(nomem, nostack, preserves_flags),
        );
    }
    if index == 0 {
        // SAFETY: the distributor that the device tree names.
        unsafe { write(gic.distributor.address + GICD_CTLR, ENABLE) };
        (FIRST_VECTOR..=LAST_VECTOR).for_each(listen);
    }
}

/// Makes CPU `cpu` the one that takes interrupt `vector`: redistributors lie in the order of their CPUs.
/// Without such a CPU nothing changes.
pub fn lead(cpu: usize, vector: u8) {
    let (Some(gic), 32..) = (gic(), vector) else { return };
    if cpu as u64 >= gic.redistributors.len / REDISTRIBUTOR {
        return;
    }
    // SAFETY: registers of a redistributor that the device tree names, and of the distributor for this shared
    // interrupt; TYPER's upper half is the CPU's affinity, in IROUTER's places but for the top byte.
    unsafe {
        let at = gic.redistributors.address + cpu as u64 * REDISTRIBUTOR;
        let affinity = u64::from(read(at + GICR_TYPER + 4));
        let route = (affinity & 0xff_ffff) | affinity >> 24 << 32;
        let router = gic.distributor.address + GICD_IROUTER + u64::from(vector) * 8;
        (router as *mut u64).write_volatile(route);
    }
}

/// Makes this CPU the one that takes interrupt `vector`.
pub(crate) fn listen(vector: u8) {
    let (Some(gic), 32..) = (gic(), vector) else { return };
    let (number, at) = (u64::from(vector), gic.distributor.address);
    let (word, bit) = (number / 32 * 4, 1 << (number % 32));
    // SAFETY: registers of the distributor for this shared interrupt, which belongs to Tenon. The boot CPU
    // writes what others share.
    unsafe {
        write(at + GICD_IGROUPR + word, read(at + GICD_IGROUPR + word) | bit);
        let edge = 2 << (number % 16 * 2);
        write(at + GICD_ICFGR + number / 16 * 4, read(at + GICD_ICFGR + number / 16 * 4) | edge);
        ((at + GICD_IPRIORITYR + number) as *mut u8).write_volatile(PRIORITY as u8);
        ((at + GICD_IROUTER + number * 8) as *mut u64).write_volatile(affinity());
        write(at + GICD_ISENABLER + word, bit);
    }
}

/// Makes interrupt `vector` pending, as a device would; `false` where nothing can.
pub fn raise(vector: u8) -> bool {
    let (Some(gic), 32..) = (gic(), vector) else { return false };
    let number = u64::from(vector);
    // SAFETY: a register of the distributor, in which a one sets that interrupt pending and zeroes do
    // nothing.
    unsafe { write(gic.distributor.address + GICD_ISPENDR + number / 32 * 4, 1 << (number % 32)) };
    true
}

/// Any interrupt.
pub(crate) fn arrived() {
    let number: u64;
    // SAFETY: acknowledges the interrupt; the barrier orders what the handler reads behind it.
    unsafe { asm!("mrs {}, ICC_IAR1_EL1", "dsb sy", out(reg) number, options(nostack, preserves_flags)) };
    if number >= SPECIAL {
        return;
    }
    // SAFETY: ends the interrupt that was acknowledged; it is edge-triggered, so the next one is not lost.
    unsafe { asm!("msr ICC_EOIR1_EL1, {}", "isb", in(reg) number, options(nostack, preserves_flags)) };
    if let Ok(vector @ FIRST_VECTOR..=LAST_VECTOR) = u8::try_from(number) {
        interrupts::handle(vector);
    }
}
