// SPDX-License-Identifier: MIT OR Apache-2.0
//! At most one timer a port, and which is due first (TIME-11 to TIME-14).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::Clock;
use tenon_abi::time::{CLOCKS, NEVER};

/// A timer that has not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timer {
    pub(crate) port: u32,
    /// Number of its clock.
    pub(crate) clock: u16,
    pub(crate) deadline: u64,
    pub(crate) slack: u64,
}

impl Timer {
    /// Until when the host has to look, by the timer's clock (TIME-14): never where it has no deadline.
    fn latest(&self) -> u64 {
        self.deadline.saturating_add(self.slack).min(NEVER.wrapping_sub(1))
    }
}

/// Timers of one clock, in the order of a moment and then of ports.
type Order = BTreeSet<(u64, u32)>;

/// Every timer of a domain: as many as it has ports, at most.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_port: BTreeMap<u32, Timer>,
    /// By deadline. One that never comes is not here.
    due: [Order; CLOCKS_LEN],
    /// By the moment at which the host has to look.
    latest: [Order; CLOCKS_LEN],
}

const CLOCKS_LEN: usize = 3;

// There is an order for each clock.
const _: () = assert!(CLOCKS == 3 && CLOCKS_LEN == 3);

impl Timers {
    /// Gives a port without a timer this one.
    pub(crate) fn set(&mut self, timer: Timer) {
        if let Some(old) = self.by_port.insert(timer.port, timer) {
            self.forget(&old);
        }
        if timer.deadline == NEVER {
            return;
        }
        let index = usize::from(timer.clock);
        if let (Some(due), Some(latest)) = (self.due.get_mut(index), self.latest.get_mut(index)) {
            due.insert((timer.deadline, timer.port));
            latest.insert((timer.latest(), timer.port));
        }
    }

    /// Takes a port's timer away.
    pub(crate) fn remove(&mut self, port: u32) -> Option<Timer> {
        let timer = self.by_port.remove(&port)?;
        self.forget(&timer);
        Some(timer)
    }

    fn forget(&mut self, timer: &Timer) {
        let index = usize::from(timer.clock);
        if let (Some(due), Some(latest)) = (self.due.get_mut(index), self.latest.get_mut(index)) {
            due.remove(&(timer.deadline, timer.port));
            latest.remove(&(timer.latest(), timer.port));
        }
    }

    pub(crate) fn has(&self, port: u32) -> bool {
        self.by_port.contains_key(&port)
    }

    /// The timer of a clock whose deadline comes first.
    pub(crate) fn first(&self, clock: Clock) -> Option<Timer> {
        let (_, port) = self.due.get(usize::from(clock.0))?.first()?;
        self.by_port.get(port).copied()
    }

    /// When the host has to look at the timers of a clock, by that clock.
    pub(crate) fn latest(&self, clock: Clock) -> Option<u64> {
        let (latest, _) = self.latest.get(usize::from(clock.0))?.first()?;
        Some(*latest)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Timer> {
        self.by_port.values()
    }

    pub(crate) fn save(&self) -> Vec<Timer> {
        self.iter().copied().collect()
    }

    /// `None` where a port has two, or one is of a clock that there is not.
    pub(crate) fn restore(saved: &[Timer]) -> Option<Self> {
        let mut timers = Self::default();
        for timer in saved {
            if timers.has(timer.port) || u32::from(timer.clock) >= CLOCKS {
                return None;
            }
            timers.set(*timer);
        }
        Some(timers)
    }
}
