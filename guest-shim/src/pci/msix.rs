// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages (MSI-X): a device's interrupts, each a store of the device's to an address that the kernel names.
#![allow(unsafe_code, reason = "device registers")]

use super::config::ConfigSpace;
use super::device::Device;
use core::ptr::NonNull;

const STATUS: u16 = 0x04;
const HAS_CAPABILITIES: u32 = 1 << 20;
const CAPABILITIES: u16 = 0x34;
const MSI_X: u32 = 0x11;
/// A list of capabilities has no more links than the space has words.
const LINKS: usize = 48;
const ENTRY: u64 = 16;
const ENABLED: u32 = 1 << 31;
const MASKED: u32 = 1 << 30;

/// A device's messages.
#[derive(Clone, Copy, Debug)]
pub struct MsiX {
    capability: u16,
    bar: usize,
    offset: u64,
    count: u16,
}

impl Device {
    /// The device's messages; `None` where it has none, or its table lies in no BAR that is in place.
    #[must_use]
    pub fn messages(&self, config: &dyn ConfigSpace) -> Option<MsiX> {
        let read = |register| config.read(self.function, register);
        if read(STATUS) & HAS_CAPABILITIES == 0 {
            return None;
        }
        let mut at = read(CAPABILITIES);
        for _ in 0..LINKS {
            let capability = u16::try_from(at & 0xfc).ok().filter(|at| *at >= 0x40)?;
            let head = read(capability);
            if head & 0xff == MSI_X {
                let table = read(capability.checked_add(4)?);
                let count = u16::try_from(head.wrapping_shr(16) & 0x7ff).ok()?.checked_add(1)?;
                let (bar, offset) = (usize::try_from(table & 7).ok()?, u64::from(table & !7));
                let end = offset.checked_add(u64::from(count).checked_mul(ENTRY)?)?;
                return (end <= self.bar(bar).ok()?.len).then_some(MsiX { capability, bar, offset, count });
            }
            at = head.wrapping_shr(8);
        }
        None
    }
}

impl MsiX {
    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// The BAR in which the table lies, its offset there, and its length in bytes.
    #[must_use]
    pub fn table(&self) -> (usize, u64, u64) {
        (self.bar, self.offset, u64::from(self.count).wrapping_mul(ENTRY))
    }

    /// Routes a message and unmasks it: the device stores `data` to `address`. `false` where there is no such
    /// message.
    ///
    /// # Safety
    ///
    /// [`Self::table`] is mapped at `table`, as device memory, and a store of `data` to `address` is an
    /// interrupt that the kernel takes, or nothing.
    pub unsafe fn route(&self, table: NonNull<u32>, message: u16, address: u64, data: u32) -> bool {
        if message >= self.count {
            return false;
        }
        let [a, b, c, d, e, f, g, h] = address.to_le_bytes();
        let words = [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]), data, 0];
        for (index, word) in (usize::from(message).wrapping_mul(4)..).zip(words) {
            // SAFETY: below `count` entries of four words, mapped there by the caller's contract.
            unsafe { table.as_ptr().wrapping_add(index).write_volatile(word.to_le()) };
        }
        true
    }

    /// Turns messages on: those that were routed.
    pub fn enable(&self, device: &Device, config: &dyn ConfigSpace) {
        let head = config.read(device.function, self.capability);
        config.write(device.function, self.capability, head & !MASKED | ENABLED);
    }
}
