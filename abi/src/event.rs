// SPDX-License-Identifier: MIT OR Apache-2.0
//! Event entries.

use crate::word::{pack, unpack};

/// Priority classes of a vCPU (EVT-2): class 0 is ordinary, class 1 is urgent.
pub const CLASSES: u32 = 2;
/// Entries of an event ring when the guest has no wishes (VCPU-2).
pub const DEFAULT_ENTRIES: u32 = 256;
/// The largest event ring (EVT-2).
pub const MAX_ENTRIES: u32 = 65_536;
/// Ports below this have a mask hint (EVT-15).
pub const HINTED_PORTS: u32 = 1024;
/// Words of 64 bits of mask hints.
pub const HINT_WORDS: u64 = 16;

/// An event entry: port (32 bits), turn (32 bits) (EVT-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The port.
    pub port: u32,
    /// The turn of the entry's position.
    pub turn: u32,
}

impl Entry {
    /// The wire word.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        pack(self.port, self.turn)
    }

    /// From the wire word.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let (port, turn) = unpack(word);
        Self { port, turn }
    }
}
