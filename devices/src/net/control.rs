// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder does with an interface while it runs: link up and down, read its counts.

use super::link::Link;
use std::fmt::{Debug, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was counted of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that the port took from the guest.
    pub sent: u64,
    /// Frames that the guest's ring took.
    pub received: u64,
    /// Frames of the guest's that went nowhere: the link was down, or the port was gone.
    pub sent_dropped: u64,
    /// Frames for the guest that went nowhere: its ring had no room, or the link was down.
    pub received_dropped: u64,
    /// Records of the guest's that broke NET-4 to NET-7.
    pub bad: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) sent_dropped: AtomicU64,
    pub(crate) received_dropped: AtomicU64,
    pub(crate) bad: AtomicU64,
}

/// One more.
pub(crate) fn count(what: &AtomicU64) {
    // One thread counts.
    what.store(what.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// What the worker of an interface and its embedder share.
pub(crate) struct Shared {
    pub(crate) link: Link,
    pub(crate) metrics: Metrics,
}

/// What an embedder does with an interface while it runs. Copies are cheap.
#[derive(Clone)]
pub struct Control(pub(crate) Arc<Shared>);

impl Control {
    /// Its link: up or down, and who is told of it.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.0.link
    }

    /// What was counted until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Metrics { sent, received, sent_dropped, received_dropped, bad } = &self.0.metrics;
        let [sent, received, sent_dropped, received_dropped, bad] =
            [sent, received, sent_dropped, received_dropped, bad].map(|count| count.load(Ordering::Relaxed));
        Counts { sent, received, sent_dropped, received_dropped, bad }
    }
}

impl Debug for Control {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("link", &self.0.link).field("counts", &self.counts()).finish()
    }
}
