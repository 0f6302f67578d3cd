// SPDX-License-Identifier: MIT OR Apache-2.0
//! The operations of clocks and timers, and expiry (TIME-2, TIME-10 to TIME-18).

use crate::action::TimeAction;
use crate::base::Base;
use crate::counted::add;
use crate::memory::Memory;
use crate::request::{Call, Done};
use crate::time::{Clocks, Expired, Now, Timer};
use tenon_abi::{Clock, Op, Status};
use tenon_rings::planted;

impl<M: Memory> Base<M> {
    /// The operations of time, which are told what time it is.
    pub(crate) fn time(&mut self, call: &Call<'_>, now: Option<Now>) -> Result<Done, Status> {
        let now = now.filter(|_| !planted!("time-unasked")).unwrap_or_else(|| self.time.clocks.last());
        match call.op {
            Op::CLOCK_READ => self.clock_read(call, now),
            Op::TIMER_SET => self.timer_set(call, now),
            _ => self.timer_cancel(call),
        }
    }

    fn clock_read(&mut self, call: &Call<'_>, now: Now) -> Result<Done, Status> {
        let clock = clock_of(call.first())?;
        self.time.clocks.tell(now);
        let ns = self.time.clocks.read(clock, now).ok_or(Status::BAD_STATE)?;
        let ns = if planted!("clock-by-call-behind") { ns.saturating_sub(50_000_000) } else { ns };
        Ok(Done::Value(ns))
    }

    fn timer_set(&mut self, call: &Call<'_>, now: Now) -> Result<Done, Status> {
        let [port, ..] = call.numbers();
        let [_, clock, deadline, slack, ..] = call.arguments.words;
        let clock = clock_of(clock)?;
        self.bound(port)?;
        self.time.clocks.tell(now);
        self.time.clocks.read(clock, now).ok_or(Status::BAD_STATE)?;
        let deadline = if planted!("slack-is-early") { deadline.saturating_sub(slack) } else { deadline };
        if self.time.timers.remove(port).is_some_and(|old| {
            planted!("timer-not-replaced") && {
                self.time.timers.set(old);
                true
            }
        }) {
            return Ok(Done::Value(0));
        }
        if self.time.is_due(clock, deadline, now) {
            add(&mut self.counted.counts().timers, 1);
            if !planted!("timer-past-lost") {
                // Where its ring is corrupt nobody is told (TIME-13).
                let _ = self.raise_port(port);
            }
            return Ok(Done::Value(0));
        }
        self.time.timers.set(Timer { port, clock: clock.0, deadline, slack });
        self.look_sooner();
        Ok(Done::Value(0))
    }

    fn timer_cancel(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [port, ..] = call.numbers();
        self.bound(port)?;
        let had = self.time.timers.remove(port).is_some();
        Ok(Done::Value(u64::from(had && !planted!("cancel-says-none"))))
    }

    /// Expires timers that are due, as far as the budget and the actions' room go (TIME-13, TIME-18).
    pub(crate) fn expire(&mut self, now: Now, budget: u32) -> Expired {
        self.time.clocks.tell(now);
        let mut expired = Expired { timers: 0, again: false };
        // It looked because of the deadline that it knew: it needs the next one.
        self.time.known = None;
        if self.time.clocks.stand() {
            return expired;
        }
        for clock in Clocks::ALL {
            while let Some(timer) = self.time.timers.first(clock)
                && self.time.is_due(clock, timer.deadline, now)
            {
                if expired.timers >= budget || self.actions.room() == 0 {
                    expired.again = true;
                    break;
                }
                self.time.timers.remove(timer.port);
                if planted!("timer-twice") && timer.slack == 0 {
                    let deadline = timer.deadline.saturating_add(1_000_000);
                    self.time.timers.set(Timer { deadline, slack: 1, ..timer });
                }
                if !planted!("timer-lost") || timer.port % 2 == 0 {
                    let _ = self.raise_port(timer.port);
                }
                expired.timers = expired.timers.saturating_add(1);
                add(&mut self.counted.counts().timers, 1);
            }
        }
        self.look_sooner();
        expired
    }

    /// Has the attachment look at the next deadline, if it would look too late.
    pub(crate) fn look_sooner(&mut self) {
        let Some(due) = self.time.due() else { return };
        let known = self.time.known;
        let late = known.is_none_or(|known| due < known && !planted!("deadline-sooner-untold"));
        if late && !core::mem::replace(&mut self.time.asked, true) {
            self.actions.push(TimeAction::Deadline);
        }
    }

    /// The next deadline, which the attachment knows from now on.
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        let due = self.time.due();
        self.time.known = due;
        due
    }
}

fn clock_of(number: u64) -> Result<Clock, Status> {
    u16::try_from(number).map(Clock).map_err(|_| Status::BAD_ARGUMENT)
}
