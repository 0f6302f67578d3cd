// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls and batches ([CALL-1] to [CALL-22]).
//!
//! [CALL-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
//! [CALL-22]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls

mod batch;
mod request;

pub use batch::Batch;
pub use request::Request;

use crate::conduit::Conduit;
use crate::error::{Error, into_value};
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use tenon_abi::vcpu::call_queue;
use tenon_abi::{Op, Status, Submission};
use tenon_rings::{Submitter, Ticket, planted};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// One call without payload: submits, kicks, waits. The result is the operation's value.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the host's status, or INDETERMINATE when the session ended meanwhile
    /// ([SES-7]); [`Error::Full`], [`Error::Busy`]; [`Error::Pending`] when the platform's patience ends,
    /// with the request given up; [`Error::Corrupt`].
    ///
    /// [SES-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    #[inline]
    pub fn call<const N: usize>(&self, op: Op, args: [u64; N]) -> Result<u64, Error> {
        let mut all = [0; 6];
        for (to, from) in all.iter_mut().zip(args) {
            *to = from;
        }
        self.call_with(Submission::new(op, all))
    }

    /// One call with whatever the submission says.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    // One body for all calls of a kernel: with its closure in it, and without a copy at each call.
    #[inline(never)]
    pub fn call_with(&self, submission: Submission) -> Result<u64, Error> {
        // Submit, kick and first look under one guard: the usual call ends here, and whatever is not usual is
        // kept out of its way.
        let mut other = None;
        let result = self.with_calls(|calls| {
            let begun = calls.begin(&submission)?;
            if calls.wants_kick() {
                self.platform.conduit().kick(call_queue(self.number));
            }
            match calls.end(begun) {
                Ok(outcome) => into_value(outcome),
                Err(unusual) => {
                    other = Some(calls.settle(unusual));
                    Err(Error::Pending)
                }
            }
        });
        match other {
            None => result,
            Some(Ok(Ok(outcome))) => into_value(outcome),
            Some(Ok(Err(ticket))) => self.wait(ticket),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Submits and kicks without waiting: for what completes late.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::Busy`], [`Error::Corrupt`].
    pub fn request(&self, submission: Submission) -> Result<Request<'_>, Error> {
        Request::new(self, submission)
    }

    pub(crate) fn submit(&self, submission: Submission) -> Result<Ticket, Error> {
        let (ticket, kick) = self.with_calls(|calls| Ok((calls.submit(submission)?, calls.wants_kick())))?;
        if kick {
            self.platform.conduit().kick(call_queue(self.number));
        }
        Ok(ticket)
    }

    /// The result of a ticket, which is taken when its request is over.
    pub(crate) fn poll(&self, place: &mut Option<Ticket>) -> Result<u64, Error> {
        let mut held = Some(place.take().ok_or_else(|| self.without_ticket())?);
        let result = self.with_calls(|calls| match held.take() {
            Some(ticket) => Ok(calls.poll(ticket)?),
            None => Err(Error::Busy),
        });
        match result {
            Ok(Ok(outcome)) => into_value(outcome),
            Ok(Err(ticket)) if self.is_over() => Err(self.give_up(ticket)),
            Ok(Err(ticket)) => {
                *place = Some(ticket);
                Err(Error::Pending)
            }
            Err(error) => {
                if !planted!("busy-poll-loses-ticket") {
                    *place = held;
                }
                Err(error)
            }
        }
    }

    /// Gives a ticket up. Where the queue is in use, or corrupt, its id stays out of use until reset: safe,
    /// and rare.
    pub(crate) fn abandon(&self, ticket: Ticket) {
        let _ = self.with_calls(|calls| {
            calls.abandon(ticket);
            Ok(())
        });
    }

    /// A batch: many submissions, one kick ([CALL-14]).
    ///
    /// [CALL-14]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    pub const fn batch<const N: usize>(&self) -> Batch<'_, '_, P, D, N> {
        Batch::new(self)
    }

    /// A call for each of `results`, with one kick for all ([CALL-14]): `make` makes each submission from its
    /// number.
    ///
    /// The queue is in hand and upcalls are kept away for the whole of it, `make` included. That makes it the
    /// cheapest way to many calls; a [`Batch`] asks for neither.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], with nothing submitted, where the queue has no room for all; [`Error::Busy`];
    /// [`Error::Pending`], [`Error::Corrupt`]: what was not taken by then is given up, its result
    /// [`Status::INDETERMINATE`].
    ///
    /// [CALL-14]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    #[inline]
    pub fn call_all(
        &self,
        results: &mut [Result<u64, Status>],
        make: impl FnMut(usize) -> Submission,
    ) -> Result<(), Error> {
        let mut looks = self.platform.patience();
        let relax = || {
            self.platform.relax();
            looks = looks.saturating_sub(1);
            looks > 0
        };
        let kick = || self.platform.conduit().kick(call_queue(self.number));
        self.with_calls(|calls| Ok(calls.exchange(results, make, kick, relax)?))
    }

    /// Requests whose results were not taken.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.with_calls(|calls| Ok(calls.in_flight())).unwrap_or(D)
    }

    /// Requests that were given up and are not completed: their ids, and their buffers, are out of use
    /// ([CALL-17]).
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], [`Error::Corrupt`].
    ///
    /// [CALL-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    pub fn quarantined(&self) -> Result<usize, Error> {
        self.with_calls(|calls| {
            for _ in 0..D {
                if !calls.reap()? {
                    break;
                }
            }
            Ok(calls.quarantined())
        })
    }

    /// What a request without a ticket is told: its result was taken, or went with a queue that is corrupt
    /// for good.
    #[cold]
    fn without_ticket(&self) -> Error {
        let told = self.with_calls(|calls| Ok(calls.corrupt()));
        told.map_or_else(|error| error, |corrupt| corrupt.map_or(Error::Pending, Error::Corrupt))
    }

    /// Runs with the queue in hand and upcalls kept away.
    #[inline]
    pub(crate) fn with_calls<T>(
        &self,
        run: impl FnOnce(&mut Submitter<tenon_rings::Mapping, D>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let token = self.platform.enter();
        if planted!("guard-left-early") {
            self.platform.leave(token);
        }
        let result = match self.calls.try_borrow_mut() {
            Ok(mut calls) => run(&mut calls),
            Err(_) if planted!("busy-passes-for-pending") => Err(Error::Pending),
            Err(_) => Err(Error::Busy),
        };
        if !planted!("guard-left-early") {
            self.platform.leave(token);
        }
        result
    }

    /// Of the calls that do not end within their kick: apart, so that the others do not pay for it.
    #[cold]
    fn wait(&self, mut ticket: Ticket) -> Result<u64, Error> {
        for _ in 0..self.platform.patience() {
            self.platform.relax();
            match self.with_calls(|calls| Ok(calls.poll(ticket)?))? {
                Ok(outcome) => return into_value(outcome),
                Err(back) => ticket = back,
            }
            if self.is_over() {
                break;
            }
        }
        Err(self.give_up(ticket))
    }

    /// Gives a ticket up. What is said of it: nobody knows, once its session is over ([SES-7], [CALL-18]);
    /// else it may still come.
    ///
    /// [SES-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    /// [CALL-18]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    #[cold]
    fn give_up(&self, ticket: Ticket) -> Error {
        let given = self.with_calls(|calls| {
            calls.abandon(ticket);
            Ok(())
        });
        match given {
            Err(error) => error,
            Ok(()) if self.is_over() => Error::Refused(Status::INDETERMINATE),
            Ok(()) => Error::Pending,
        }
    }
}
