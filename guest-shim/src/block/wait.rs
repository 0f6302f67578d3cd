// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for a disk: by looking, or asleep until the queue's port is raised ([DEV-9]).
//!
//! [DEV-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices

use super::payload::Payload;
use super::{Block, Done, Token};
use crate::error::Error;
use crate::platform::Platform;
use tenon_rings::{Waiter, planted};

impl<P: Platform, T: Payload, const D: usize> Block<'_, P, T, D> {
    /// As [`Self::poll`], until the result is there or the platform's patience ends. What was pushed is
    /// kicked.
    ///
    /// # Errors
    ///
    /// As [`Self::poll`]. The request stays in flight with [`Error::Pending`].
    pub fn wait(&mut self, token: Token) -> Result<Done<T>, Error> {
        self.kick();
        for _ in 0..self.queue.platform.patience() {
            match self.poll(token) {
                Err(Error::Pending) => self.queue.platform.relax(),
                result => return result,
            }
        }
        Err(Error::Pending)
    }

    /// As [`Self::poll`], with looks and at most `sleeps` sleeps between them, as `waiter` has learnt them.
    /// `sleep` runs only when the host has been asked to raise the queue's port and nothing is there; it
    /// returns when the port was raised, or earlier. A sleeper that is woken by something else is no matter.
    ///
    /// # Errors
    ///
    /// As [`Self::poll`]. The request stays in flight with [`Error::Pending`].
    pub fn wait_asleep(
        &mut self,
        token: Token,
        waiter: &mut Waiter,
        sleeps: u32,
        sleep: impl FnMut(),
    ) -> Result<Done<T>, Error> {
        self.kick();
        let look = |this: &mut Self| match this.poll(token) {
            Err(Error::Pending) => None,
            result => Some(result),
        };
        // A queue that is corrupt is found so by the next look.
        let arm = |this: &mut Self| this.arm().unwrap_or(false);
        waiter.wait(self, sleeps, look, arm, sleep).unwrap_or(Err(Error::Pending))
    }

    /// Kicks what was pushed, and asks for the queue's port when the next completion is written ([CALL-16]).
    /// `true`: none is there, and no result waits to be taken: the CPU may halt.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], as no completion will be taken any more.
    ///
    /// [CALL-16]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    pub fn arm(&mut self) -> Result<bool, Error> {
        if !planted!("sleeps-without-kick") {
            self.kick();
        }
        if let Some(corrupt) = self.ring.corrupt() {
            return Err(Error::Corrupt(corrupt));
        }
        if planted!("device-queue-unarmed") {
            return Ok(!self.ring.is_ready());
        }
        // A session that has ended raises nothing any more.
        Ok(self.ring.arm() && !self.table.has_kept() && !self.is_over())
    }

    /// Asks for nothing until [`Self::arm`]: for a kernel that polls.
    pub fn disarm(&mut self) {
        self.ring.disarm();
    }
}
