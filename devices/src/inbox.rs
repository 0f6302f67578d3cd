// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a worker is told something.

use crate::Error;
use crate::event::Event;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

/// What was posted and not taken, and what wakes who takes it.
pub(crate) struct Inbox<T> {
    messages: Mutex<Vec<T>>,
    event: Event,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { messages: Mutex::new(Vec::new()), event: Event::new()? })
    }

    /// Readable while something may be there.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.event.fd()
    }

    pub(crate) fn post(&self, message: T) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        self.event.signal();
    }

    /// All that was posted, in its order. This is cheap while nothing was.
    pub(crate) fn take(&self) -> Vec<T> {
        if !self.event.take() {
            return Vec::new();
        }
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
