// SPDX-License-Identifier: MIT OR Apache-2.0
//! What time it is for a worker, and what wakes it when a timer is due. Its guest and it have no counter in
//! common that it knows of: clocks are read by call (TIME-10).

use crate::Error;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tenon_host::time::{Now, Utc};

const SECOND: u64 = 1_000_000_000;
/// UTC is looked at this often: it may step.
const RENEWED: u64 = SECOND;
/// By how much reading UTC and the monotonic clock one after the other is wrong, where nothing comes between.
const READING: u64 = 10_000;

fn nanoseconds(time: Timespec) -> u64 {
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(time.tv_sec).saturating_mul(SECOND).saturating_add(part(time.tv_nsec))
}

/// The system's monotonic clock, which a worker's successor goes on with.
#[must_use]
pub fn monotonic() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// What time it is.
pub(crate) fn now() -> Now {
    Now { monotonic: monotonic(), counter: None }
}

/// What a worker knows of time.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: OwnedFd,
    /// What it is set for.
    set: Option<u64>,
    /// When UTC is told next.
    renew: u64,
}

impl Alarm {
    /// One that is not set.
    pub(crate) fn new() -> Result<Self, Error> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
            .map_err(Error::system("no timer"))?;
        Ok(Self { timer, set: None, renew: 0 })
    }

    /// Rings at this time of the monotonic clock, once; `None`: not at all.
    pub(crate) fn set(&mut self, due: Option<u64>) -> Result<(), Error> {
        if self.set == due {
            return Ok(());
        }
        let part = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        // Zero would mean never.
        let time = due.map_or(0, |due| due.max(1));
        let value = Timespec { tv_sec: part(time / SECOND), tv_nsec: part(time % SECOND) };
        let when = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &when)
            .map_err(Error::system("the timer"))?;
        self.set = due;
        Ok(())
    }

    /// UTC as the system has it, if it is time to tell it again.
    pub(crate) fn utc(&mut self, now: Now) -> Option<Utc> {
        if now.monotonic < self.renew {
            return None;
        }
        self.renew = now.monotonic.saturating_add(RENEWED);
        let ns = nanoseconds(clock_gettime(ClockId::Realtime));
        let late = monotonic().saturating_sub(now.monotonic);
        Some(Utc::new(ns, late.saturating_add(READING)))
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
