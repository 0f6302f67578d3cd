// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least of PCI, for a kernel that reaches its host behind a device ([SHM-1]) and has no PCI code of its
//! own: finds functions, behind bridges too, gives their BARs places where firmware has not, and routes their
//! messages by MSI-X.
//!
//! How configuration space is reached is the kernel's business: [`ConfigSpace`]. [`Ecam`] and, on x86,
//! [`Ports`] are ready. What a device answers is taken for what it is: no answer makes this code panic, loop
//! without a bound, or give a device a place outside of the range that the kernel named.
//!
//! ```
//! use tenon_guest::pci::{Bar, Bus, ConfigSpace, IVSHMEM};
//!
//! /// Address of each device's memory; what has no room in `free` is left out.
//! fn memories(config: &dyn ConfigSpace, free: core::ops::Range<u64>) -> impl Iterator<Item = Bar> {
//!     let mut found = [None; 8];
//!     Bus::new(config, free, 1 << 32).find(IVSHMEM, &mut found);
//!     found.into_iter().flatten().filter_map(|device| device.bar(2).ok())
//! }
//! ```
//!
//! [SHM-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery

mod bridge;
mod bus;
mod config;
mod device;
mod msix;

pub use bus::Bus;
#[cfg(target_arch = "x86_64")]
pub use config::Ports;
pub use config::{ConfigSpace, Ecam, Function};
pub use device::{Bar, Device};
pub use msix::MsiX;

/// Device and vendor of QEMU's shared memory device.
pub const IVSHMEM: u32 = 0x1110_1af4;
