// SPDX-License-Identifier: MIT OR Apache-2.0
//! What begins when a domain goes on from a saved state, and a domain that goes back to one where it stands.

use super::{Misfit, State};
use crate::domain::Domain;
use crate::error::Error;
use crate::families::Families;
use crate::memory::Memory;
use tenon_rings::planted;

impl<M: Memory> Domain<M> {
    /// The domain goes on from a saved state: another generation begins, unless it moved (LIFE-5). The page
    /// is written in any case (PAGE-7).
    pub(super) fn go_on(&mut self, moved: bool) -> Result<(), Error> {
        self.base.resume_stolen();
        if moved || planted!("generation-kept") {
            self.tell_generation();
        } else {
            self.next_generation(false)?;
        }
        // Not before: which ends go out depends on the generation (NET-11).
        self.hand_out_ends();
        Ok(())
    }

    /// This domain goes back to a state of its own, over its memory, whose contents are those of the moment
    /// at which the state was saved. Its services stay. Do all actions before, and hold the guest's vCPUs:
    /// the actions that come of it are those of [`Self::restore`]. After an error the domain is what it was.
    ///
    /// # Errors
    ///
    /// As [`Self::restore`]. [`Misfit::EndOut`] while a back end has an end of this domain's.
    /// [`Misfit::Other`] if the state is of another domain, and [`Misfit::Fell`] if it is older than what the
    /// guest can have read in this one (MET-4): a machine that goes back in time is another machine, for
    /// which another domain is restored.
    pub fn put_back(&mut self, mut state: State) -> Result<(), Error>
    where
        M: Clone,
    {
        if state.config != self.base.config {
            return Err(Misfit::Other.into());
        }
        // An end that is out would serve a queue that another end serves as well.
        if self.ends_out() > 0 {
            return Err(Misfit::EndOut.into());
        }
        if state.config.features.intersects(Families::missing(&self.base.services)) {
            return Err(Misfit::NoService.into());
        }
        if !planted!("put-back-lets-counts-fall") {
            state.counted = state.counted.following(&self.base.counted).ok_or(Misfit::Fell)?;
        }
        state.pages.follow(&self.base.pages);
        let moved = state.moved;
        let mut other = Self::put_together(state, self.base.memory.clone())?;
        core::mem::swap(&mut self.base.services, &mut other.base.services);
        if let Err(error) = other.go_on(moved) {
            core::mem::swap(&mut self.base.services, &mut other.base.services);
            return Err(error);
        }
        other.base.actions.go_behind(&mut self.base.actions);
        *self = other;
        Ok(())
    }
}
