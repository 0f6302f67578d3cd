// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that is given back, taken again and shared: what MEMORY_INFO writes, and the rights of a share.

use crate::wire::{flags, wire};
use zerocopy::little_endian::{U32, U64};

wire! {
    pub struct MemoryInfo: 64, "What is known of the guest's memory: the front of what MEMORY_INFO writes." {
        0x00 target: U64, "MEM-4", "bytes of memory that the host wants the guest to have";
        0x08 memory: U64, "MEM-3", "bytes of region 0 that are memory, those included that are given";
        0x10 given: U64, "MEM-6", "bytes of them that are given";
        0x18 give_granule: U64, "MEM-2", "unit of GIVE, TAKE and HINT in bytes: a power of two, at least 4096";
        0x20 max_range: U64, "MEM-2", "bytes that one call does at most: a multiple of `give_granule`";
        0x28 pieces: U32, "MEM-3", "pieces of memory";
        0x2c reserved0: U32, "GEN-5", "zero";
        0x30 reserved1: [U64; 2], "GEN-5", "zero";
    }
    pub struct MemoryPiece: 16, "A piece of memory; what lies between two is a hole." {
        0x00 offset: U64, "MEM-3", "where it begins in region 0";
        0x08 len: U64, "MEM-3", "its length in bytes";
    }
}

flags! {
    pub struct Rights(u64), "What a host may do with shared memory." {
        0 READ, "MEM-12", "it may read there";
        1 WRITE, "MEM-12", "it may write there";
    }
}
