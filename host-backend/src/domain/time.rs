// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder tells of time, and what it asks (TIME-7 to TIME-9, TIME-13, TIME-18). With a page, each
//! of these writes it.

use crate::domain::Domain;
use crate::memory::Memory;
use crate::time::{Expired, Now, Passed, Relation, Utc};
use tenon_abi::Clock;
use tenon_abi::time::TimeFlags;

impl<M: Memory> Domain<M> {
    /// The domain runs from now on. The clocks of a new domain and of a restored one stand: this comes before
    /// any vCPU runs, and [`Self::set_counter`] with it.
    pub fn start_clocks(&mut self, now: Now, passed: Passed) {
        self.base.time.clocks.start(now, passed);
        self.clocks_changed();
    }

    /// Whether they were started and not stopped.
    #[must_use]
    pub const fn clocks_run(&self) -> bool {
        !self.base.time.clocks.stand()
    }

    /// The domain does not run any more: no vCPU does. A state is saved behind this
    /// ([`Self::save`]), so that no guest has read a later time than it holds.
    pub fn stop_clocks(&mut self, now: Now) {
        self.base.time.clocks.stop(now);
    }

    /// The counter that the guest has in common with its host, or none any more. Told again, it corrects what
    /// the page makes of the counter: the clocks go ahead to the host's, and never back. `now` needs a
    /// counter.
    pub fn set_counter(&mut self, now: Now, relation: Option<Relation>) {
        self.base.time.clocks.set_counter(now, relation);
        self.clocks_changed();
    }

    /// UTC is this at `now`, or is not known any more. One that differs from what was known by more than the
    /// errors of both is a step: a disruption of the clock (TIME-9).
    pub fn set_utc(&mut self, now: Now, utc: Option<Utc>) {
        self.base.time.clocks.set_utc(now, utc);
        self.clocks_changed();
    }

    /// Whether a disruption is expected: those of the two flags that say so (TIME-9).
    pub fn expect_disruption(&mut self, flags: TimeFlags) {
        self.base.time.clocks.set_flags(flags);
        self.base.write_time();
    }

    /// Expires timers whose deadline is reached, at most `budget` of them. Whoever looked at the deadline
    /// does not look again, until the action says so.
    pub fn expire(&mut self, now: Now, budget: u32) -> Expired {
        if self.base.ended {
            return Expired { timers: 0, again: false };
        }
        self.base.expire(now, budget)
    }

    /// When to call [`Self::expire`] next, by [`Now::monotonic`]; `None`: there is no timer that will be due.
    /// An attachment asks when [`crate::TimeAction::Deadline`] says so; it may ask more often.
    pub fn next_deadline(&mut self) -> Option<u64> {
        self.base.next_deadline()
    }

    /// What a clock says; `None` if it is not known (TIME-2).
    #[must_use]
    pub fn clock(&self, clock: Clock, now: Now) -> Option<u64> {
        self.base.time.clocks.read(clock, now)
    }

    fn clocks_changed(&mut self) {
        self.base.write_time();
        self.base.look_sooner();
    }
}
