// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a disk's queue, and going on after it ([DEV-11], [SES-9], [CALL-18]).
//!
//! Every request of a disk is replay-safe. So what a host did not answer before its session ended is
//! submitted to its successor, and each request has one result.
//!
//! [DEV-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
//! [SES-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
//! [CALL-18]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls

use super::done::Cancelling;
use super::payload::Payload;
use super::{Block, ring};
use crate::calls::Calls;
use crate::device::Device;
use crate::error::Error;
use crate::memory::Pages;
use crate::platform::Platform;
use tenon_abi::Status;
use tenon_rings::planted;

impl<'p, P: Platform, T: Payload, const D: usize> Block<'p, P, T, D> {
    /// Closes the queue ([DEV-11]). Results stay to be taken. What the host has not answered by then, as it
    /// should have, or what cannot be taken because the queue is corrupt, is for [`Self::reopen`] or
    /// [`Self::finish`].
    ///
    /// # Errors
    ///
    /// [`Error::Pending`] while the host has not closed it: call this again; as [`crate::Vcpu::call`].
    ///
    /// [DEV-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    pub fn close(&mut self, calls: &dyn Calls) -> Result<(), Error> {
        self.queue.close(calls)?;
        self.settle();
        Ok(())
    }

    /// The host touches nothing any more: takes what it has answered.
    fn settle(&mut self) {
        if !planted!("last-answers-left") {
            // Corrupt: what is there cannot be told from what is not.
            let _ = self.take_all();
        }
        self.table.settle();
    }

    /// Opens the queue again in its own memory, and submits whatever has no result yet. The result is how
    /// many requests these are. Tokens stay what they are.
    ///
    /// It is for the time after the session has ended, with a device that was opened in the next one; and
    /// for a queue that was found corrupt and then closed.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with BAD_STATE while the host may still touch the queue; as [`Device::block`].
    /// The requests stay as they are. After [`Error::Pending`], [`Self::close`] comes before the next try.
    pub fn reopen(&mut self, device: &Device<'p, P>, calls: &dyn Calls) -> Result<usize, Error> {
        if !self.queue.is_settled() {
            return Err(Error::Refused(Status::BAD_STATE));
        }
        self.settle();
        self.queue.reopen(device, calls)?;
        self.ring = ring(&self.queue)?;
        (self.cancelling, self.unkicked) = (Cancelling::No, false);
        let mut count = 0usize;
        let mut places = self.table.unanswered();
        while let Some(place) = places.take_any() {
            let compiled = self.table.io(place).map(super::Io::compile);
            // It was compiled before, and there are as many ids as there were.
            let Some(Ok((submission, _))) = compiled else { continue };
            let ticket = self.ring.submit(submission)?;
            self.table.renew(place, ticket.id());
            self.unkicked = true;
            count = count.wrapping_add(1);
        }
        self.kick();
        Ok(count)
    }

    /// Instead of [`Self::reopen`]: whatever has no result ends with this status. The result is how many
    /// requests these are: none while the host may still touch the queue.
    pub fn finish(&mut self, status: Status) -> usize {
        if !self.queue.is_settled() {
            return 0;
        }
        self.settle();
        self.table.finish(status)
    }

    /// The pages of the queue's parts, once it is closed or its session has ended, and every result was
    /// taken.
    ///
    /// # Errors
    ///
    /// The queue itself before that.
    #[allow(clippy::result_large_err, reason = "the queue comes back, and there is no allocator to box it")]
    pub fn release(mut self) -> Result<Pages, Self> {
        if !self.queue.is_settled() {
            return Err(self);
        }
        self.settle();
        if !self.table.is_empty() {
            return Err(self);
        }
        self.queue.take_pages().ok_or(self)
    }
}

impl<P, T, const D: usize> Drop for Block<'_, P, T, D> {
    fn drop(&mut self) {
        if !self.queue.is_settled() {
            self.table.forget();
        }
    }
}
