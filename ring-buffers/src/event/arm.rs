// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arming by position (EVT-11, CALL-16): when is an upcall owed?

use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::words::Words;
use tenon_abi::{Reason, call::unpack};

/// The host's private memory of one armed word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arm {
    /// The armed position for which an upcall was sent, until it lies ahead again.
    sent: Option<u32>,
}

impl Arm {
    /// To be called after positions below `written` were written, before anything else: whether an upcall is owed.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the armed word's high half is not zero.
    #[inline]
    pub fn owed<W: Words>(&mut self, guest: &W, armed: usize, written: u32) -> Result<bool, Error> {
        guest.fence(Site::WakeFence);
        let (armed, high) = unpack(guest.load(armed, Site::ArmedRead));
        if high != 0 {
            return Err(Error::Corrupt(Corrupt { reason: Reason::BAD_ARMED, position: written }));
        }
        // Positions are compared modulo 2^32: what is less than half the circle ahead is later.
        if is_before(written.wrapping_sub(1), armed) {
            // It lies ahead: reaching it will be news, even if it was reached a lap of the circle ago.
            if self.sent == Some(armed) {
                self.sent = None;
            }
            return Ok(false);
        }
        if self.sent == Some(armed) {
            return Ok(false);
        }
        self.sent = Some(armed);
        Ok(true)
    }
}

const HALF: u32 = 1 << 31;

/// Whether position `a` comes before `b`, modulo 2^32.
#[inline(always)]
const fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) >= HALF
}
