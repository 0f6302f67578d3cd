// SPDX-License-Identifier: MIT OR Apache-2.0
//! Configuration space.
#![allow(unsafe_code, reason = "device registers and ports")]

/// A function of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its bus.
    pub bus: u8,
    /// Its device on the bus, below 32.
    pub device: u8,
    /// Its number in the device, below 8.
    pub function: u8,
}

impl Function {
    /// Bus, device and function in one number.
    const fn number(self) -> u32 {
        let [device, function] = [self.device & 31, self.function & 7];
        u32::from_le_bytes([device.wrapping_shl(3) | function, self.bus, 0, 0])
    }
}

/// How configuration space is reached: whole registers of 32 bits, at multiples of 4 below 256.
pub trait ConfigSpace {
    /// Reads a register; all ones where there is no such function.
    fn read(&self, function: Function, register: u16) -> u32;
    /// Writes a register.
    fn write(&self, function: Function, register: u16, value: u32);
}

/// Configuration space that is mapped as memory.
#[derive(Debug)]
pub struct Ecam {
    base: *mut u8,
    len: usize,
}

impl Ecam {
    /// Configuration space from bus 0 on: a MiB for each bus.
    ///
    /// # Safety
    ///
    /// It is mapped there, as device memory, for as long as this is used, and nobody else uses the devices
    /// meanwhile.
    #[must_use]
    pub const unsafe fn new(base: *mut u8, len: usize) -> Self {
        Self { base, len }
    }

    fn place(&self, function: Function, register: u16) -> Option<*mut u32> {
        let offset = function.number().wrapping_shl(12) | u32::from(register & 0xffc);
        let offset = usize::try_from(offset).ok().filter(|offset| *offset < self.len & !3)?;
        Some(self.base.wrapping_add(offset).cast())
    }
}

impl ConfigSpace for Ecam {
    fn read(&self, function: Function, register: u16) -> u32 {
        match self.place(function, register) {
            // SAFETY: inside of what `new` was promised; loads there have no effect.
            Some(place) => u32::from_le(unsafe { place.read_volatile() }),
            None => u32::MAX,
        }
    }

    fn write(&self, function: Function, register: u16, value: u32) {
        if let Some(place) = self.place(function, register) {
            // SAFETY: inside of what `new` was promised, and the devices are this caller's.
            unsafe { place.write_volatile(value.to_le()) };
        }
    }
}

/// Configuration space behind the ports 0xcf8 and 0xcfc of a PC.
#[cfg(target_arch = "x86_64")]
#[derive(Debug)]
pub struct Ports(());

#[cfg(target_arch = "x86_64")]
impl Ports {
    /// The ports.
    ///
    /// # Safety
    ///
    /// They are those of a PC's host bridge, and nobody else uses them or the devices meanwhile.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }

    fn choose(function: Function, register: u16) {
        let address = 1u32.wrapping_shl(31) | function.number().wrapping_shl(8) | u32::from(register & 0xfc);
        // SAFETY: the port is the bridge's by the contract of `new`; it changes no memory.
        unsafe {
            core::arch::asm!("out dx, eax", in("dx") 0xcf8u16, in("eax") address,
                options(nomem, nostack, preserves_flags));
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl ConfigSpace for Ports {
    fn read(&self, function: Function, register: u16) -> u32 {
        Self::choose(function, register);
        let value;
        // SAFETY: as above.
        unsafe {
            core::arch::asm!("in eax, dx", in("dx") 0xcfcu16, out("eax") value,
                options(nomem, nostack, preserves_flags));
        }
        value
    }

    fn write(&self, function: Function, register: u16, value: u32) {
        Self::choose(function, register);
        // SAFETY: the port is the bridge's, and the devices are this caller's. No `nomem`: a device that is
        // turned on may look at memory.
        unsafe {
            core::arch::asm!("out dx, eax", in("dx") 0xcfcu16, in("eax") value, options(nostack, preserves_flags));
        }
    }
}
