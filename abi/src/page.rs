// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages that the host writes for the guest to read: a sequence and two copies (PAGE-1 to PAGE-7).

use crate::wire::numbers;

numbers! {
    pub struct PageKind(u16), "A page of the host's (PAGE-2)." {
        1 TIME, "TIME-3", "the clocks: needs TIME";
        2 GENERATION, "LIFE-6", "the id of the generation: needs GENERATION";
    }
}

/// Where the sequence stands in a page of any kind, in bytes (PAGE-1).
pub const SEQUENCE: u64 = 0;
/// Where the first copy stands in a page of any kind, in bytes: on the next cache line (PAGE-1).
pub const COPIES: u64 = 0x40;

/// Which of the two copies is valid with this sequence (PAGE-3).
#[must_use]
pub const fn valid_copy(sequence: u64) -> usize {
    if sequence & 1 == 0 { 0 } else { 1 }
}
