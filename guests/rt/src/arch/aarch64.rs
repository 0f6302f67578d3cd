// SPDX-License-Identifier: MIT OR Apache-2.0
//! AArch64: ELF or Image, EL1 (entered there or at EL2) with MMU and caches on, GICv3 where there is one,
//! PSCI.

mod boot;
mod gic;
mod mmu;
mod traps;

pub use super::uart::serial_write;
pub use boot::{cpu_index, ticks, ticks_per_microsecond};
pub use gic::{lead, raise};
pub(crate) use mmu::map;
pub use traps::{Fault, try_store_u32, user_mode_hypercall, user_mode_store};

pub(crate) use boot::{power_off, secondary_entry};
pub(crate) use gic::listen;
pub(crate) use traps::{halt, irq_disable, irq_enable, irqs_enabled, sleep};

use crate::firmware::{Uart, UartKind};

/// The name that reports give it.
pub const NAME: &str = "aarch64";
/// The first interrupt that leads to the handler: vectors are GIC interrupt numbers, those of shared
/// peripherals.
pub const FIRST_VECTOR: u8 = 0x30;
/// The last such interrupt.
pub const LAST_VECTOR: u8 = 0x3f;
/// What is mapped one to one ends here.
pub(crate) const MAPPED_END: u64 = 1 << 32;
/// Where the serial port is without a device tree: as in QEMU's `virt`.
pub(crate) const UART: Uart = Uart { kind: UartKind::Pl011, address: 0x0900_0000, shift: 0 };
/// Where the device tree is for an image that was loaded as ELF: at the start of RAM, in QEMU's `virt`.
pub(crate) const TREE: u64 = 0x4000_0000;

/// There is no user level here.
pub fn is_native() -> bool {
    false
}
