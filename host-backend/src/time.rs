// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks and timers (TIME-1 to TIME-19). The core has no clock: what time it is, is an argument of each entry
//! that needs it, and when the next timer is due, is a result ([`crate::Domain::next_deadline`]).
//!
//! | module | what |
//! | --- | --- |
//! | `clocks` | RUNNING, BOOT and UTC, and the copy of the page that tells them |
//! | `timers` | at most one timer a port, by deadline |

mod clocks;
mod timers;

pub(crate) use clocks::{COPY_WORDS, Clocks, SavedClocks};
pub(crate) use timers::{Timer, Timers};

use crate::action::TimeAction;
use crate::base::Base;
use crate::counted::add;
use crate::memory::Memory;
use crate::request::{Call, Done};
use serde::{Deserialize, Serialize};
use tenon_abi::time::{ClockStatus, Leap, NEVER, Smear};
use tenon_abi::{Clock, CounterKind, Status};
use tenon_rings::planted;

/// One moment, as the attachment samples it: under the domain's lock, so that a later entry has no earlier
/// one.
///
/// Where the clocks are started, stopped or told anew, its two values belong together as closely as
/// [`Relation::error_ns`] says. Everywhere else it does no harm if time passes between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The host's monotonic clock, in nanoseconds. Deadlines are told by the same clock.
    pub monotonic: u64,
    /// The counter that the guest reads, sampled with it; the counter first. `None` where they have none in
    /// common.
    pub counter: Option<u64>,
}

/// How the counter that host and guest have in common relates to the host's monotonic clock (TIME-4 to
/// TIME-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The counter.
    pub kind: CounterKind,
    /// Nanoseconds of one tick, times 2 to the power of `shift`.
    pub period: u64,
    /// At most 63.
    pub shift: u16,
    /// How much `period` may be wrong.
    pub period_error: u64,
    /// How far apart the two values of one [`Now`] may have been sampled, in nanoseconds.
    pub error_ns: u64,
}

/// UTC, as the embedder knows it at one moment (TIME-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    /// Nanoseconds since 1970-01-01 00:00:00 UTC, without leap seconds and never smeared.
    pub ns: u64,
    /// How much that may be wrong, in nanoseconds; [`NEVER`] if there is no bound.
    pub error_ns: u64,
    /// TAI less UTC in seconds, if that is known.
    pub tai_offset: Option<i32>,
    /// Leap seconds.
    pub leap: Leap,
    /// How a guest is asked to smear.
    pub smear: Smear,
    /// What is known of it.
    pub status: ClockStatus,
}

impl Utc {
    /// UTC with this error, of which nothing else is known.
    #[must_use]
    pub const fn new(ns: u64, error_ns: u64) -> Self {
        let (leap, smear, status) = (Leap::NONE, Smear::STRICT, ClockStatus::SYNCHRONIZED);
        Self { ns, error_ns, tai_offset: None, leap, smear, status }
    }
}

/// What passed while the clocks of a domain stood, in nanoseconds (TIME-7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The domain ran, and this core did not know: RUNNING goes on behind it. For a host that took over a
    /// machine which has been running.
    pub ran: u64,
    /// The domain stood: BOOT jumps by it. Zero freezes BOOT.
    pub stood: u64,
}

/// What one call of [`crate::Domain::expire`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "`again` means that more timers have expired"]
pub struct Expired {
    /// Timers that expired.
    pub timers: u32,
    /// The budget ran out, or actions wait to be done: call again, without waiting (TIME-18).
    pub again: bool,
}

/// Clocks and timers of a domain, and what the attachment was told of them.
#[derive(Debug, Default)]
pub(crate) struct Time {
    pub(crate) clocks: Clocks,
    pub(crate) timers: Timers,
    /// The deadline that the attachment knows.
    known: Option<u64>,
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
    fn due(&self) -> Option<u64> {
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

    fn is_due(&self, clock: Clock, deadline: u64, now: Now) -> bool {
        if deadline == NEVER {
            return planted!("end-of-time-comes");
        }
        let early = if planted!("timer-early") { 1_000_000 } else { 0 };
        self.clocks.read(clock, now).is_some_and(|ns| deadline <= ns.saturating_add(early))
    }
}

impl<M: Memory> Base<M> {
    /// The operations of time, which are told what time it is.
    pub(crate) fn time(&mut self, call: &Call<'_>, now: Option<Now>) -> Result<Done, Status> {
        use tenon_abi::Op;
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
