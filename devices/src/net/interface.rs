// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network interface as an embedder makes it.

use super::control::{Control, Metrics, Shared};
use super::link::Link;
use super::port::Port;
use super::worker::{Message, Worker};
use crate::Error;
use crate::inbox::Inbox;
use std::fmt::{Debug, Formatter};
use std::sync::Arc;
use std::thread::Builder;
use tenon_abi::net::FRAME_EXTRA;
use tenon_abi::{NetFeatures, NetInfo};
use tenon_host::device::{Backend, Device, Opened, QueueName};
use tenon_rings::{Waiter, Words};
use zerocopy::FromZeros;

/// Words of the largest ring.
const MAX_WORDS: u32 = 1 << 18;
/// What an MTU may be (NET-2), as far as a frame fits a record of 16 bits.
const MTU: std::ops::RangeInclusive<u32> = 68..=65_532;

/// A network interface before it runs: what carries its frames, and how a guest sees it.
pub struct Interface<P> {
    port: P,
    mac: [u8; 6],
    mtu: u32,
    identity: [u64; 2],
    waiter: Waiter,
}

impl<P: Port + 'static> Interface<P> {
    /// One with this address and an MTU of 1500.
    #[must_use]
    pub fn new(port: P, mac: [u8; 6]) -> Self {
        Self { port, mac, mtu: 1500, identity: [0; 2], waiter: Waiter::new(16, 4096) }
    }

    /// With this MTU.
    ///
    /// # Errors
    ///
    /// No interface has it.
    pub fn with_mtu(self, mtu: u32) -> Result<Self, Error> {
        if !MTU.contains(&mtu) {
            return Err(Error::BadOption("an MTU is from 68 to 65532"));
        }
        Ok(Self { mtu, ..self })
    }

    /// What names it for the guest.
    #[must_use]
    pub fn with_identity(self, identity: [u64; 2]) -> Self {
        Self { identity, ..self }
    }

    /// How long its worker looks before it sleeps.
    #[must_use]
    pub fn with_waiter(self, waiter: Waiter) -> Self {
        Self { waiter, ..self }
    }

    /// Starts its worker. The result is what a domain is told of it, what an attachment gives queues to, and
    /// what controls it.
    ///
    /// # Errors
    ///
    /// A thread or a descriptor cannot be had.
    pub fn start<W: Words + Send + 'static>(self) -> Result<(Device, Queues<W>, Control), Error> {
        let [m0, m1, m2, m3, m4, m5] = self.mac;
        let mut info = NetInfo::new_zeroed();
        info.mac.set(u64::from_le_bytes([m0, m1, m2, m3, m4, m5, 0, 0]));
        info.mtu.set(self.mtu);
        info.max_frame.set(self.mtu + FRAME_EXTRA);
        info.link.set(1);
        info.pairs.set(1);
        let device = Device::net(self.identity, NetFeatures::empty(), MAX_WORDS, &info);
        let shared = Arc::new(Shared { link: Link::new(info), metrics: Metrics::default() });
        let inbox = Arc::new(Inbox::new()?);
        let worker = Worker::new(Arc::clone(&shared), Arc::clone(&inbox), self.port)?;
        let waiter = self.waiter;
        let thread = Builder::new().name("tenon-net".to_owned()).spawn(move || worker.run(waiter));
        thread.map_err(Error::system("cannot start a thread"))?;
        Ok((device, Queues(inbox), Control(shared)))
    }
}

impl<P> Debug for Interface<P> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interface").field("mac", &self.mac).field("mtu", &self.mtu).finish_non_exhaustive()
    }
}

/// What an attachment gives the rings of an interface to. When it is dropped, all ends go home.
pub struct Queues<W>(Arc<Inbox<Message<W>>>);

impl<W: Words + Send + 'static> Backend<W> for Queues<W> {
    fn opened(&mut self, queue: Opened<W>) {
        self.0.post(Message::Opened(Box::new(queue)));
    }

    fn close(&mut self, queue: QueueName) {
        self.0.post(Message::Close(queue));
    }
}

impl<W> Drop for Queues<W> {
    fn drop(&mut self) {
        self.0.post(Message::Over);
    }
}

impl<W> Debug for Queues<W> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queues")
    }
}
