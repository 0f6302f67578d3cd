// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs between processors: a module for each, with the same items, chosen when the image is
//! compiled.
//!
//! | item | what |
//! | --- | --- |
//! | the entry, by its symbol in the linker script | the boot protocol; makes RAM known to [`crate::memory`], the command line to [`crate::params`], and ends in [`crate::boot::run`] on each CPU |
//! | `NAME`, `MAPPED_END` | its name in reports; where memory that is mapped one to one ends |
//! | `power_off` | ends the machine |
//! | `serial_write` | bytes out of the first serial port |
//! | `cpu_index`, `secondary_entry` | which CPU runs this; where further ones start |
//! | `ticks`, `ticks_per_microsecond` | a counter |
//! | `irqs_enabled`, `irq_enable`, `irq_disable` | the interrupt mask of this CPU |
//! | `is_native` | whether the image runs at the user level |
//! | `sleep`, `halt` | until an interrupt was handled; for ever |
//! | `FIRST_VECTOR`, `LAST_VECTOR`, `listen` | interrupts that lead to [`crate::interrupts::handle`], and making this CPU take one |
//! | `raise` | makes such an interrupt pending by itself |
//! | `map` | makes physical memory usable that is not RAM |
//! | `Fault`, `try_store_u32` | an access that may fault |

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(not(target_arch = "x86_64"))]
mod uart;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as chosen;
#[cfg(target_arch = "riscv64")]
use riscv64 as chosen;
#[cfg(target_arch = "x86_64")]
use x86_64 as chosen;

#[cfg(target_arch = "aarch64")]
pub use aarch64::{lead, user_mode_hypercall, user_mode_store};
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use chosen::TREE;
pub use chosen::{
    FIRST_VECTOR, Fault, LAST_VECTOR, NAME, cpu_index, is_native, raise, serial_write, ticks,
    ticks_per_microsecond, try_store_u32,
};
pub(crate) use chosen::{
    MAPPED_END, halt, irq_disable, irq_enable, irqs_enabled, listen, map, power_off, secondary_entry, sleep,
};
#[cfg(target_arch = "x86_64")]
pub use x86_64::{cpuid, user_mode_hypercall, user_mode_out, user_mode_store};
