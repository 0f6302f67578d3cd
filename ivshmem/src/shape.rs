// SPDX-License-Identifier: MIT OR Apache-2.0
//! How memory and messages are laid out: what broker, worker and whoever starts the guest have to agree on.

use crate::Error;
use tenon_abi::Granule;
use tenon_host::{Conduit, Config};

/// The host's number as a peer: what the guest rings.
pub const HOST: u16 = 0;
/// The guest's number as a peer.
pub const GUEST: u16 = 1;
/// Messages of the device where the guest takes interrupts from it: `vectors=` of QEMU's device.
pub const MESSAGES: u8 = 16;
/// The interrupt that message 0 stands for, and so on (SHM-5).
pub const FIRST_INTERRUPT: u32 = 0x30;

/// The memory of one guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of the memory: a power of two, as BARs are.
    pub len: u64,
    /// vCPUs that may be bound.
    pub vcpus: u32,
    /// Messages that the guest can take, at least 8; 0 where it polls.
    pub messages: u8,
    /// A second doorbell of the host's, behind which a bare loop answers: what a bench holds this host
    /// against.
    pub reference: bool,
}

/// The message of the host's that rings the bare loop.
pub const REFERENCE: u16 = 1;
/// Behind the bind word, in bytes: the number that the guest of a bench has written, and where the bare loop
/// puts it.
pub const REFERENCE_WORDS: [u64; 2] = [64, 128];

impl Shape {
    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Length`].
    pub fn check(&self) -> Result<(), Error> {
        // Room for as much again as the window, so that there is something to serve.
        let least = self.free().saturating_mul(2).next_power_of_two();
        if self.len.is_power_of_two() && self.len >= least && self.len <= 1 << 40 {
            return Ok(());
        }
        Err(Error::Length(self.len, least))
    }

    /// Length of the window, which begins the memory: a granule for the record, one for each vCPU.
    #[must_use]
    pub const fn window_len(&self) -> u64 {
        (self.vcpus as u64).saturating_add(1).saturating_mul(Granule::K64.size())
    }

    /// Doorbells of the host's.
    #[must_use]
    pub const fn doorbells(&self) -> u8 {
        if self.reference { 2 } else { 1 }
    }

    /// Where the memory begins that the guest has: behind the window and the granule of the bind word
    /// (SHM-1).
    #[must_use]
    pub const fn free(&self) -> u64 {
        self.window_len().saturating_add(Granule::K64.size())
    }

    /// What the guest is offered. vCPUs are started and stopped by whoever runs the guest, so SMP is not;
    /// without messages there are no upcalls.
    #[must_use]
    pub fn config(&self, seed: u64) -> Config {
        use tenon_abi::Features;
        let mut config =
            Config::new(Conduit::shared(u32::from(HOST) << 16, self.window_len()), self.vcpus, seed);
        config.window_len = self.window_len();
        // Clocks are read by call: there is no counter that this host knows its guest to have.
        let mut features = config.features.union(Features::TIME).difference(Features::SMP);
        if self.messages == 0 {
            features = features.difference(Features::UPCALL.union(Features::DIRECT));
        }
        config.features = features;
        let messages = u32::from(self.messages);
        let last = FIRST_INTERRUPT.saturating_add(messages.max(8)).saturating_sub(1);
        (config.interrupts, config.max_direct) = (FIRST_INTERRUPT..=last, messages);
        config
    }
}
