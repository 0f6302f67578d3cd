// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder does with an interface while it runs: link up and down, read its counts.

use crate::block::{Change, Tell};
use std::fmt::{Debug, Formatter};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tenon_abi::NetInfo;
use tenon_host::device::words;
use zerocopy::IntoBytes;

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
    pub(crate) info: NetInfo,
    link: AtomicBool,
    tell: Mutex<Option<Tell>>,
    pub(crate) metrics: Metrics,
}

impl Shared {
    pub(crate) fn new(info: NetInfo) -> Self {
        Self { info, link: AtomicBool::new(true), tell: Mutex::new(None), metrics: Metrics::default() }
    }

    pub(crate) fn own(&self) -> [u64; 8] {
        let mut info = self.info;
        info.link.set(u32::from(self.is_up()));
        words(info.as_bytes())
    }

    pub(crate) fn is_up(&self) -> bool {
        self.link.load(Ordering::Acquire)
    }

    pub(crate) fn set_link(&self, up: bool) {
        if self.link.swap(up, Ordering::AcqRel) != up
            && let Some(tell) = self.tell.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
        {
            tell(Change::Own(self.own()));
        }
    }
}

/// What an embedder does with an interface while it runs. Copies are cheap.
#[derive(Clone)]
pub struct Control(pub(crate) Arc<Shared>);

impl Control {
    /// From now on changes are told in this way. What has changed until now is told at once.
    pub fn tell_by(&self, tell: impl Fn(Change) + Send + Sync + 'static) {
        let mut teller = self.0.tell.lock().unwrap_or_else(PoisonError::into_inner);
        tell(Change::Own(self.0.own()));
        *teller = Some(Box::new(tell));
    }

    /// Takes the link down, or up again (NET-2): while it is down, frames are dropped.
    pub fn set_link(&self, up: bool) {
        self.0.set_link(up);
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.is_up()
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
        f.debug_struct("Control").field("is_up", &self.is_up()).field("counts", &self.counts()).finish()
    }
}
