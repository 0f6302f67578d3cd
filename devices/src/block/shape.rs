// SPDX-License-Identifier: MIT OR Apache-2.0
//! Size and shape of a disk (BLK-2).

use crate::Error;
use tenon_abi::block::{BlockFlags, BlockInfo, MAX_SEGMENTS};
use tenon_host::device::words;
use zerocopy::IntoBytes;

/// Most bytes of one READ or WRITE.
const MAX_TRANSFER: u32 = 4 << 20;

/// Size and shape of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Size in bytes, a multiple of `block`.
    pub bytes: u64,
    /// Unit of offsets and lengths: a power of two from 512 to 65,536.
    pub block: u32,
    /// What the medium writes in one piece: a power of two, at least `block`.
    pub physical: u32,
    /// Length of a request that the medium does best, or zero.
    pub optimal: u32,
    /// What addresses of segments are aligned to: a power of two, at most 4096.
    pub align: u32,
    /// Most bytes of a DISCARD; zero: there is none.
    pub max_discard: u32,
    /// Unit of DISCARD: a multiple of `block`.
    pub discard_align: u32,
    /// Most bytes of a ZERO; zero: there is none.
    pub max_zero: u32,
    /// It cannot be written.
    pub read_only: bool,
    /// What is written may be lost before a flush.
    pub volatile_cache: bool,
}

impl Shape {
    /// A disk of this size in blocks of 512 bytes, which can be written and has a volatile cache, and neither
    /// DISCARD nor ZERO.
    #[must_use]
    pub const fn of(bytes: u64) -> Self {
        Self {
            bytes,
            block: 512,
            physical: 4096,
            optimal: 0,
            align: 1,
            max_discard: 0,
            discard_align: 512,
            max_zero: 0,
            read_only: false,
            volatile_cache: true,
        }
    }

    /// Says what no guest may be told.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let power =
            |value: u32, least: u32, most: u32| value.is_power_of_two() && (least..=most).contains(&value);
        let whole = |value: u64| value.checked_rem(u64::from(self.block)) == Some(0);
        if !power(self.block, 512, 65_536) {
            Err(Error::BadOption("a disk's block is a power of two from 512 to 65,536"))
        } else if !whole(self.bytes) {
            Err(Error::BadOption("a disk's size is a multiple of its block"))
        } else if !power(self.physical, self.block, 1 << 31) {
            Err(Error::BadOption("a disk's physical block is a power of two, and at least its block"))
        } else if !power(self.align, 1, 4096) {
            Err(Error::BadOption("a disk's alignment is a power of two, and at most 4096"))
        } else if self.discard_align == 0 || !whole(u64::from(self.discard_align)) {
            Err(Error::BadOption("a disk's unit of discarding is a multiple of its block"))
        } else if ![self.max_discard, self.max_zero].into_iter().all(|most| whole(u64::from(most))) {
            Err(Error::BadOption("what a disk discards or zeroes at most is a multiple of its block"))
        } else {
            Ok(())
        }
    }

    /// What the guest is told.
    #[must_use]
    pub fn info(&self, failed: bool) -> BlockInfo {
        let mut flags = BlockFlags::empty();
        flags.set(BlockFlags::READ_ONLY, self.read_only);
        flags.set(BlockFlags::VOLATILE_CACHE, self.volatile_cache);
        flags.set(BlockFlags::FAILED, failed);
        BlockInfo {
            bytes: self.bytes.into(),
            block: self.block.into(),
            physical: self.physical.into(),
            optimal: self.optimal.into(),
            align: self.align.into(),
            max_transfer: MAX_TRANSFER.into(),
            max_segment: MAX_TRANSFER.into(),
            max_segments: MAX_SEGMENTS.into(),
            max_discard: self.max_discard.into(),
            discard_align: self.discard_align.into(),
            max_zero: self.max_zero.into(),
            flags: flags.bits().into(),
            reserved0: 0.into(),
            reserved1: 0.into(),
        }
    }

    /// The same as the words of `DeviceInfo::own`.
    #[must_use]
    pub fn own(&self, failed: bool) -> [u64; 8] {
        words(self.info(failed).as_bytes())
    }
}
