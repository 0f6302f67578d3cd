// SPDX-License-Identifier: MIT OR Apache-2.0
//! An interface that sends each frame back to its guest, on the pair that it came by: for tests of guests. It
//! treats headers as a switch does, and does not look at addresses.

use super::config::{PortConfig, PortCounts};
use super::link::Link;
use super::switch::{SwitchPort, Thread};
use std::fmt;
use std::sync::Arc;
use tenon_host::device::{Backend, Device, Opened, QueueName};
use tenon_rings::Words;

/// An interface that sends each frame back.
pub struct Echo<W>(SwitchPort<W>);

impl<W: Words + Send + 'static> Echo<W> {
    /// One with a thread of its own.
    ///
    /// # Errors
    ///
    /// [`crate::Error`] when the system has no thread or no eventfd for it.
    pub fn new(config: PortConfig) -> Result<Self, crate::Error> {
        Ok(Self(SwitchPort::new(Thread::start(true)?, 0, config)))
    }

    /// What a guest is told of it.
    #[must_use]
    pub fn device(&self) -> Device {
        self.0.device()
    }

    /// Its link.
    #[must_use]
    pub fn link(&self) -> Link {
        self.0.link()
    }

    /// What it has carried and dropped.
    #[must_use]
    pub fn counts(&self) -> Arc<PortCounts> {
        self.0.counts()
    }
}

impl<W: Words + Send + 'static> Backend<W> for Echo<W> {
    fn opened(&mut self, opened: Opened<W>) {
        self.0.opened(opened);
    }

    fn close(&mut self, queue: QueueName) {
        self.0.close(queue);
    }

    fn removed(&mut self) {
        self.0.removed();
    }
}

impl<W> fmt::Debug for Echo<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Echo").field(&self.0).finish()
    }
}
