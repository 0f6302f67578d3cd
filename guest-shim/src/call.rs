// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls and batches (CALL-1 to CALL-22).

use crate::conduit::Conduit;
use crate::error::Error;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use tenon_abi::vcpu::call_queue;
use tenon_abi::{Op, Status, Submission};
use tenon_rings::call::Outcome;
use tenon_rings::{Submitter, Ticket, Words};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// One call without payload: submits, kicks, waits. The result is the operation's value.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the host's status, or INDETERMINATE when the session ended meanwhile (SES-7);
    /// [`Error::Full`], [`Error::Busy`]; [`Error::Pending`] when the platform's patience ends, with the
    /// request given up; [`Error::Corrupt`].
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
    #[inline]
    pub fn call_with(&self, submission: Submission) -> Result<u64, Error> {
        // Submit, kick and first look under one guard: the usual call ends here.
        let mut waiting = None;
        let result = self.with_calls(|calls| {
            match calls.call(submission, || self.platform.conduit().kick(call_queue(self.number)))? {
                Ok(outcome) => into_value(outcome),
                Err(ticket) => {
                    waiting = Some(ticket);
                    Err(Error::Pending)
                }
            }
        });
        match waiting {
            None => result,
            Some(ticket) => self.wait(ticket),
        }
    }

    /// Submits and kicks without waiting: for what completes late.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::Busy`], [`Error::Corrupt`].
    pub fn request(&self, submission: Submission) -> Result<Request<'_, '_, P, D>, Error> {
        let (ticket, kick) = self.with_calls(|calls| Ok((calls.submit(submission)?, calls.wants_kick())))?;
        let request = Request { vcpu: self, ticket: Some(ticket) };
        if kick {
            self.platform.conduit().kick(call_queue(self.number));
        }
        Ok(request)
    }

    /// A batch: many submissions, one kick (CALL-14).
    pub const fn batch<const N: usize>(&self) -> Batch<'_, '_, P, D, N> {
        Batch { vcpu: self, tickets: [const { None }; N], len: 0 }
    }

    /// A call for each of `results`, with one kick for all (CALL-14): `make` makes each submission from its
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
    /// (CALL-17).
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], [`Error::Corrupt`].
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
        let result = match self.calls.try_borrow_mut() {
            Ok(mut calls) => run(&mut calls),
            Err(_) => Err(Error::Busy),
        };
        self.platform.leave(token);
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
                return Err(self.give_up(ticket));
            }
        }
        Err(self.give_up(ticket))
    }

    /// Gives a ticket up. What is said of it: nobody knows, once its session is over (SES-7, CALL-18); else
    /// it may still come.
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

/// A request in flight. Dropped, it is given up: its id stays out of use until the host completes it
/// (CALL-17).
#[derive(Debug)]
#[must_use = "a request that is dropped is given up"]
pub struct Request<'v, 'p, P: Platform, const D: usize> {
    vcpu: &'v Vcpu<'p, P, D>,
    ticket: Option<Ticket>,
}

impl<P: Platform, const D: usize> Request<'_, '_, P, D> {
    /// The result, if it is there.
    ///
    /// # Errors
    ///
    /// [`Error::Pending`] while it is not; [`Error::Refused`], with INDETERMINATE once when the session has
    /// ended (SES-7); [`Error::Busy`], [`Error::Corrupt`].
    pub fn poll(&mut self) -> Result<u64, Error> {
        let Some(ticket) = self.ticket.take() else { return Err(self.vcpu.without_ticket()) };
        let mut held = Some(ticket);
        let result = self.vcpu.with_calls(|calls| match held.take() {
            Some(ticket) => Ok(calls.poll(ticket)?),
            None => Err(Error::Busy),
        });
        match result {
            Ok(Ok(outcome)) => into_value(outcome),
            Ok(Err(ticket)) if self.vcpu.is_over() => Err(self.vcpu.give_up(ticket)),
            Ok(Err(ticket)) => {
                self.ticket = Some(ticket);
                Err(Error::Pending)
            }
            Err(error) => {
                self.ticket = held;
                Err(error)
            }
        }
    }

    /// Waits as long as the platform's patience lasts. The request stays in flight when that ends.
    ///
    /// # Errors
    ///
    /// As [`Self::poll`].
    pub fn wait(&mut self) -> Result<u64, Error> {
        for _ in 0..self.vcpu.platform.patience() {
            match self.poll() {
                Err(Error::Pending) if self.ticket.is_some() => self.vcpu.platform.relax(),
                result => return result,
            }
        }
        Err(Error::Pending)
    }

