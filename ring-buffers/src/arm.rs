// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arming by position (EVT-11, CALL-16, CALL-25): when is the other side to be told?

/// A writer's private memory of one armed position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arm {
    /// The armed position that was answered, until it lies ahead again.
    answered: Option<u32>,
}

impl Arm {
    /// Nothing was answered.
    #[must_use]
    pub const fn new() -> Self {
        Self { answered: None }
    }

    /// Positions below `written` are written, and `armed` was read behind a full fence: whether the other
    /// side is to be told.
    #[inline]
    pub const fn reached(&mut self, armed: u32, written: u32) -> bool {
        // Positions are compared modulo 2^32: what is less than half the circle ahead is later.
        let ahead = is_before(written.wrapping_sub(1), armed);
        let answered = matches!(self.answered, Some(position) if position == armed);
        if ahead {
            // Reaching it will be news, even if it was reached a lap of the circle ago.
            if answered {
                self.answered = None;
            }
            return false;
        }
        self.answered = Some(armed);
        !answered
    }
}

const HALF: u32 = 1 << 31;

/// Whether position `a` comes before `b`, modulo 2^32.
#[inline(always)]
const fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) >= HALF
}
