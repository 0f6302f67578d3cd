// SPDX-License-Identifier: MIT OR Apache-2.0
//! A function that was found, and its BARs.

use super::config::{ConfigSpace, Function};
use crate::error::Error;

const BAR0: u16 = 0x10;
pub(crate) const BARS: usize = 6;

/// Address and length of a BAR in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its address on the bus.
    pub address: u64,
    /// Its length: a power of two.
    pub len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// No BAR, one of ports, or the upper half of another.
    Nothing,
    At(Bar),
    NoRoom,
}

/// A function that was found.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    pub(crate) function: Function,
    pub(crate) bars: [Place; BARS],
}

impl Device {
    /// Where it is.
    #[must_use]
    pub const fn function(&self) -> Function {
        self.function
    }

    /// A BAR of memory.
    ///
    /// # Errors
    ///
    /// [`Error::NotPresent`] if there is none; [`Error::BadMemory`] if the free range has no room for it: the
    /// device was then left as it was found.
    pub fn bar(&self, index: usize) -> Result<Bar, Error> {
        match self.bars.get(index) {
            Some(Place::At(bar)) => Ok(*bar),
            Some(Place::NoRoom) => Err(Error::BadMemory),
            Some(Place::Nothing) | None => Err(Error::NotPresent),
        }
    }
}

/// A BAR as it was found.
#[derive(Clone, Copy)]
pub(crate) struct Raw {
    register: u16,
    pub(crate) address: u64,
    /// Zero where there is none of memory.
    pub(crate) len: u64,
    pub(crate) is_wide: bool,
    /// Prefetchable, as PCI calls it: memory, not registers.
    pub(crate) is_memory: bool,
}

impl Raw {
    /// Address and length of a BAR, which is then as it was. Decoding is off.
    pub(crate) fn size(config: &dyn ConfigSpace, function: Function, index: usize) -> Option<Self> {
        let register = BAR0.checked_add(u16::try_from(index).ok()?.checked_mul(4)?)?;
        let upper = register.checked_add(4)?;
        let low = config.read(function, register);
        if low & 1 != 0 {
            return None; // a range of ports
        }
        // The last one has no upper half, whatever it says.
        let is_wide = low & 0b110 == 0b100 && index < BARS.saturating_sub(1);
        let high = if is_wide { config.read(function, upper) } else { 0 };
        config.write(function, register, u32::MAX);
        let mut size = u64::from(config.read(function, register) & !0xf);
        config.write(function, register, low);
        if is_wide {
            config.write(function, upper, u32::MAX);
            size |= u64::from(config.read(function, upper)).wrapping_shl(32);
            config.write(function, upper, high);
        }
        let address = u64::from(high).wrapping_shl(32) | u64::from(low & !0xf);
        // The lowest bit that can be written.
        let len = size & size.wrapping_neg();
        Some(Self { register, address, len, is_wide, is_memory: low & 0b1000 != 0 })
    }

    pub(crate) fn store(self, config: &dyn ConfigSpace, function: Function, address: u64) {
        let [a, b, c, d, e, f, g, h] = address.to_le_bytes();
        config.write(function, self.register, u32::from_le_bytes([a, b, c, d]));
        if self.is_wide {
            config.write(function, self.register.saturating_add(4), u32::from_le_bytes([e, f, g, h]));
        }
    }
}