    /// The id on the wire, while in flight: what CANCEL takes.
    #[must_use]
    pub fn id(&self) -> Option<u16> {
        self.ticket.as_ref().map(Ticket::id)
    }

    /// Asks the host to cancel; whether it could. The request then ends with CANCELLED (CALL-22).
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`].
    pub fn cancel(&self) -> Result<bool, Error> {
        match self.id() {
            Some(id) => self.vcpu.call(Op::CANCEL, [u64::from(id)]).map(|value| value == 1),
            None => Ok(false),
        }
    }
}

impl<P: Platform, const D: usize> Drop for Request<'_, '_, P, D> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut held = Some(ticket);
            // Where the queue is in use, or corrupt, the id stays out of use until reset: safe, and rare.
            let _ = self.vcpu.with_calls(|calls| {
                if let Some(ticket) = held.take() {
                    calls.abandon(ticket);
                }
                Ok(())
            });
        }
    }
}

/// Submissions that are kicked together. `N` is the most that it holds.
#[derive(Debug)]
pub struct Batch<'v, 'p, P: Platform, const D: usize, const N: usize> {
    vcpu: &'v Vcpu<'p, P, D>,
    tickets: [Option<Ticket>; N],
    len: usize,
}

impl<P: Platform, const D: usize, const N: usize> Batch<'_, '_, P, D, N> {
    /// Adds a submission: published at once, without a kick.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] when the batch or the queue is; [`Error::Busy`], [`Error::Corrupt`].
    #[inline]
    pub fn push(&mut self, submission: Submission) -> Result<(), Error> {
        let place = self.tickets.get_mut(self.len).ok_or(Error::Full)?;
        *place = Some(self.vcpu.with_calls(|calls| Ok(calls.submit(submission)?))?);
        self.len = self.len.wrapping_add(1);
        Ok(())
    }

    /// Kicks once and waits for all results, in the order of submission.
    ///
    /// # Errors
    ///
    /// [`Error::Pending`], [`Error::Busy`], [`Error::Corrupt`]: what was not taken by then is given up.
    #[inline]
    pub fn commit(mut self) -> Result<[Result<u64, Status>; N], Error> {
        let mut results = [Err(Status::INDETERMINATE); N];
        let vcpu = self.vcpu;
        vcpu.with_calls(|calls| {
            if calls.wants_kick() {
                vcpu.platform.conduit().kick(call_queue(vcpu.number));
            }
            collect(vcpu.platform, calls, &mut self.tickets, &mut results)
        })?;
        Ok(results)
    }
}

impl<P: Platform, const D: usize, const N: usize> Drop for Batch<'_, '_, P, D, N> {
    fn drop(&mut self) {
        for ticket in self.tickets.iter_mut().filter_map(Option::take) {
            drop(Request { vcpu: self.vcpu, ticket: Some(ticket) });
        }
    }
}

fn collect<P: Platform, W: Words, const D: usize>(
    platform: &P,
    calls: &mut Submitter<W, D>,
    tickets: &mut [Option<Ticket>],
    results: &mut [Result<u64, Status>],
) -> Result<(), Error> {
    for (place, result) in tickets.iter_mut().zip(results) {
        let Some(ticket) = place.take() else { continue };
        *result = match wait(platform, calls, ticket) {
            Ok(value) => Ok(value),
            Err(Error::Refused(status)) => Err(status),
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

/// Waits with the queue in hand; a request that is not answered is given up.
#[inline]
fn wait<P: Platform, W: Words, const D: usize>(
    platform: &P,
    calls: &mut Submitter<W, D>,
    mut ticket: Ticket,
) -> Result<u64, Error> {
    for _ in 0..platform.patience() {
        match calls.poll(ticket)? {
            Ok(outcome) => return into_value(outcome),
            Err(back) => ticket = back,
        }
        platform.relax();
    }
    calls.abandon(ticket);
    Err(Error::Pending)
}

#[inline]
pub(crate) fn into_value(outcome: Outcome) -> Result<u64, Error> {
    match outcome.status {
        Status::OK => Ok(outcome.value),
        status => Err(Error::Refused(status)),
    }
}
