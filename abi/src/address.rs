// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wire addresses: a region and an offset, never a pointer (GEN-3).

use crate::wire::flags;

/// A wire address: offset in bytes (48 bits), region number (16 bits) (GEN-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Address(pub u64);

impl Address {
    /// The largest offset that an address can carry.
    pub const OFFSET_MAX: u64 = (1 << 48) - 1;

    /// An address, or `None` when `offset` needs more than 48 bits.
    #[must_use]
    pub const fn new(region: u16, offset: u64) -> Option<Self> {
        if offset > Self::OFFSET_MAX { None } else { Some(Self((u16_to_u64(region) << 48) | offset)) }
    }

    /// The region number.
    #[must_use]
    pub const fn region(self) -> u16 {
        let [_, _, _, _, _, _, low, high] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The offset in bytes from the region's start.
    #[must_use]
    pub const fn offset(self) -> u64 {
        self.0 & Self::OFFSET_MAX
    }
}

const fn u16_to_u64(value: u16) -> u64 {
    let [low, high] = value.to_le_bytes();
    u64::from_le_bytes([low, high, 0, 0, 0, 0, 0, 0])
}

flags! {
    pub struct Granules(u32), "Granules that a host offers: bit n stands for 2^n bytes (NEG-3)." {
        12 K4, "NEG-3", "4 KiB";
        14 K16, "NEG-3", "16 KiB";
        16 K64, "NEG-3", "64 KiB";
    }
}

impl Granules {
    /// Whether this granule is among them.
    #[must_use]
    pub const fn offers(self, granule: Granule) -> bool {
        self.bits() & granule.bit() != 0
    }
}

/// The granule of a session: its size is `1 << shift` bytes, and every page-like object is aligned to it
/// (GEN-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granule(u8);

impl Granule {
    /// 4 KiB.
    pub const K4: Self = Self(12);
    /// 16 KiB.
    pub const K16: Self = Self(14);
    /// 64 KiB.
    pub const K64: Self = Self(16);

    /// The granule of that shift, if it is one of the three that exist.
    #[must_use]
    pub const fn from_shift(shift: u32) -> Option<Self> {
        match shift {
            12 => Some(Self::K4),
            14 => Some(Self::K16),
            16 => Some(Self::K64),
            _ => None,
        }
    }

    /// log2 of the size.
    #[must_use]
    pub const fn shift(self) -> u8 {
        self.0
    }

    /// The size in bytes.
    #[must_use]
    pub const fn size(self) -> u64 {
        1 << self.0
    }

    /// This granule's bit in [`crate::Record::granules`].
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self.0
    }

    /// `len` rounded up to whole granules, or `None` on overflow.
    #[must_use]
    pub const fn round_up(self, len: u64) -> Option<u64> {
        let mask = self.size().wrapping_sub(1);
        match len.checked_add(mask) {
            Some(sum) => Some(sum & !mask),
            None => None,
        }
    }
}
