// SPDX-License-Identifier: MIT OR Apache-2.0
//! RISC-V: ELF or Image, S-mode without paging under SBI, software interrupts.

mod boot;
mod traps;

pub use super::uart::serial_write;
pub(crate) use boot::map;
pub use boot::{cpu_index, ticks, ticks_per_microsecond};
pub use traps::{Fault, raise, try_store_u32};

pub(crate) use boot::{power_off, secondary_entry};
pub(crate) use traps::{halt, irq_disable, irq_enable, irqs_enabled, listen, sleep};

use crate::firmware::{Uart, UartKind};

/// The name that reports give it.
pub const NAME: &str = "riscv64";
/// The vector by which the handler hears of a supervisor software interrupt: all that is taken here.
pub const FIRST_VECTOR: u8 = 0x30;
/// The last such vector.
pub const LAST_VECTOR: u8 = 0x3f;
/// Addresses are physical: all of them can be used.
pub(crate) const MAPPED_END: u64 = 1 << 56;
/// Where the serial port is without a device tree: as in QEMU's `virt`.
pub(crate) const UART: Uart = Uart { kind: UartKind::Ns16550, address: 0x1000_0000, shift: 0 };
/// No device tree where none was passed: nothing is there.
pub(crate) const TREE: u64 = MAPPED_END;

/// There is no user level here.
pub fn is_native() -> bool {
    false
}
