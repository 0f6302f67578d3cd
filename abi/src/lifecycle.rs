// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit, restart and the crash record: [`crate::Op::EXIT`], [`crate::Op::RESTART`], [`crate::Op::CRASH`];
//! generations and suspension: [`crate::Op::REPAIRED`], [`crate::Op::SUSPEND_WATCH`],
//! [`crate::Op::SUSPEND_READY`].

use crate::wire::{offsets, wire};
use zerocopy::little_endian::U64;

/// The longest text of a crash record in bytes (LIFE-4).
pub const CRASH_TEXT_MAX: u32 = 1024;

wire! {
    pub struct GenerationCopy: 16, "What a copy of the page GENERATION holds. Written by the host only." {
        0x00 id: [U64; 2], "LIFE-5", "the id of the generation: its low 64 bits, then its high 64 bits";
    }
}

offsets! {
    pub mod page, "Offsets in the page of the generation (PAGE-1)." {
        0x00 SEQUENCE, "PAGE-1", "U64: the sequence, alone in its cache line";
        0x40 COPY0, "PAGE-1", "`GenerationCopy`: the copy that is valid while the sequence is even";
        0x80 COPY1, "PAGE-1", "`GenerationCopy`: the copy that is valid while the sequence is odd";
    }
}
