// SPDX-License-Identifier: MIT OR Apache-2.0
//! Back ends as attachments see them: what they get with a queue, and what they are told.

use super::{End, QueueName};
use std::boxed::Box;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A device's back end. An attachment calls it with its domain's lock held: it must not block, nor enter the
/// domain, and hands what it gets to threads of its own.
pub trait Backend<W>: Send {
    /// A queue was opened, or goes on. The back end looks at it once now, because a kick may have come
    /// before.
    ///
    /// After a restore the queues of a network interface come when the generation is repaired, and not before
    /// (NET-11): a back end has nothing to hold back by itself.
    fn opened(&mut self, queue: Opened<W>);

    /// A queue is to be closed: fetch nothing more, end what is in flight, and give the end home. What was
    /// not completed by then ends as INDETERMINATE (DEV-11).
    fn close(&mut self, queue: QueueName);

    /// The domain is to be saved: as [`Self::close`], but the queue goes on from where it stands.
    fn recall(&mut self, queue: QueueName) {
        self.close(queue);
    }

    /// The device was taken away: what is in flight, and what comes, answers REMOVED (DEV-13).
    fn removed(&mut self) {}

    /// Which frames a network interface's guest wants: bits of [`tenon_abi::net::FilterMode`], and addresses
    /// (NET-9).
    fn filter(&mut self, mode: u64, addresses: &[[u8; 6]]) {
        let _ = (mode, addresses);
    }
}

/// A queue that was opened.
pub struct Opened<W> {
    /// Its end.
    pub end: End<W>,
    /// An eventfd, not blocking, that is written when the guest kicks the queue.
    pub kick: Arc<OwnedFd>,
    /// Raises the queue's port.
    pub bell: Bell,
    /// Takes the end back.
    pub home: Home<W>,
}

impl<W> fmt::Debug for Opened<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("end", &self.end).field("kick", &self.kick).finish_non_exhaustive()
    }
}

/// Raises the port of a queue, whichever it is then. It is rung once for each wake, not for each request: it
/// may wait for the domain's lock.
#[derive(Clone)]
pub struct Bell(Arc<dyn Fn() + Send + Sync>);

impl Bell {
    /// A bell that does this.
    #[must_use]
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(ring))
    }

    /// Rings it.
    pub fn ring(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bell")
    }
}

/// Takes an end back, from any thread. An end that is dropped with its back end never comes home, and what
/// waits for it waits for ever.
pub struct Home<W>(Box<dyn FnOnce(End<W>) + Send>);

impl<W> Home<W> {
    /// A way home.
    #[must_use]
    pub fn new(take: impl FnOnce(End<W>) + Send + 'static) -> Self {
        Self(Box::new(take))
    }

    /// Gives the end back.
    pub fn give(self, end: End<W>) {
        (self.0)(end);
    }
}

impl<W> fmt::Debug for Home<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Home")
    }
}
