// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices of a loopback host, and their back ends.

use super::host::{Host, Loopback, Shared};
use crate::action::DeviceAction;
use crate::device::{Attached, Bell, Home, QueueName, Wires};
use crate::memory::Memory;
use std::sync::Weak;
use tenon_rings::planted;

impl<M> Loopback<M>
where
    M: Memory + Send + 'static,
    M::Words: Send,
{
    /// Gives the guest a device: its number. It may be changed and removed by [`Self::with`].
    ///
    /// A device that was given to the domain itself has no back end here: its actions go to [`super::Act`].
    ///
    /// # Errors
    ///
    /// Those of [`crate::Domain::add_device`].
    pub fn add_device(&self, attached: Attached<M::Words>) -> Result<u32, crate::Error> {
        self.with_back_ends(|domain, back_ends| {
            back_ends.sweep(domain);
            back_ends.add(domain, attached)
        })
    }
}

impl<M> Host<M>
where
    M: Memory + Send + 'static,
    M::Words: Send,
{
    #[cold]
    pub(super) fn act_on_device(&mut self, action: DeviceAction, me: &Weak<Shared<M>>) {
        match self.back_ends.act(&mut self.domain, action, &mut Calls(me)) {
            Ok(None) => {}
            Ok(Some(action)) => self.act_by_embedder(action.into()),
            // The queue stays open, and nobody serves it.
            Err(why) => tracing::warn!(%why, "a queue of a device cannot be connected"),
        }
    }
}

/// A host whose guest rings by calls: each kick comes to the domain, which tells of it.
struct Calls<'h, M: Memory>(&'h Weak<Shared<M>>);

impl<M> Wires<M::Words> for Calls<'_, M>
where
    M: Memory + Send + 'static,
    M::Words: Send,
{
    fn bell(&self, queue: QueueName, _port: Option<u32>) -> Bell {
        let host = Weak::clone(self.0);
        Bell::new(move || {
            if let Some(host) = host.upgrade().filter(|_| !planted!("loopback-bell-silent")) {
                host.with(|domain| domain.ring(queue));
            }
        })
    }

    fn home(&self) -> Home<M::Words> {
        let host = Weak::clone(self.0);
        Home::new(move |end| {
            // A host that is gone waits for nothing.
            if let Some(host) = host.upgrade() {
                // An end that is refused is of a queue that is over.
                let _ = host.with(|domain| domain.return_end(end));
            }
        })
    }
}
