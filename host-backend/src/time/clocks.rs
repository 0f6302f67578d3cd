// SPDX-License-Identifier: MIT OR Apache-2.0
//! RUNNING, BOOT and UTC, and the copy of the page that tells them (TIME-2 to TIME-9).

use super::told::{Now, Passed, Relation, Utc};
use serde::{Deserialize, Serialize};
use tenon_abi::time::{self, NEVER, SHIFT_MAX, TimeFlags, ticks_to_ns};
use tenon_abi::{Clock, CounterKind, TimeCopy};
use tenon_rings::planted;
use zerocopy::{FromZeros, IntoBytes};

/// Words of a copy.
pub(crate) const COPY_WORDS: usize = size_of::<TimeCopy>() / 8;

/// The clocks of a domain. What they say is told for one moment, the base, from which they count on: by the
/// counter where there is one, else by the host's monotonic clock.
#[derive(Clone, Debug)]
pub(crate) struct Clocks {
    base: Now,
    /// RUNNING at the base, and the error of what the counter makes of it.
    running: u64,
    error: u64,
    boot_jump: u64,
    /// UTC at the base, if it is known.
    utc: Option<Utc>,
    relation: Option<Relation>,
    /// RUNNING when the clocks were started, and the host's monotonic clock then: what RUNNING would be
    /// without a counter.
    origin: (u64, u64),
    /// The domain does not run.
    stand: bool,
    /// It was restored, and the guest is told so when it runs (TIME-9).
    disrupted: bool,
    marker: u64,
    flags: TimeFlags,
    /// The last moment that was told.
    last: Now,
}

/// The clocks as they are saved. UTC and the counter are the next host's to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedClocks {
    running: u64,
    boot_jump: u64,
    pub(crate) marker: u64,
    /// They stood: nobody can have read a later time.
    pub(crate) stood: bool,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            base: Now::default(),
            running: 0,
            error: 0,
            boot_jump: 0,
            utc: None,
            relation: None,
            origin: (0, 0),
            stand: true,
            disrupted: false,
            marker: 0,
            flags: TimeFlags::empty(),
            last: Now::default(),
        }
    }
}

impl Clocks {
    /// Every clock, in order of its number.
    pub(crate) const ALL: [Clock; 3] = [Clock::RUNNING, Clock::BOOT, Clock::UTC];

    pub(crate) fn save(&self) -> SavedClocks {
        SavedClocks {
            running: if planted!("save-loses-running") { 0 } else { self.running },
            boot_jump: if planted!("save-loses-boot") { 0 } else { self.boot_jump },
            marker: self.marker,
            stood: self.stand,
        }
    }

    pub(crate) fn restore(saved: &SavedClocks) -> Self {
        let SavedClocks { running, boot_jump, marker, .. } = *saved;
        let disrupted = !planted!("restore-is-no-disruption");
        Self { running, boot_jump, marker, disrupted, ..Self::default() }
    }

    /// Whether the domain does not run.
    pub(crate) const fn stand(&self) -> bool {
        self.stand
    }

    /// The last moment that was told.
    pub(crate) const fn last(&self) -> Now {
        self.last
    }

    pub(crate) const fn tell(&mut self, now: Now) {
        self.last = now;
    }

    /// What a clock says; `None` for one that is not known.
    pub(crate) fn read(&self, clock: Clock, now: Now) -> Option<u64> {
        let passed = if self.stand { 0 } else { self.passed(now) };
        let running = self.running.saturating_add(passed);
        match clock {
            Clock::RUNNING => Some(running),
            Clock::BOOT => Some(running.saturating_add(self.boot_jump)),
            Clock::UTC => Some(self.utc?.ns.saturating_add(if self.stand {
                now.monotonic.saturating_sub(self.base.monotonic)
            } else {
                passed
            })),
            _ => None,
        }
    }

    /// Nanoseconds since the base, by the page's formula where there is a counter (TIME-5).
    fn passed(&self, now: Now) -> u64 {
        match (&self.relation, self.base.counter, now.counter) {
            (Some(relation), Some(base), Some(counter)) => {
                ticks_to_ns(counter.saturating_sub(base), relation.period, relation.shift)
            }
            _ => now.monotonic.saturating_sub(self.base.monotonic),
        }
    }

    /// By how much what the counter makes of the clocks may be wrong (TIME-6).
    fn error(&self, now: Now) -> u64 {
        match (&self.relation, self.base.counter, now.counter) {
            (Some(relation), Some(base), Some(counter)) if !self.stand => {
                let ticks = counter.saturating_sub(base);
                self.error.saturating_add(ticks_to_ns(ticks, relation.period_error, relation.shift))
            }
            _ => self.error,
        }
    }

    /// Tells the clocks for another moment from now on. They go on where they are.
    fn rebase(&mut self, now: Now) {
        let (running, utc, error) =
            (self.read(Clock::RUNNING, now), self.read(Clock::UTC, now), self.error(now));
        self.running = running.unwrap_or(self.running);
        if let (Some(known), Some(utc)) = (&mut self.utc, utc) {
            known.ns = utc;
        }
        (self.error, self.base, self.last) = (error, now, now);
    }

