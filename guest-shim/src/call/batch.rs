// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many submissions, one kick ([CALL-14]).
//!
//! [CALL-14]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls

use crate::conduit::Conduit;
use crate::error::{Error, into_value};
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::vcpu::call_queue;
use tenon_abi::{Status, Submission};
use tenon_rings::{Submitter, Ticket, Words};

/// Submissions that are kicked together. `N` is the most that it holds.
pub struct Batch<'v, 'p, P: Platform, const D: usize, const N: usize> {
    vcpu: &'v Vcpu<'p, P, D>,
    tickets: [Option<Ticket>; N],
    len: usize,
}

impl<'v, 'p, P: Platform, const D: usize, const N: usize> Batch<'v, 'p, P, D, N> {
    pub(super) const fn new(vcpu: &'v Vcpu<'p, P, D>) -> Self {
        Self { vcpu, tickets: [const { None }; N], len: 0 }
    }

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

impl<P: Platform, const D: usize, const N: usize> fmt::Debug for Batch<'_, '_, P, D, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<P: Platform, const D: usize, const N: usize> Drop for Batch<'_, '_, P, D, N> {
    fn drop(&mut self) {
        for ticket in self.tickets.iter_mut().filter_map(Option::take) {
            self.vcpu.abandon(ticket);
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
