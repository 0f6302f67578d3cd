// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests that complete late ([CALL-17]).
//!
//! [CALL-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls

use crate::calls::Calls;
use crate::error::Error;
use core::fmt;
use tenon_abi::{Op, Submission};
use tenon_rings::Ticket;

/// A request in flight. Dropped, it is given up: its id stays out of use until the host completes it
/// ([CALL-17]).
///
/// [CALL-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
#[must_use = "a request that is dropped is given up"]
pub struct Request<'v> {
    calls: &'v dyn Calls,
    ticket: Option<Ticket>,
}

impl<'v> Request<'v> {
    pub(crate) fn new(calls: &'v dyn Calls, submission: Submission) -> Result<Self, Error> {
        let ticket = Some(calls.submit(submission)?);
        Ok(Self { calls, ticket })
    }

    /// The result, if it is there.
    ///
    /// # Errors
    ///
    /// [`Error::Pending`] while it is not; [`Error::Refused`], with INDETERMINATE once when the session has
    /// ended ([SES-7]); [`Error::Busy`], [`Error::Corrupt`].
    ///
    /// [SES-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    pub fn poll(&mut self) -> Result<u64, Error> {
        self.calls.poll(&mut self.ticket)
    }

    /// Waits as long as the platform's patience lasts. The request stays in flight when that ends.
    ///
    /// # Errors
    ///
    /// As [`Self::poll`].
    pub fn wait(&mut self) -> Result<u64, Error> {
        self.calls.wait(&mut self.ticket)
    }

    /// The id on the wire, while in flight: what CANCEL takes.
    #[must_use]
    pub fn id(&self) -> Option<u16> {
        self.ticket.as_ref().map(Ticket::id)
    }

    /// Asks the host to cancel; whether it could. The request then ends with CANCELLED ([CALL-22]).
    ///
    /// # Errors
    ///
    /// As [`crate::Vcpu::call`].
    ///
    /// [CALL-22]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    pub fn cancel(&self) -> Result<bool, Error> {
        let Some(id) = self.id() else { return Ok(false) };
        let cancel = Submission::new(Op::CANCEL, [u64::from(id), 0, 0, 0, 0, 0]);
        self.calls.call_with(cancel).map(|value| value == 1)
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.calls.give_up(ticket);
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
