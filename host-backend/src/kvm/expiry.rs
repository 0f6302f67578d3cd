// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clocks of a running machine, and the thread that expires its timers (TIME-13).

use std::string::ToString;

use super::CpuError;
use super::attachment::{Attachment, State};
use super::time::{Alarm, OLDEST, monotonic, utc as system_utc};
use crate::time::{Passed, Utc};
use tenon_abi::Clock;

/// Timers that expire before others of the machine have their turn (TIME-18).
const BUDGET: u32 = 64;

impl State {
    /// The domain's clocks run from now on. Before any vCPU does.
    pub(super) fn start_clocks(&mut self) {
        self.start_clocks_after(Passed::default());
    }

    /// The same, after this time has passed.
    pub(super) fn start_clocks_after(&mut self, passed: Passed) {
        let Some(timing) = &mut self.timing else { return };
        let now = timing.now();
        self.domain.start_clocks(now, passed);
        self.renew();
        self.arm();
    }

    /// They stand from now on. Whether they ran.
    pub(super) fn stop_clocks(&mut self) -> bool {
        let Some(timing) = &mut self.timing else { return false };
        let (now, ran) = (timing.now(), self.domain.clocks_run());
        self.domain.stop_clocks(now);
        ran
    }

    /// Tells the counter's relation and UTC anew.
    pub(super) fn renew(&mut self) {
        let Some(timing) = &mut self.timing else { return };
        let (now, relation) = timing.source.measure();
        self.domain.set_counter(now, relation);
        if timing.follows_utc {
            let at = timing.now();
            let mut known = system_utc(OLDEST);
            if let Some(known) = &mut known {
                // It was read behind `at`.
                let late = monotonic().saturating_sub(at.monotonic);
                known.error_ns = known.error_ns.saturating_add(late);
            }
            self.domain.set_utc(at, known);
        }
        timing.renewed(now.monotonic);
        self.domain.tell_all_stolen();
    }

    pub(super) fn set_utc(&mut self, utc: Option<Utc>) {
        let Some(timing) = &mut self.timing else { return };
        let now = timing.now();
        timing.follows_utc = false;
        self.domain.set_utc(now, utc);
    }

    pub(super) fn clock(&mut self, clock: Clock) -> Option<u64> {
        let now = self.timing.as_mut()?.now();
        self.domain.clock(clock, now)
    }

    /// Sets the alarm for what comes next.
    pub(super) fn arm(&mut self) {
        let due = self.domain.next_deadline().unwrap_or(u64::MAX);
        let Some(timing) = &mut self.timing else { return };
        let next = due.min(timing.renew);
        timing.alarm.set(next.saturating_sub(monotonic()));
    }

    /// What the alarm is for; whether there is more to do.
    fn tick(&mut self) -> bool {
        let Some(timing) = &mut self.timing else { return false };
        let now = timing.now();
        if now.monotonic >= timing.renew {
            self.renew();
        }
        let again = !tenon_rings::planted!("expiry-forgotten") && self.domain.expire(now, BUDGET).again;
        if !again {
            self.arm();
        }
        again
    }
}

/// Waits for the alarm until the machine has ended.
pub(super) fn expire(attachment: &Attachment, alarm: &Alarm) -> Result<(), CpuError> {
    loop {
        alarm.wait().map_err(|why| CpuError::Run(why.to_string()))?;
        if attachment.control().is_ending() {
            return Ok(());
        }
        while attachment.with(State::tick) {}
    }
}
