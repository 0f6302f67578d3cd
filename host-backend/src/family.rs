// SPDX-License-Identifier: MIT OR Apache-2.0
//! Leaf families: each has its own state, and nothing but what this trait hands it. Calls, events and vCPUs
//! are not leaves: every family needs them.

use crate::base::Base;
use crate::late::{Key, Waits};
use crate::memory::Memory;
use crate::request::{Call, Done};
use crate::services::Services;
use tenon_abi::{Features, Status};

/// A family of operations with its state. What lives as long as a session does is forgotten by `end_session`;
/// the rest is saved.
pub(crate) trait Family {
    /// Features that it cannot offer with these services.
    fn missing(_services: &Services) -> Features {
        Features::empty()
    }

    /// Does an operation of the family's, for which all has been checked that its row says. `Done::Later`
    /// puts the request into the map of late ones; [`Base::finish`] takes it out.
    fn call<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status>;

    /// Whether the family knows of a request that waits for what the family completes.
    fn waits(&self, _key: Key, _waits: Waits) -> bool {
        false
    }

    /// How many such requests it knows of.
    fn waiting(&self) -> usize {
        0
    }

    /// A request that waited for what the family completes has gone: it was cancelled, or its queue has gone.
    fn dropped(&mut self, _key: Key, _waits: Waits) {}

    /// The session is over, and with it every request.
    fn end_session(&mut self) {}

    /// The domain goes on from a saved state: tells a new attachment what the old one knew.
    fn resume<M: Memory>(&self, _base: &mut Base<M>) {}
}