    /// They go ahead to where the host's monotonic clock has them at the base, and never back (TIME-7). What
    /// they are ahead of it is an error.
    fn correct(&mut self) {
        if self.stand {
            return;
        }
        let (running, since) = self.origin;
        let wanted = running.saturating_add(self.base.monotonic.saturating_sub(since));
        let behind = wanted.saturating_sub(self.running);
        self.error = self.running.saturating_sub(wanted);
        self.running = self.running.saturating_add(behind);
        if let Some(utc) = &mut self.utc {
            utc.ns = utc.ns.saturating_add(behind);
        }
        if planted!("clock-steps-back") {
            self.running = self.running.saturating_sub(20_000_000);
        }
    }

    /// The domain runs from now on.
    pub(crate) fn start(&mut self, now: Now, passed: Passed) {
        self.rebase(now);
        if planted!("clock-runs-while-it-stands") {
            self.running = self.running.saturating_add(passed.stood);
        }
        self.running = self.running.saturating_add(passed.ran);
        self.boot_jump = self.boot_jump.saturating_add(passed.stood);
        if core::mem::take(&mut self.disrupted) || passed.stood != 0 {
            self.marker = self.marker.wrapping_add(1);
        }
        self.origin = (self.running, now.monotonic);
        self.stand = false;
        self.error = 0;
    }

    /// The domain runs no more.
    pub(crate) fn stop(&mut self, now: Now) {
        self.rebase(now);
        self.stand = true;
    }

    /// The counter's relation is this one from now on. One that is impossible counts as none.
    pub(crate) fn set_counter(&mut self, now: Now, relation: Option<Relation>) {
        self.rebase(now);
        self.correct();
        self.relation = relation.filter(|relation| {
            relation.kind != CounterKind::NONE && relation.shift <= SHIFT_MAX && now.counter.is_some()
        });
    }

    /// UTC is this from now on (TIME-8, TIME-9).
    pub(crate) fn set_utc(&mut self, now: Now, utc: Option<Utc>) {
        self.rebase(now);
        let steps = match (&self.utc, &utc) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(old), Some(new)) => old.ns.abs_diff(new.ns) > old.error_ns.saturating_add(new.error_ns),
        };
        if steps && !planted!("step-is-no-disruption") {
            self.marker = self.marker.wrapping_add(1);
        }
        // What the counter is ahead now, it may lose again.
        let ahead = self.error;
        self.utc = utc.map(|utc| Utc { error_ns: utc.error_ns.saturating_add(ahead), ..utc });
    }

    pub(crate) const fn set_flags(&mut self, flags: TimeFlags) {
        self.flags = flags;
    }

    /// What the page says of them, as the words of a copy (TIME-3).
    pub(crate) fn copy(&self) -> [u64; COPY_WORDS] {
        let mut copy = TimeCopy::new_zeroed();
        let mut valid = time::Clocks::RUNNING | time::Clocks::BOOT;
        let mut flags = self.flags.difference(TimeFlags::TAI_OFFSET_VALID);
        let sampled = self.relation.as_ref().map_or(0, |relation| relation.error_ns);
        let error = self.error.saturating_add(sampled);
        let (mut ns, mut errors) =
            ([self.running, self.running.saturating_add(self.boot_jump), 0], [error, error, 0]);
        if let (Some(utc), [_, _, ns], [_, _, known]) = (&self.utc, &mut ns, &mut errors) {
            valid |= time::Clocks::UTC;
            *ns = utc.ns;
            *known = utc.error_ns.saturating_add(error);
            (copy.leap, copy.smear) = (utc.leap.0.into(), utc.smear.0.into());
            copy.status = utc.status.0.into();
            if let Some(offset) = utc.tai_offset {
                flags |= TimeFlags::TAI_OFFSET_VALID;
                copy.tai_offset = offset.cast_unsigned().into();
            }
        }
        if planted!("error-that-lies") {
            errors = [0; 3];
        }
        if let (Some(relation), Some(counter)) = (&self.relation, self.base.counter) {
            (copy.counter_base, copy.period) = (counter.into(), relation.period.into());
            (copy.counter_kind, copy.shift) = (relation.kind.0.into(), relation.shift.into());
            copy.period_error = relation.period_error.into();
        }
        (copy.ns, copy.error_ns) = (ns.map(Into::into), errors.map(Into::into));
        (copy.valid, copy.flags) = (valid.bits().into(), flags.bits().into());
        (copy.disruption_marker, copy.boot_jump) = (self.marker.into(), self.boot_jump.into());
        let mut words = [0; COPY_WORDS];
        let (bytes, _) = copy.as_bytes().as_chunks::<8>();
        for (word, bytes) in words.iter_mut().zip(bytes) {
            *word = u64::from_le_bytes(*bytes);
        }
        words
    }
}

// What has no bound is the largest number, in a deadline as in an error.
const _: () = assert!(NEVER == u64::MAX);
