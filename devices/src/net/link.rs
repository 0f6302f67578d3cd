// SPDX-License-Identifier: MIT OR Apache-2.0
//! The link of an interface, up or down, and who is told of it (NET-2).

use crate::block::{Change, Tell};
use std::fmt::{Debug, Formatter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tenon_abi::NetInfo;
use tenon_host::device::words;
use tenon_rings::planted;
use zerocopy::IntoBytes;

/// The link of an interface. Copies are cheap, and are the same link.
#[derive(Clone)]
pub struct Link(Arc<State>);

struct State {
    info: NetInfo,
    up: AtomicBool,
    tell: Mutex<Option<Tell>>,
}

impl Link {
    /// One that is up.
    pub(super) fn new(info: NetInfo) -> Self {
        Self(Arc::new(State { info, up: AtomicBool::new(true), tell: Mutex::new(None) }))
    }

    /// What the interface is, the link aside.
    pub(super) fn info(&self) -> &NetInfo {
        &self.0.info
    }

    /// What a guest is told of the interface now.
    pub(super) fn own(&self) -> [u64; 8] {
        let mut info = self.0.info;
        info.link.set(u32::from(self.is_up()));
        words(info.as_bytes())
    }

    /// From now on changes are told in this way. What has changed until now is told at once.
    pub fn tell_by(&self, tell: impl Fn(Change) + Send + Sync + 'static) {
        let mut teller = self.0.tell.lock().unwrap_or_else(PoisonError::into_inner);
        tell(Change::Own(self.own()));
        *teller = Some(Box::new(tell));
    }

    /// Takes the link down, or up again: while it is down, frames are dropped in both directions. One that
    /// is so already stays, and nobody is told.
    pub fn set(&self, up: bool) {
        if self.0.up.swap(up, Ordering::AcqRel) != up
            && let Some(tell) = self.0.tell.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && !planted!("link-not-told")
        {
            tell(Change::Own(self.own()));
        }
    }

    /// Whether it is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.up.load(Ordering::Acquire)
    }
}

impl Debug for Link {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("is_up", &self.is_up()).finish_non_exhaustive()
    }
}
