// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine's life beside its run: what it has counted, its generation, suspension, its domain's saved
//! state.

use std::boxed::Box;

use super::VmMemory;
use super::attachment::Handle;
use crate::action::LifecycleAction;
use crate::counted::Counted;
use crate::domain::Domain;
use crate::generation::Generation;
use crate::state::State;
use crate::time::Passed;

/// Is told what the guest says of its generation ([`LifecycleAction::Repaired`]) and of suspension
/// ([`LifecycleAction::SuspendReady`]), on the console's thread with no lock held: it may block, and may call
/// a [`Handle`].
pub type Life = Box<dyn FnMut(LifecycleAction) + Send>;

impl Handle {
    /// What was done for the guest so far: also after the run. `None` for whoever is called by the domain
    /// itself.
    #[must_use]
    pub fn counted(&self) -> Option<Counted> {
        self.ask(|state| *state.domain.counted())
    }

    /// The generation; `None` where none is offered.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.ask(|state| state.domain.generation()).flatten()
    }

    /// Asks the guest to get ready to be suspended (LIFE-9): [`Life`] is told when it is. Whether it watches.
    pub fn ask_suspend(&self) -> bool {
        self.ask(|state| state.domain.ask_suspend()).unwrap_or(false)
    }

    /// Asks no more (LIFE-10).
    pub fn withdraw_suspend(&self) {
        let _ = self.ask(|state| state.domain.withdraw_suspend());
    }

    /// Holds the domain: no vCPU and no other thread is in it while `within` runs, its clocks stand, and a
    /// vCPU that rings waits. It is for saving the domain and putting it back, which the embedder does with
    /// memory and vCPUs at the same time. RUNNING does not count this time; BOOT goes on by `stood`
    /// nanoseconds: zero freezes it (TIME-7). For the time that has passed, say how long that was.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Entered`] for whoever is called by the domain itself.
    pub fn hold<R>(&self, stood: u64, within: impl FnOnce(&mut Held<'_>) -> R) -> Result<R, crate::Error> {
        let held = self.ask(|state| {
            let ran = state.stop_clocks();
            let result = within(&mut Held { domain: &mut state.domain });
            if ran {
                state.start_clocks_after(Passed { ran: 0, stood });
            }
            result
        });
        held.ok_or(crate::Error::Entered)
    }
}

/// A domain that nobody else is in: see [`Handle::hold`].
#[derive(Debug)]
pub struct Held<'d> {
    domain: &'d mut Domain<VmMemory>,
}

impl Held<'_> {
    /// The private state.
    #[must_use]
    pub fn save(&self) -> State {
        self.domain.save()
    }

    /// Goes back to a state that was saved here, while memory and vCPUs are as they were at that moment: see
    /// [`Domain::put_back`]. Another generation begins.
    ///
    /// # Errors
    ///
    /// Those of [`Domain::put_back`].
    pub fn put_back(&mut self, state: State) -> Result<(), crate::Error> {
        self.domain.put_back(state)
    }

    /// The generation; `None` where none is offered.
    #[must_use]
    pub const fn generation(&self) -> Option<Generation> {
        self.domain.generation()
    }
}
