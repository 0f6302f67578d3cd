// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a ring operation can answer besides its result.

use core::fmt;
use tenon_abi::Reason;
use tenon_abi::status::{QueueState, StateWord};

/// Why, and where, a ring was found corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// What the peer did.
    pub reason: Reason,
    /// The position at which it was seen.
    pub position: u32,
}

impl Corrupt {
    /// The state word that tells the peer (CALL-15).
    #[must_use]
    pub const fn to_word(self) -> u64 {
        StateWord { state: QueueState::CORRUPT, reason: self.reason, position: self.position }.to_word()
    }
}

/// Why a ring operation did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is there yet: try later.
    Empty,
    /// No room at the moment: try later.
    Full,
    /// The peer broke the protocol: latched until the ring is made anew.
    Corrupt(Corrupt),
    /// A record is longer than its ring takes.
    TooLong,
    /// The memory is too small, or a size is not a power of two in its range.
    BadSize,
    /// This end of the ring was given out before.
    Taken,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing there yet"),
            Self::Full => f.write_str("no room at the moment"),
            Self::Corrupt(_) => f.write_str("the peer broke the protocol"),
            Self::TooLong => f.write_str("longer than a record of this ring can be"),
            Self::BadSize => f.write_str("the memory is too small or a size is not a power of two in range"),
            Self::Taken => f.write_str("this end of the ring was given out before"),
        }
    }
}

impl core::error::Error for Error {}
