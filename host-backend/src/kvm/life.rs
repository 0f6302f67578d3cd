// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine's life beside its run: what it has counted, its generation, suspension, its domain's saved
//! state.

use std::boxed::Box;

use super::attachment::Handle;
use crate::action::LifecycleAction;
use crate::counted::Counted;
use crate::generation::Generation;
use crate::state::State;

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

    /// The private state of the domain. Memory and vCPUs are the embedder's to save, and to hold meanwhile.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Entered`] for whoever is called by the domain itself.
    pub fn save(&self) -> Result<State, crate::Error> {
        self.ask(|state| state.domain.save()).ok_or(crate::Error::Entered)
    }

    /// The domain goes back to a state that was saved here, while memory and vCPUs are as they were at that
    /// moment: see [`crate::Domain::put_back`]. Another generation begins, before any vCPU is in the domain
    /// again.
    ///
    /// # Errors
    ///
    /// Those of [`crate::Domain::put_back`], and [`crate::Error::Entered`].
    pub fn put_back(&self, state: State) -> Result<(), crate::Error> {
        self.ask(|its| its.domain.put_back(state)).unwrap_or(Err(crate::Error::Entered))
    }
}
