// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine's threads beside those of its vCPUs: a panic in one ends the run, and one that blocks does not
//! hold its end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::{String, ToString};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use super::{Control, CpuError, Error, Outcome};

/// Starts them and waits for them.
#[derive(Clone)]
pub(crate) struct Helpers {
    control: Control,
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    running: Vec<&'static str>,
    failed: Option<Outcome>,
}

impl Helpers {
    pub(crate) fn new(control: Control) -> Self {
        Self { control, shared: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one.
    pub(crate) fn start(
        &self,
        name: &'static str,
        body: impl FnOnce() -> Result<(), CpuError> + Send + 'static,
    ) -> Result<(), Error> {
        self.lock().running.push(name);
        let this = self.clone();
        let started = thread::Builder::new().name(name.to_string()).spawn(move || {
            // What it shares with others it shares by locks, whose users expect that somebody has panicked.
            let result = catch_unwind(AssertUnwindSafe(body))
                .unwrap_or_else(|panic| Err(CpuError::Panicked { who: name, message: message(&*panic) }));
            this.left(name, result);
        });
        started.map(|_| ()).map_err(|why| {
            self.left(name, Ok(()));
            Error::System { what: "starting a thread", why }
        })
    }

    fn left(&self, name: &'static str, result: Result<(), CpuError>) {
        let failed = result
            .err()
            .filter(|_| !tenon_rings::planted!("helper-panic-swallowed"))
            .map(|why| Outcome::Failed { vcpu: None, why });
        let mut state = self.lock();
        if let Some(at) = state.running.iter().position(|running| *running == name) {
            state.running.swap_remove(at);
        }
        if let Some(outcome) = failed {
            state.failed.get_or_insert(outcome.clone());
            drop(state);
            self.control.end(outcome);
        }
        self.shared.1.notify_all();
    }

    /// Waits until all have left, but not longer than until `end`. The result is the name of one that has
    /// not.
    pub(crate) fn wait(&self, end: Instant) -> Option<&'static str> {
        let left = end.saturating_duration_since(Instant::now());
        let busy = |state: &mut State| !state.running.is_empty();
        let waited = self.shared.1.wait_timeout_while(self.lock(), left, busy);
        waited.unwrap_or_else(PoisonError::into_inner).0.running.first().copied()
    }

    /// What the run ends as, whatever else was said, if one of them has failed.
    pub(crate) fn failed(&self) -> Option<Outcome> {
        self.lock().failed.clone()
    }
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_string()
}
