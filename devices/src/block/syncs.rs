// SPDX-License-Identifier: MIT OR Apache-2.0
//! Write-backs (BLK-6): one at a time, and each serves all that asked before it began.
//!
//! One at a time, because a kernel reports a failed write-back once. Were two under way, the one that is told
//! nothing could be answered before the other's failure is known.

use super::job::Key;

/// A request that waits for a write-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) key: Key,
    /// Its value, once the write-back is done.
    pub(crate) value: u64,
    /// It has done more than to wait: it cannot be cancelled.
    pub(crate) has_begun: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Syncs {
    is_running: bool,
    /// Whom the running one serves.
    served: Vec<Owed>,
    /// Whom the next one serves.
    wanted: Vec<Owed>,
}

impl Syncs {
    pub(crate) fn want(&mut self, owed: Owed) {
        // Planted: what runs already has not seen the writes that completed since it began.
        if self.is_running && tenon_rings::planted!("flush-joins-one-that-runs") {
            self.served.push(owed);
            return;
        }
        self.wanted.push(owed);
    }

    /// Whether the next one is to begin.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.is_running && !self.wanted.is_empty()
    }

    pub(crate) fn take_wanted(&mut self) -> Vec<Owed> {
        std::mem::take(&mut self.wanted)
    }

    pub(crate) fn begin(&mut self) {
        self.is_running = true;
        self.served = std::mem::take(&mut self.wanted);
    }

    /// It is over: whom it served.
    pub(crate) fn end(&mut self) -> Vec<Owed> {
        self.is_running = false;
        std::mem::take(&mut self.served)
    }

    /// Forgets a FLUSH that no write-back serves yet.
    pub(crate) fn cancel(&mut self, key: Key) -> bool {
        let found = self.wanted.iter().position(|owed| owed.key == key && !owed.has_begun);
        found.map(|at| self.wanted.remove(at)).is_some()
    }
}
