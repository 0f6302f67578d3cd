// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a platform fixes of PCI. All else is the shim's (`tenon_guest::pci`).

/// Where addresses that are free for devices end, if nobody says it: a PC has its interrupt controllers
/// there.
#[cfg(target_arch = "x86_64")]
pub const FREE_END: u64 = 0xfec0_0000;

/// Where addresses that are free for devices end, if nobody says it: nowhere that could be relied on.
#[cfg(not(target_arch = "x86_64"))]
pub const FREE_END: u64 = 0;

/// Devices are reached below this address.
pub const REACH: u64 = crate::arch::MAPPED_END;

/// Address and data of the message that raises an interrupt vector on the boot CPU; `None` where the platform
/// has no such message.
#[cfg(target_arch = "x86_64")]
pub fn message(vector: u8) -> Option<(u64, u32)> {
    Some((0xfee0_0000, u32::from(vector)))
}

/// Address and data of the message that raises an interrupt vector on the boot CPU; `None` where the platform
/// has no such message.
#[cfg(not(target_arch = "x86_64"))]
pub fn message(_: u8) -> Option<(u64, u32)> {
    None
}
