// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices of a loopback host, and their back ends.

use super::host::{Loopback, Shared};
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

/// A host whose guest rings by calls: each kick comes to the domain, which tells of it.
pub(super) struct Calls<'h, M: Memory>(pub(super) &'h Weak<Shared<M>>);

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
