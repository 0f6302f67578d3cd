// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder asks about its guest's life, and asks of its guest.

use crate::crash::CrashRecord;
use crate::domain::Domain;
use crate::error::Error;
use crate::generation::Generation;
use crate::memory::Memory;
use tenon_abi::Features;

impl<M: Memory> Domain<M> {
    /// The last crash record, if the guest left one (LIFE-4).
    #[must_use]
    pub const fn crash_record(&self) -> Option<&CrashRecord> {
        self.families.lifecycle.crash.as_ref()
    }

    /// The generation, where GENERATION is offered (LIFE-5).
    #[must_use]
    pub const fn generation(&self) -> Option<Generation> {
        self.families.lifecycle.generation
    }

    /// Begins a generation with a new id, where GENERATION is offered (LIFE-5).
    pub(crate) fn next_generation(&mut self, is_first: bool) -> Result<(), Error> {
        if self.base.config.features.contains(Features::GENERATION) {
            let next = Generation::draw(&mut self.base.services, is_first).ok_or(Error::NoGeneration)?;
            self.families.lifecycle.generation = Some(next);
            self.tell_generation();
        }
        Ok(())
    }

    /// Writes the page of the generation (LIFE-6).
    pub(crate) fn tell_generation(&mut self) {
        if let Some(generation) = self.generation() {
            self.base.write_generation(generation.id());
        }
    }

    /// Asks the guest to get ready to be suspended (LIFE-9); [`crate::LifecycleAction::SuspendReady`] says
    /// that it is. The result says whether it watches: where it does not, waiting for it is in vain, unless
    /// it begins to watch meanwhile.
    pub fn ask_suspend(&mut self) -> bool {
        self.families.lifecycle.suspend.ask(&mut self.base)
    }

    /// Asks no more (LIFE-10): a guest that says that it is ready from now on is refused.
    pub fn withdraw_suspend(&mut self) {
        self.families.lifecycle.suspend.withdraw();
    }

    /// Whether the guest was asked to get ready to be suspended and has not answered.
    #[must_use]
    pub const fn asks_suspend(&self) -> bool {
        self.families.lifecycle.suspend.is_asked()
    }
}
