// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data rings: the control line of each side, and the header of a record.

use crate::wire::{numbers, wire};
use crate::word::{pack, unpack};
use zerocopy::little_endian::U64;

wire! {
    pub struct RingLine: 64, "One side's control line of a data ring, at the start of its page. Written by that side only." {
        0x00 position: U64, "STR-4", "how far this side has come: position (32 bits), seed (32 bits)";
        0x08 armed: U64, "STR-11", "position of the other side from which a wake is wanted (32 bits), seed (32 bits)";
        0x10 shape: U64, "STR-3", "units in the ring (32 bits), words of a message (32 bits), zero for records";
        0x18 state: U64, "STR-13", "state word: state (16 bits), reason (16 bits), position (32 bits)";
        0x20 reserved: [U64; 4], "GEN-5", "zero";
    }
    pub struct RecordHeader: 8, "The word before each record's bytes. Written by the producer only." {
        0x00 word: U64, "STR-7", "bytes of the record (32 bits), turn of the header's position (32 bits)";
    }
}

numbers! {
    pub struct RecordLength(u32), "Low half of a record's header where it is not a length (STR-8)." {
        0xffff_ffff SKIP, "STR-8", "no record: the rest of the ring up to its end is not used";
    }
}

/// Words of 64 bits in a control line.
pub const LINE_WORDS: usize = 8;
/// The largest number of units (STR-2): what is less than half the circle ahead is later.
pub const MAX_UNITS: u32 = 1 << 30;
/// The smallest ring of records in units, which are words (STR-2).
pub const MIN_RECORD_UNITS: u32 = 8;
/// The largest message in words (STR-2).
pub const MAX_MESSAGE_WORDS: u32 = 512;

/// The size and the kind of a ring, as both sides write them down (STR-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingShape {
    /// Units in the ring: words where it holds records, else messages.
    pub units: u32,
    /// Words of a message; zero: the ring holds records.
    pub message: u32,
}

impl RingShape {
    /// The wire word.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        pack(self.units, self.message)
    }

    /// From the wire word.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let (units, message) = unpack(word);
        Self { units, message }
    }
}

/// A position with the seed of its session: `position` and `armed` of a control line (STR-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPosition {
    /// Units since the session began, plus the seed, modulo 2^32.
    pub position: u32,
    /// The session's seed.
    pub seed: u32,
}

impl RingPosition {
    /// The wire word.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        pack(self.position, self.seed)
    }

    /// From the wire word.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let (position, seed) = unpack(word);
        Self { position, seed }
    }
}

/// Units that a publication may take at most before it is due (STR-6): an eighth of the ring, or one.
#[must_use]
pub const fn batch(units: u32) -> u32 {
    if units < 8 { 1 } else { units / 8 }
}

/// The longest record of a ring of that many words, in bytes (STR-8): with its header a quarter of the ring.
#[must_use]
pub const fn max_record(units: u32) -> u32 {
    (units / 4).saturating_sub(1).saturating_mul(8)
}

/// Words that a record of that many bytes takes, its header included (STR-7); `None` on overflow.
#[must_use]
pub const fn record_units(bytes: u32) -> Option<u32> {
    match bytes.checked_add(15) {
        Some(padded) => Some(padded / 8),
        None => None,
    }
}
