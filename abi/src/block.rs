// SPDX-License-Identifier: MIT OR Apache-2.0
//! Block devices: what a disk tells, and the segments of its requests.

use crate::wire::{flags, wire};
use zerocopy::little_endian::{U32, U64};

wire! {
    pub struct BlockInfo: 64, "What a block device tells: `DeviceInfo::own`." {
        0x00 bytes: U64, "BLK-2", "size of the disk: a multiple of `block`";
        0x08 block: U32, "BLK-2", "unit of offsets and lengths in bytes: a power of two from 512 to 65,536";
        0x0c physical: U32, "BLK-2", "what the medium writes in one piece: a power of two, at least `block`";
        0x10 optimal: U32, "BLK-2", "length of a request that the medium does best, or zero";
        0x14 align: U32, "BLK-3", "what the address of a segment is aligned to: a power of two, at most 4096";
        0x18 max_transfer: U32, "BLK-3", "most bytes of a READ or a WRITE: at least 65,536";
        0x1c max_segment: U32, "BLK-3", "most bytes of a segment: at least 4096";
        0x20 max_segments: U32, "BLK-3", "most segments of a request: from 2 to 256";
        0x24 max_discard: U32, "BLK-8", "most bytes of a DISCARD; zero: there is none";
        0x28 discard_align: U32, "BLK-8", "unit that is discarded at once in bytes: a multiple of `block`";
        0x2c max_zero: U32, "BLK-9", "most bytes of a ZERO; zero: there is none";
        0x30 flags: U32, "BLK-2", "how the disk is: `BlockFlags`";
        0x34 reserved0: U32, "GEN-5", "zero";
        0x38 reserved1: U64, "GEN-5", "zero";
    }
    pub struct Segment: 16, "A piece of a request's buffer, in a list." {
        0x00 address: U64, "BLK-3", "wire address, inside the arena";
        0x08 len: U64, "BLK-3", "bytes: a multiple of `block`, and not zero";
    }
}

flags! {
    pub struct BlockFlags(u32), "How a disk is." {
        0 READ_ONLY, "BLK-5", "it cannot be written";
        1 VOLATILE_CACHE, "BLK-6", "what is written may be lost before a FLUSH";
        2 FAILED, "BLK-7", "a write-back has failed";
    }
}

flags! {
    pub struct WriteFlags(u32), "Upper half of the last argument of WRITE." {
        0 DURABLE, "BLK-5", "complete only when the bytes are durable";
    }
}

flags! {
    pub struct ZeroFlags(u64), "The last argument of ZERO." {
        0 MAY_UNMAP, "BLK-9", "the range may lose its place on the medium";
    }
}

/// Segments that a request may have at most, whatever the disk says (BLK-3).
pub const MAX_SEGMENTS: u32 = 256;
/// Segments that stand in the arguments of a request (BLK-3).
pub const INLINE_SEGMENTS: u32 = 2;
