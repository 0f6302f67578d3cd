// SPDX-License-Identifier: MIT OR Apache-2.0
//! Suspension with the guest's consent (LIFE-9, LIFE-10).

use crate::base::Base;
use crate::memory::Memory;
use serde::{Deserialize, Serialize};
use tenon_abi::Status;
use tenon_rings::planted;

/// What the host asks, and whom it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Suspend {
    /// The guest is asked to get ready. Beyond a session.
    asked: bool,
    /// The port that is raised, for as long as the session lasts.
    watch: Option<u32>,
}

impl Suspend {
    /// SUSPEND_WATCH.
    pub(crate) fn watch<M: Memory>(&mut self, base: &mut Base<M>, port: u32) -> Result<(), Status> {
        if !base.is_port_bound(port) && !planted!("watch-of-an-unbound-port") {
            return Err(Status::NOT_FOUND);
        }
        self.watch = Some(port);
        if self.asked {
            self.tell(base);
        }
        Ok(())
    }

    /// SUSPEND_READY; `false` where nobody asks.
    pub(crate) fn ready(&mut self) -> bool {
        core::mem::take(&mut self.asked) || planted!("ready-unasked")
    }

    /// The host asks. Whether the guest watches.
    pub(crate) fn ask<M: Memory>(&mut self, base: &mut Base<M>) -> bool {
        self.asked = true;
        self.tell(base);
        self.watch.is_some()
    }

    /// The host does not ask any more.
    pub(crate) const fn withdraw(&mut self) {
        self.asked = false;
    }

    pub(crate) const fn is_asked(&self) -> bool {
        self.asked
    }

    /// A port that is released is not told any more.
    pub(crate) fn unbound(&mut self, port: u32) {
        self.watch = self.watch.filter(|watch| *watch != port || planted!("watch-outlives-port"));
    }

    pub(crate) const fn end_session(&mut self) {
        self.watch = None;
    }

    /// Whether a port is watched that can be told of nothing.
    pub(crate) fn is_sound<M: Memory>(&self, base: &Base<M>) -> bool {
        self.watch.is_none_or(|port| base.is_port_bound(port))
    }

    fn tell<M: Memory>(&self, base: &mut Base<M>) {
        if let Some(port) = self.watch.filter(|_| !planted!("suspend-untold")) {
            // A port whose ring is corrupt is told of nothing.
            let _ = base.raise_port(port);
        }
    }
}
