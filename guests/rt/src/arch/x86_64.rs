// SPDX-License-Identifier: MIT OR Apache-2.0
//! x86-64: PVH, CPL0 or CPL3, local APIC, 16550 behind ports.

mod apic;
mod boot;
mod cpu;
mod faults;
mod interrupts;
mod mem;
mod serial;
mod tables;

pub use apic::raise;
pub use boot::is_native;
pub use cpu::{cpu_index, cpuid, ticks};
pub use faults::{Fault, try_store_u32, user_mode_hypercall, user_mode_out, user_mode_store};
pub use interrupts::{FIRST_VECTOR, LAST_VECTOR};
pub use serial::serial_write;

pub(crate) use boot::power_off;
pub(crate) use cpu::secondary_entry;
pub(crate) use interrupts::{halt, irq_disable, irq_enable, irqs_enabled, sleep};

use crate::memory::MapAs;

/// The name that reports give it.
pub const NAME: &str = "x86_64";
/// What is mapped one to one ends here.
pub(crate) const MAPPED_END: u64 = 1 << 32;
/// A processor of the last decade makes at least this many ticks in a microsecond; more only means shorter
/// waits.
const TICKS_PER_MICROSECOND: u64 = 2500;

/// How many [`ticks`] a microsecond has, or a few more.
pub fn ticks_per_microsecond() -> u64 {
    TICKS_PER_MICROSECOND
}

/// What is below 4 GiB is mapped one to one, whatever it is; beyond, memory within one GiB, and then no
/// other.
pub(crate) fn map(address: u64, len: u64, kind: MapAs) -> Option<*mut u8> {
    let last = address.checked_add(len.checked_sub(1)?)?;
    let mapped = last < MAPPED_END || kind == MapAs::Memory && tables::map_high(address, last);
    mapped.then(|| core::ptr::with_exposed_provenance_mut(address as usize))
}

/// Makes this CPU take interrupt `vector`: here each does, by its local APIC.
pub(crate) fn listen(_vector: u8) {}
