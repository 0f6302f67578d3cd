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

pub use boot::is_native;
pub use cpu::{cpu_index, cpuid, ticks};
pub use faults::{Fault, try_store_u32, user_mode_hypercall, user_mode_out, user_mode_store};
pub use interrupts::{FIRST_VECTOR, LAST_VECTOR};
pub use serial::serial_write;

pub(crate) use boot::power_off;
pub(crate) use cpu::secondary_entry;
pub(crate) use interrupts::{halt, irq_disable, irq_enable, irqs_enabled, sleep};

/// The name that reports give it.
pub const NAME: &str = "x86_64";
/// What is mapped one to one ends here.
pub(crate) const MAPPED_END: u64 = 1 << 32;
/// A processor of the last decade makes at least this many ticks in a microsecond; more only means shorter waits.
const TICKS_PER_MICROSECOND: u64 = 2500;

/// How many [`ticks`] a microsecond has, or a few more.
pub fn ticks_per_microsecond() -> u64 {
    TICKS_PER_MICROSECOND
}

/// Makes this CPU take interrupt `vector`: here each does, by its local APIC.
pub(crate) fn listen(_vector: u8) {}
