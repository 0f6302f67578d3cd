// SPDX-License-Identifier: MIT OR Apache-2.0
//! Words of several fields: tails, turns and pairs.

/// The turn of a position (CALL-4): what tells a written slot from a stale one.
#[must_use]
pub const fn turn(seed: u32, position: u32) -> u32 {
    seed.wrapping_add(position).wrapping_add(1)
}

/// The last word of a submission or a completion, unpacked (CALL-2, CALL-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The operation, or the status.
    pub code: u16,
    /// The request's id.
    pub id: u16,
    /// The turn of the position.
    pub turn: u32,
}

impl Tail {
    /// The wire word.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        let [c0, c1] = self.code.to_le_bytes();
        let [i0, i1] = self.id.to_le_bytes();
        let [t0, t1, t2, t3] = self.turn.to_le_bytes();
        u64::from_le_bytes([c0, c1, i0, i1, t0, t1, t2, t3])
    }

    /// From the wire word.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let [c0, c1, i0, i1, t0, t1, t2, t3] = word.to_le_bytes();
        Self {
            code: u16::from_le_bytes([c0, c1]),
            id: u16::from_le_bytes([i0, i1]),
            turn: u32::from_le_bytes([t0, t1, t2, t3]),
        }
    }
}

/// Two 32-bit halves as a word: low, high.
#[must_use]
pub const fn pack(low: u32, high: u32) -> u64 {
    let [a, b, c, d] = low.to_le_bytes();
    let [e, f, g, h] = high.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// A word as two 32-bit halves: low, high.
#[must_use]
pub const fn unpack(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}
