// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a machine keeps of time, under its domain's lock.

use super::alarm::Alarm;
use super::source::TimeSource;
use crate::time::Now;

/// The page is written anew after this time for the first time, and then after twice the time before, so that
/// what the counter's period is known better by is used.
const FIRST: u64 = 10_000_000;
/// It is never older than this: UTC may be slewed meanwhile.
pub(in crate::kvm) const OLDEST: u64 = 8_000_000_000;

/// What an attachment keeps of time, under the domain's lock.
pub(in crate::kvm) struct Timing {
    pub(in crate::kvm) source: TimeSource,
    pub(in crate::kvm) alarm: Alarm,
    /// UTC follows this system's.
    pub(in crate::kvm) follows_utc: bool,
    /// When the page is written next, and how long after the time before.
    pub(in crate::kvm) renew: u64,
    interval: u64,
}

impl Timing {
    pub(in crate::kvm) fn new(source: TimeSource, alarm: Alarm, follows_utc: bool) -> Self {
        Self { source, alarm, follows_utc, renew: u64::MAX, interval: FIRST }
    }

    /// What time it is.
    pub(in crate::kvm) fn now(&mut self) -> Now {
        self.source.now()
    }

    /// The page was written at this time of the clock.
    pub(in crate::kvm) fn renewed(&mut self, at: u64) {
        self.renew = at.saturating_add(self.interval);
        self.interval = self.interval.saturating_mul(2).min(OLDEST);
    }
}
