// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that the kernel lets the host see, and what it gives back ([`give`]) and shares ([`share`]).
#![allow(unsafe_code, reason = "pages come from the kernel as addresses")]

pub mod give;
pub mod moving;
pub mod share;

pub use give::{Given, Info, Memory, Wanted};
pub use moving::{Fate, Moving};
pub use share::{Lent, Shared, Sharing};

use crate::error::Error;
use tenon_abi::{Address, Granule};
use tenon_rings::{Mapping, Words};

/// Pages of the kernel's that the host may see: where they are mapped, and where they lie in region 0.
#[derive(Debug)]
pub struct Pages {
    mapping: Mapping,
    address: u64,
}

impl Pages {
    /// `len` bytes at `base`, which lie at `offset` of region 0.
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] if `base` is null or not aligned to 8, or the offset cannot be expressed.
    ///
    /// # Safety
    ///
    /// The memory is mapped, readable and writable for as long as the session lives, belongs to nobody else,
    /// and lies at that offset of region 0. No Rust reference to it exists.
    pub unsafe fn new(base: *mut u8, len: usize, offset: u64) -> Result<Self, Error> {
        // SAFETY: the caller's contract.
        let mapping = unsafe { Mapping::new(base, len) }.ok_or(Error::BadMemory)?;
        let address = Address::new(0, offset).ok_or(Error::BadMemory)?;
        Ok(Self { mapping, address: address.0 })
    }

    /// Splits `len` bytes, rounded up to the granule, off the front, from the next boundary of the granule
    /// on. What lies before that boundary is lost.
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] if they are not there; the pages are then as before.
    pub fn split(&mut self, len: u64, granule: Granule) -> Result<Self, Error> {
        self.split_exactly(granule.round_up(len).ok_or(Error::BadMemory)?, granule)
    }

    /// As [`Self::split`], with a length that is a multiple of 8 and not rounded up.
    #[inline(never)]
    pub(crate) fn split_exactly(&mut self, len: u64, granule: Granule) -> Result<Self, Error> {
        let words = |bytes: u64| usize::try_from(bytes / 8).map_err(|_| Error::BadMemory);
        let address = granule.round_up(self.address).ok_or(Error::BadMemory)?;
        let (gap, count) = (words(address.wrapping_sub(self.address))?, words(len)?);
        let mapping = self.mapping.slice(gap, count).ok_or(Error::BadMemory)?;
        let end = gap.wrapping_add(count);
        // The slice above says that there are as many.
        let back = self.mapping.slice(end, self.mapping.len().wrapping_sub(end)).ok_or(Error::BadMemory)?;
        *self = Self { mapping: back, address: address.wrapping_add(len) };
        Ok(Self { mapping, address })
    }

    /// Puts back what was split off last.
    #[inline(never)]
    pub(crate) fn put_back(&mut self, front: &Self) {
        let len = front.mapping.byte_len().wrapping_add(self.mapping.byte_len());
        // SAFETY: `front` came from right before these pages, by the contract of the one that they were.
        if let Some(mapping) = unsafe { Mapping::new(front.mapping.base(), len) } {
            *self = Self { mapping, address: front.address };
        }
    }

    /// The wire address.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// The words, for whoever looks at the wire itself.
    #[must_use]
    pub const fn mapping(&self) -> Mapping {
        self.mapping
    }

    /// The number to hand to `bind` ([DISC-8]).
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] if the pages are not aligned to the granule or lie too high for 32 bits.
    ///
    /// [DISC-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
    pub fn frame(&self, granule: Granule) -> Result<u32, Error> {
        if self.address & granule.size().wrapping_sub(1) != 0 {
            return Err(Error::BadMemory);
        }
        u32::try_from(self.address.wrapping_shr(u32::from(granule.shift()))).map_err(|_| Error::BadMemory)
    }
}

/// Payload that one request owns: it comes back with the result, and is given up with the request
/// ([CALL-17]).
///
/// [CALL-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
#[derive(Debug)]
pub struct Buffer {
    pages: Pages,
}

impl Buffer {
    /// A buffer of these pages, all of them.
    #[must_use]
    pub const fn new(pages: Pages) -> Self {
        Self { pages }
    }

    /// The wire address.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.pages.address
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pages.mapping.byte_len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes out; `false`, with nothing copied, if they are not all inside.
    #[must_use]
    pub fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        self.pages.mapping.read(offset, out)
    }

    /// Copies bytes in; `false`, with nothing copied, if they do not fit.
    #[must_use]
    pub fn write(&self, offset: usize, data: &[u8]) -> bool {
        self.pages.mapping.write(offset, data)
    }
}
