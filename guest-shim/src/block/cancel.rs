// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cancelling a request ([BLK-10], [CALL-22]). One id of the queue is kept for it.
//!
//! [BLK-10]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
//! [CALL-22]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls

use super::done::Cancelling;
use super::payload::Payload;
use super::{Block, Token};
use crate::error::{Error, into_value};
use crate::platform::Platform;
use tenon_abi::{Op, Status, Submission};

impl<P: Platform, T: Payload, const D: usize> Block<'_, P, T, D> {
    /// Asks the host to cancel a request, and waits for the answer: whether it could. The request then ends
    /// with CANCELLED, and its result is taken as any other.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with NOT_FOUND if the host does not have the request; [`Error::Pending`] if it does
    /// not answer; [`Error::Full`] while an earlier CANCEL is not answered, and for a queue of depth 1;
    /// [`Error::Corrupt`].
    pub fn cancel(&mut self, token: Token) -> Result<bool, Error> {
        self.take_all()?;
        let id = self.table.id(token).ok_or(Error::Refused(Status::NOT_FOUND))?;
        if let Cancelling::Asked = self.cancelling {
            return Err(Error::Full);
        }
        let ticket = self.ring.submit(Submission::new(Op::CANCEL, [u64::from(id), 0, 0, 0, 0, 0]))?;
        self.table.enter_cancel(ticket.id());
        (self.cancelling, self.unkicked) = (Cancelling::Asked, true);
        self.kick();
        for _ in 0..self.queue.platform.patience() {
            self.take_all()?;
            if let Cancelling::Answered(outcome) = self.cancelling {
                self.cancelling = Cancelling::No;
                return into_value(outcome).map(|value| value == 1);
            }
            if self.is_over() {
                break;
            }
            self.queue.platform.relax();
        }
        Err(Error::Pending)
    }
}
