// SPDX-License-Identifier: MIT OR Apache-2.0
//! One handler at a time (EVT-18): the only memory here that more than two may write, and none of it is
//! shared with the host.

use crate::order::Site;
use core::sync::atomic::AtomicU32;

/// A count of events that the CPUs of one guest share.
pub trait Count {
    /// Adds one; the value before.
    fn add(&self, site: Site) -> u32;

    /// Sets zero if the value is `seen`.
    ///
    /// # Errors
    ///
    /// The value, if it is another.
    fn clear(&self, seen: u32, cleared: Site, moved: Site) -> Result<(), u32>;
}

impl Count for AtomicU32 {
    #[inline(always)]
    fn add(&self, site: Site) -> u32 {
        self.fetch_add(1, site.ordering())
    }

    #[inline(always)]
    fn clear(&self, seen: u32, cleared: Site, moved: Site) -> Result<(), u32> {
        self.compare_exchange(seen, 0, cleared.ordering(), moved.ordering()).map(drop)
    }
}

/// Runs `handler` for an event that `count` counts. While it runs elsewhere this returns at once, `false`,
/// and whoever runs it runs it again.
pub fn run_alone(count: &impl Count, mut handler: impl FnMut()) -> bool {
    if count.add(Site::GateEnter) != 0 {
        return false;
    }
    let mut seen = 1;
    loop {
        handler();
        // Each further round answers an event that came meanwhile: the storm contract bounds them (EVT-10).
        match count.clear(seen, Site::GateLeave, Site::GateAgain) {
            Ok(()) => return true,
            Err(now) => seen = now,
        }
    }
}

/// Runs each port's handler on one CPU at a time. One for the kernel, shared by all vCPUs; `N` ports.
#[derive(Debug)]
pub struct Gate<const N: usize> {
    counts: [AtomicU32; N],
}

impl<const N: usize> Default for Gate<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Gate<N> {
    /// A gate through which nobody has gone.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: [const { AtomicU32::new(0) }; N] }
    }

    /// Runs `handler` for an event of `port`. While it runs elsewhere this returns at once, and whoever runs
    /// it runs it again: an event is never lost, and the handler never runs twice at the same time. `false`:
    /// left to the other. Ports from `N` on are not handled: `false`.
    pub fn run(&self, port: u32, handler: impl FnMut()) -> bool {
        let count = usize::try_from(port).ok().and_then(|index| self.counts.get(index));
        count.is_some_and(|count| run_alone(count, handler))
    }
}
