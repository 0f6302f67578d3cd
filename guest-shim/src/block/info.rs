// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a disk tells ([BLK-2]).
//!
//! [BLK-2]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices

use crate::device;
use crate::error::Error;
use tenon_abi::block::MAX_SEGMENTS;
use tenon_abi::{BlockFlags, BlockInfo, DeviceKind};
use tenon_rings::planted;

/// What a disk tells: a copy, checked. Lengths are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Size of the disk: a multiple of `block`.
    pub bytes: u64,
    /// Unit of offsets and lengths: a power of two.
    pub block: u32,
    /// What the medium writes in one piece.
    pub physical: u32,
    /// Length of a request that the medium does best, or zero.
    pub optimal: u32,
    /// What addresses of segments are aligned to: a power of two.
    pub align: u32,
    /// Most bytes of a READ or a WRITE.
    pub max_transfer: u32,
    /// Most bytes of a segment.
    pub max_segment: u32,
    /// Most segments of a request.
    pub max_segments: u32,
    /// Most bytes of a DISCARD; zero: there is none.
    pub max_discard: u32,
    /// Unit that is discarded at once.
    pub discard_align: u32,
    /// Most bytes of a ZERO; zero: there is none.
    pub max_zero: u32,
    /// How the disk is.
    pub flags: BlockFlags,
}

impl device::Info {
    /// What it tells as a disk.
    ///
    /// # Errors
    ///
    /// [`Error::NoMatch`] if it is none, or the host contradicts itself.
    pub fn block(&self) -> Result<Info, Error> {
        if self.kind != DeviceKind::BLOCK {
            return Err(Error::NoMatch);
        }
        self.own().and_then(|told: BlockInfo| Info::checked(&told)).ok_or(Error::NoMatch)
    }
}

impl Info {
    /// Of what the host wrote; `None` where it contradicts the text.
    fn checked(told: &BlockInfo) -> Option<Self> {
        let flags = BlockFlags::from_bits(told.flags.get());
        let this = Self {
            bytes: told.bytes.get(),
            block: told.block.get(),
            physical: told.physical.get(),
            optimal: told.optimal.get(),
            align: told.align.get(),
            max_transfer: told.max_transfer.get(),
            max_segment: told.max_segment.get(),
            max_segments: told.max_segments.get(),
            max_discard: told.max_discard.get(),
            discard_align: told.discard_align.get(),
            max_zero: told.max_zero.get(),
            flags: flags.unwrap_or(BlockFlags::empty()),
        };
        let reserved = u64::from(told.reserved0.get()) | told.reserved1.get();
        let holds = flags.is_some() && reserved == 0 && this.is_sound();
        (holds || planted!("block-info-believed")).then_some(this)
    }

    /// Whether the numbers are ones that BLK-2, BLK-3 and BLK-8 admit.
    fn is_sound(&self) -> bool {
        let power =
            |value: u32, least: u32, most: u32| value.is_power_of_two() && (least..=most).contains(&value);
        // Powers of two: what is a multiple has these bits clear.
        let is_whole = |value: u64| value & u64::from(self.block).wrapping_sub(1) == 0;
        power(self.block, 512, 65_536)
            && power(self.physical, self.block, 1 << 31)
            && power(self.align, 1, 4096)
            && is_whole(self.bytes)
            && self.max_transfer >= 65_536
            && self.max_segment >= 4096
            && (2..=MAX_SEGMENTS).contains(&self.max_segments)
            && (self.max_discard == 0 || self.discard_align != 0 && is_whole(u64::from(self.discard_align)))
    }
}
