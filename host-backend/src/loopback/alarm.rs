// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the timer thread looks next.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The next deadline by the process's monotonic clock, as it was told last.
#[derive(Default)]
pub(super) struct Alarm {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    deadline: Option<u64>,
    closed: bool,
}

impl Alarm {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, deadline: Option<u64>) {
        self.lock().deadline = deadline;
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for the deadline, which is over then, or until `end`. `false` when it is closed.
    pub(super) fn wait(&self, end: u64, now: impl Fn() -> u64) -> bool {
        let mut state = self.lock();
        loop {
            if state.closed {
                return false;
            }
            let until = state.deadline.map_or(end, |deadline| deadline.min(end));
            let left = until.saturating_sub(now());
            if left == 0 {
                if state.deadline == Some(until) {
                    state.deadline = None;
                }
                return true;
            }
            let waited = self.changed.wait_timeout(state, Duration::from_nanos(left));
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}
