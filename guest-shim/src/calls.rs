// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a family reaches the host, whatever the kernel's platform and the depth of its queue are.
//!
//! [`Vcpu`] is the ready implementation. A kernel writes one of its own to put a lock around a vCPU, or to
//! test its drivers without a host.

use crate::error::Error;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use tenon_abi::Submission;
use tenon_rings::Ticket;

/// Calls of one vCPU: what [`crate::console::Console`] and the other families are made of.
pub trait Calls {
    /// One call: submits, kicks, waits. The result is the operation's value.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`].
    fn call_with(&self, submission: Submission) -> Result<u64, Error>;

    /// Submits and kicks without waiting.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::Busy`], [`Error::Corrupt`].
    fn submit(&self, submission: Submission) -> Result<Ticket, Error>;

    /// The result of what was submitted, if it is there. The ticket is taken once the request is over, and
    /// stays while it is in flight.
    ///
    /// # Errors
    ///
    /// As [`crate::Request::poll`].
    fn poll(&self, ticket: &mut Option<Ticket>) -> Result<u64, Error>;

    /// As [`Self::poll`], until the result is there or the kernel's patience ends.
    ///
    /// # Errors
    ///
    /// As [`crate::Request::poll`].
    fn wait(&self, ticket: &mut Option<Ticket>) -> Result<u64, Error>;

    /// Gives a request up: its id stays out of use until the host completes it ([CALL-17]).
    ///
    /// [CALL-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    fn give_up(&self, ticket: Ticket);

    /// One call on the emergency lane ([CALL-23]).
    ///
    /// # Errors
    ///
    /// As [`Vcpu::emergency`].
    ///
    /// [CALL-23]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    fn emergency(&self, submission: Submission) -> Result<u64, Error>;

    /// One call on the emergency lane that has no completion if it succeeds: waits only long enough to hear a
    /// refusal ([LIFE-2]).
    ///
    /// The answer is that of [`Vcpu::emergency`], or [`Error::Pending`] if none came, as it should be.
    ///
    /// [LIFE-2]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
    fn end(&self, submission: Submission) -> Error;
}

impl<P: Platform, const D: usize> Calls for Vcpu<'_, P, D> {
    fn call_with(&self, submission: Submission) -> Result<u64, Error> {
        self.call_with(submission)
    }

    fn submit(&self, submission: Submission) -> Result<Ticket, Error> {
        self.submit(submission)
    }

    fn poll(&self, ticket: &mut Option<Ticket>) -> Result<u64, Error> {
        self.poll(ticket)
    }

    fn wait(&self, ticket: &mut Option<Ticket>) -> Result<u64, Error> {
        for _ in 0..self.platform.patience() {
            match self.poll(ticket) {
                Err(Error::Pending) if ticket.is_some() => self.platform.relax(),
                result => return result,
            }
        }
        Err(Error::Pending)
    }

    fn give_up(&self, ticket: Ticket) {
        self.abandon(ticket);
    }

    fn emergency(&self, submission: Submission) -> Result<u64, Error> {
        self.emergency(submission)
    }

    fn end(&self, submission: Submission) -> Error {
        let patience = self.platform.patience();
        let looks = patience.min(LAST_LOOKS.max(patience / LAST_SHARE));
        self.emergency_within(submission, looks).err().unwrap_or(Error::Pending)
    }
}

/// After an operation that has no completion, a waiter looks this share of the platform's patience, and at
/// least so often: a refusal comes at once or not at all.
const LAST_SHARE: u32 = 100;
const LAST_LOOKS: u32 = 1000;
