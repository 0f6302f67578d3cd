// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks and timers (TIME-1 to TIME-19). The core has no clock: what time it is, is an argument of each
//! entry that needs it, and when the next timer is due, is a result ([`crate::Domain::next_deadline`]).
//!
//! | module | what |
//! | --- | --- |
//! | `clocks` | RUNNING, BOOT and UTC, and the copy of the page that tells them |
//! | `timers` | at most one timer a port, by deadline |
//! | `told` | what an embedder tells, and is told |

mod clocks;
mod timers;
mod told;

pub(crate) use clocks::{COPY_WORDS, Clocks, SavedClocks};
pub(crate) use timers::{Timer, Timers};
pub use told::{Expired, Now, Passed, Relation, Utc};

use serde::{Deserialize, Serialize};
use tenon_abi::Clock;
use tenon_abi::time::NEVER;
use tenon_rings::planted;

/// Clocks and timers of a domain, and what the attachment was told of them.
#[derive(Debug, Default)]
pub(crate) struct Time {
    pub(crate) clocks: Clocks,
    pub(crate) timers: Timers,
    /// The deadline that the attachment knows.
    pub(crate) known: Option<u64>,
    /// The action that tells it to look waits.
    pub(crate) asked: bool,
}

/// The clocks and timers of a domain as they are saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedTime {
    clocks: SavedClocks,
    timers: alloc::vec::Vec<Timer>,
}

impl SavedTime {
    /// Whether the clocks stood.
    pub(crate) const fn stood(&self) -> bool {
        self.clocks.stood
    }

    pub(crate) const fn forget_disruptions(&mut self) {
        self.clocks.marker = 0;
    }
}

impl Time {
    pub(crate) fn save(&self) -> SavedTime {
        let mut timers = self.timers.save();
        if planted!("save-loses-timers") {
            timers.clear();
        }
        SavedTime { clocks: self.clocks.save(), timers }
    }

    /// `None` where one port has two timers, or one is of a clock that there is not.
    pub(crate) fn restore(saved: &SavedTime) -> Option<Self> {
        let timers = Timers::restore(&saved.timers)?;
        Some(Self { clocks: Clocks::restore(&saved.clocks), timers, known: None, asked: false })
    }

    /// The moment at which the attachment has to look at the timers, by the host's monotonic clock.
    pub(crate) fn due(&self) -> Option<u64> {
        if self.clocks.stand() {
            return None;
        }
        let last = self.clocks.last();
        let waits = Clocks::ALL.into_iter().filter_map(|clock| {
            let latest = self.timers.latest(clock)?;
            Some(latest.saturating_sub(self.clocks.read(clock, last)?))
        });
        Some(last.monotonic.saturating_add(waits.min()?))
    }

    pub(crate) fn is_due(&self, clock: Clock, deadline: u64, now: Now) -> bool {
        if deadline == NEVER {
            return planted!("end-of-time-comes");
        }
        let early = if planted!("timer-early") { 1_000_000 } else { 0 };
        self.clocks.read(clock, now).is_some_and(|ns| deadline <= ns.saturating_add(early))
    }
}
