// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices (DEV-1 to DEV-14): what an embedder gives a domain, and what its back ends get.
//!
//! The core does control, and no data. Where the guest opens a queue, the core makes an [`End`] and says so
//! by
//! [`crate::DeviceAction::Opened`]; the attachment takes it ([`crate::Domain::take_end`]) and hands it to a
//! back end, which uses it on a thread of its own, without the domain's lock. Where the queue is to close,
//! [`crate::DeviceAction::Close`] says so, and nothing that the guest waits for happens before the end has
//! come back ([`crate::Domain::return_end`]): a time-out is never enough.
//!
//! | module | what |
//! | --- | --- |
//! | `arena` | the memory that a device may touch |
//! | `end`, `owed` | the host's end of a queue, and the wake-ups that it owes |
//! | [`block`] | what is asked of a block device |
//! | `backend` | back ends as attachments see them |
//! | `attached` | what an attachment does with them |
#![cfg_attr(
    feature = "std",
    doc = "
A back end that answers NOP and nothing else:

```
use tenon_abi::{Op, Status};
use tenon_host::device::{End, Ring};
use tenon_rings::Words;

fn serve<W: Words>(end: &mut End<W>) {
    let Ring::Requests(queue) = &mut end.ring else { return };
    while let Ok(request) = queue.fetch() {
        let status = if request.op == Op::NOP { Status::OK } else { Status::NOT_SUPPORTED };
        queue.complete(request.id, status, 0);
    }
}
```
"
)]

mod arena;
#[cfg(all(feature = "std", target_os = "linux"))]
mod attached;
#[cfg(all(feature = "std", unix))]
mod backend;
pub mod block;
mod end;
mod owed;

pub use arena::{Arena, Chunk, Chunks};
#[cfg(all(feature = "std", target_os = "linux"))]
pub use attached::{Attached, BackEnds, Wires};
#[cfg(all(feature = "std", unix))]
pub use backend::{Backend, Bell, Home, Opened};
pub(crate) use end::Tag;
pub use end::{End, QueueName, Ring};
pub use owed::Owed;

use serde::{Deserialize, Serialize};
use tenon_abi::DeviceKind;

/// A device, as its embedder describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What it is.
    #[serde(with = "kind")]
    pub kind: DeviceKind,
    /// What names it for the guest.
    pub identity: [u64; 2],
    /// Features that the guest may choose (DEV-6).
    pub features: u64,
    /// Queue indices are below this.
    pub max_queues: u32,
    /// Largest size of a queue: slots, or words of a data ring.
    pub max_depth: u32,
    /// What its kind tells: the words of [`tenon_abi::BlockInfo`] or [`tenon_abi::NetInfo`].
    pub own: [u64; 8],
}

pub(crate) mod queue_name {
    use super::QueueName;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tenon_abi::device::Named;

    pub(crate) fn serialize<S: Serializer>(name: &QueueName, to: S) -> Result<S::Ok, S::Error> {
        Named { device: name.device, index: name.index }.to_word().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<QueueName, D::Error> {
        u64::deserialize(from).map(QueueName::from_word)
    }
}

mod kind {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tenon_abi::DeviceKind;

    pub(super) fn serialize<S: Serializer>(value: &DeviceKind, to: S) -> Result<S::Ok, S::Error> {
        value.0.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DeviceKind, D::Error> {
        u32::deserialize(from).map(DeviceKind)
    }
}

impl Device {
    /// A disk of so many queues.
    #[must_use]
    pub fn block(identity: [u64; 2], max_queues: u32, max_depth: u32, info: &tenon_abi::BlockInfo) -> Self {
        Self {
            kind: DeviceKind::BLOCK,
            identity,
            features: 0,
            max_queues,
            max_depth,
            own: words(zerocopy::IntoBytes::as_bytes(info)),
        }
    }

    /// A network interface; its queues are those of the pairs that `info` tells. `max_words` is the largest
    /// size of a ring.
    #[must_use]
    pub fn net(
        identity: [u64; 2],
        features: tenon_abi::NetFeatures,
        max_words: u32,
        info: &tenon_abi::NetInfo,
    ) -> Self {
        Self {
            kind: DeviceKind::NET,
            identity,
            features: features.bits(),
            max_queues: info.pairs.get().saturating_mul(2),
            max_depth: max_words,
            own: words(zerocopy::IntoBytes::as_bytes(info)),
        }
    }
}

/// The words of what a kind tells, which has 64 bytes.
#[must_use]
pub fn words(bytes: &[u8]) -> [u64; 8] {
    let mut words = [0; 8];
    let (whole, _) = bytes.as_chunks::<8>();
    for (word, bytes) in words.iter_mut().zip(whole) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}
