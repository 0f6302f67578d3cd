// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's end of a device's queue: the core makes it, a back end uses it on a thread of its own, and it
//! comes back to the core.

use super::{Arena, Owed};
use alloc::sync::Arc;
use core::fmt;
use tenon_abi::device::Named;
use tenon_abi::{DeviceKind, NetFeatures};
use tenon_rings::stream::{Consumer, Producer};
use tenon_rings::{Completer, Corrupt, Site, Words};

/// A queue of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName {
    /// The device's number.
    pub device: u32,
    /// Its index there.
    pub index: u32,
}

impl QueueName {
    pub(crate) const fn from_word(word: u64) -> Self {
        let Named { device, index } = Named::from_word(word);
        Self { device, index }
    }
}

/// Which domain's, session's and queue's an end is: a wrong one is refused.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) domain: Arc<()>,
    /// That of no other end of the domain's.
    pub(crate) serial: u64,
}

/// The host's end of one queue, with what it needs.
///
/// It is the only one there is: who has it alone fetches, completes, reads or writes. Back ends look at the
/// queue once when they get it, because a kick may have come before (DEV-8).
pub struct End<W> {
    pub(crate) tag: Tag,
    /// The queue.
    pub queue: QueueName,
    /// What its device is.
    pub kind: DeviceKind,
    /// The memory that the device may touch.
    pub arena: Arena,
    /// The features that the guest chose for the device (DEV-6): [`NetFeatures`].
    pub features: u64,
    /// What a data ring owes: to be asked after each batch, to ring the queue's port.
    pub owed: Owed,
    /// The end itself.
    pub ring: Ring<W>,
    /// The state word of a request queue, in the host's part; no word for a data ring (DEV-9).
    pub(crate) state: W,
}

impl<W: Words> End<W> {
    /// An end that no domain has made and none takes back, over memory of the caller's: for who tests a back
    /// end, or has a core of their own. `owed` is the bell of a data ring; `state` is the state word of a
    /// request queue, or no word.
    #[must_use]
    pub fn detached(
        queue: QueueName,
        kind: DeviceKind,
        arena: Arena,
        (ring, owed): (Ring<W>, Owed),
        state: W,
    ) -> Self {
        let tag = Tag { domain: Arc::new(()), serial: 0 };
        Self { tag, queue, kind, arena, features: 0, owed, ring, state }
    }

    /// Shows the guest that its queue is corrupt (CALL-15): whoever has the end finds it first.
    pub fn show_corrupt(&self, corrupt: Corrupt) {
        self.state.store(0, corrupt.to_word(), Site::Status);
    }
}

impl<W> End<W> {
    /// The features of a network interface that the guest chose.
    #[must_use]
    pub const fn net_features(&self) -> NetFeatures {
        NetFeatures::from_bits_retain(self.features)
    }
}

impl<W> fmt::Debug for End<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").field("queue", &self.queue).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What kind of end it is.
#[allow(
    clippy::large_enum_variant,
    reason = "request queues are most of them, and are looked at without a detour"
)]
pub enum Ring<W> {
    /// Of a request queue (DEV-9).
    Requests(Completer<W>),
    /// Of a data ring that carries to the host.
    ToHost(Consumer<W, Owed>),
    /// Of a data ring that carries to the guest.
    ToGuest(Producer<W, Owed>),
}
