// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least of PCI: finds one device on bus 0 by its memory-mapped configuration space, gives its BARs
//! places where firmware has not, and routes its messages. Where the configuration space and free addresses
//! lie, the boot parameters `ecam` and `mmio` say.
#![allow(unsafe_code, reason = "device registers")]

use core::sync::atomic::{Ordering, fence};

/// Vendor and device of QEMU's shared memory device.
pub const IVSHMEM: u32 = 0x1110_1af4;

const COMMAND: usize = 0x04;
const BAR0: usize = 0x10;
const CAPABILITIES: usize = 0x34;
/// Memory decoding and bus mastery, without which there are no messages.
const ON: u32 = 0b110;
const MSI_X: u32 = 0x11;
const FOUR_GIB: u64 = 1 << 32;

/// A device that was found, its BARs in place.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Its configuration space.
    config: usize,
    /// Address and length of each BAR; zero where there is none. The upper half of a wide one is none.
    bars: [(u64, u64); 6],
}

impl Device {
    /// Looks for a device on bus 0. BARs without a place below 4 GiB get one from `mmio` on, each aligned to
    /// its length.
    ///
    /// # Safety
    /// Both are mapped one to one: 1 MiB of configuration space at `ecam`, and free addresses of the bus from
    /// `mmio` on. Nobody uses the device meanwhile.
    pub unsafe fn find(id: u32, ecam: usize, mmio: u64) -> Option<Self> {
        let config =
            (0..32).map(|slot| ecam + (slot << 15)).find(|&config| registers_at(config).load(0) == id)?;
        let registers = registers_at(config);
        registers.store(COMMAND, registers.load(COMMAND) & 0xffff & !ON);
        let mut bars = [(0, 0); 6];
        let mut next = mmio;
        let mut index = 0;
        while index < 6 {
            let at = BAR0 + 4 * index;
            let wide = registers.load(at) & 0b110 == 0b100;
            let (address, len) = registers.place(at, wide, &mut next);
            bars[index] = (address, len);
            index += 1 + usize::from(wide);
        }
        registers.store(COMMAND, registers.load(COMMAND) & 0xffff | ON);
        fence(Ordering::SeqCst);
        Some(Self { config, bars })
    }

    /// Address and length of a BAR; `None` where there is none.
    pub fn bar(&self, index: usize) -> Option<(usize, usize)> {
        let (address, len) = *self.bars.get(index)?;
        if len == 0 { None } else { Some((address as usize, len as usize)) }
    }

    /// Routes the device's messages, by MSI-X: `route` says address and data of each. Returns how many there
    /// are.
    pub fn route_messages(&self, mut route: impl FnMut(u32) -> Option<(u64, u32)>) -> u32 {
        let registers = registers_at(self.config);
        let mut at = registers.load(CAPABILITIES) as usize & 0xfc;
        // A list of capabilities has no more links than the space has words.
        for _ in 0..48 {
            if at == 0 || registers.load(at) & 0xff == MSI_X {
                break;
            }
            at = (registers.load(at) >> 8) as usize & 0xfc;
        }
        if at == 0 {
            return 0;
        }
        let count = (registers.load(at) >> 16 & 0x7ff) + 1;
        let table = registers.load(at + 4);
        let Some((base, len)) = self.bar((table & 7) as usize) else { return 0 };
        let base = base + (table & !7) as usize;
        if (table & !7) as usize + 16 * count as usize > len {
            return 0;
        }
        for message in 0..count {
            let entry = registers_at(base + 16 * message as usize);
            if let Some((address, data)) = route(message) {
                entry.store(0, address as u32);
                entry.store(4, (address >> 32) as u32);
                entry.store(8, data);
                entry.store(12, 0);
            }
        }
        // On, and not masked as a whole.
        registers.store(at, registers.load(at) & !(1 << 30) | 1 << 31);
        count
    }
}

/// A place of 32-bit registers.
#[derive(Clone, Copy)]
struct Registers(usize);

/// The registers at an address that [`Device::find`]'s caller vouches for.
fn registers_at(address: usize) -> Registers {
    Registers(address)
}

impl Registers {
    fn load(self, offset: usize) -> u32 {
        // SAFETY: configuration space or a BAR of the device, both mapped by the contract of `Device::find`;
        // loads there have no effect.
        u32::from_le(unsafe { ((self.0 + offset) as *const u32).read_volatile() })
    }

    fn store(self, offset: usize, value: u32) {
        // SAFETY: as above; the device belongs to whoever called `Device::find`.
        unsafe { ((self.0 + offset) as *mut u32).write_volatile(value.to_le()) }
    }

    /// Address and length of the BAR at `at`, which gets a place from `next` on if it has none.
    fn place(self, at: usize, wide: bool, next: &mut u64) -> (u64, u64) {
        let low = self.load(at);
        if low & 1 != 0 {
            return (0, 0); // a range of ports
        }
        let high = if wide { self.load(at + 4) } else { 0 };
        self.store(at, u32::MAX);
        let mut size = u64::from(self.load(at) & !0xf) | 0xffff_ffff_0000_0000;
        if wide {
            self.store(at + 4, u32::MAX);
            size = size & 0xffff_ffff | u64::from(self.load(at + 4)) << 32;
        }
        let len = (!size).wrapping_add(1);
        let mut address = u64::from(high) << 32 | u64::from(low & !0xf);
        if size & 0xffff_ffff == 0 && !wide || len == 0 {
            return (0, 0);
        }
        if address == 0 || address.saturating_add(len) > FOUR_GIB {
            address = next.next_multiple_of(len);
            *next = address + len;
        }
        self.store(at, address as u32);
        if wide {
            self.store(at + 4, (address >> 32) as u32);
        }
        (address, len)
    }
}

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
