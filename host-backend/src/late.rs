// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests that complete late (CALL-17), and what each waits for. Cancel, stop, reset, save, restore and the
//! check of a saved state look here and nowhere else.

use crate::device::QueueName;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A request: its queue and its id there.
pub(crate) type Key = (u32, u16);

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Waits {
    /// Console input (CON-4).
    Input,
    /// That a vCPU executes nothing more (VCPU-6).
    Stop { vcpu: u32 },
    /// What an attachment does about memory (MEM-6, MEM-12).
    Memory { job: u32 },
    /// That the end of a queue is home (DEV-11).
    QueueClosed {
        #[serde(with = "crate::device::queue_name")]
        queue: QueueName,
    },
    /// The same of all queues of a device (DEV-12).
    DeviceClosed { device: u32 },
}

impl Waits {
    /// Whether CANCEL can end it (CALL-22).
    pub(crate) const fn is_cancellable(self) -> bool {
        match self {
            Self::Input => true,
            Self::Stop { .. }
            | Self::Memory { .. }
            | Self::QueueClosed { .. }
            | Self::DeviceClosed { .. } => false,
        }
    }
}

/// One request as it is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    queue: u32,
    id: u16,
    waits: Waits,
}

/// Every late request of a domain: in flight in a call queue, and completed by whatever it waits for.
#[derive(Debug, Default)]
pub(crate) struct Late(BTreeMap<Key, Waits>);

impl Late {
    pub(crate) fn insert(&mut self, key: Key, waits: Waits) {
        self.0.insert(key, waits);
    }

    pub(crate) fn get(&self, key: Key) -> Option<Waits> {
        self.0.get(&key).copied()
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Waits> {
        self.0.remove(&key)
    }

    /// The request that waits for this.
    pub(crate) fn find(&self, wanted: Waits) -> Option<Key> {
        self.0.iter().find(|(_, waits)| **waits == wanted).map(|(key, _)| *key)
    }

    /// Forgets what was asked on a queue that goes; what those requests waited for.
    pub(crate) fn drop_queue(&mut self, queue: u32) -> Vec<(Key, Waits)> {
        let gone: Vec<_> =
            self.0.range((queue, 0)..=(queue, u16::MAX)).map(|(key, waits)| (*key, *waits)).collect();
        for (key, _) in &gone {
            self.0.remove(key);
        }
        gone
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, Waits)> + '_ {
        self.0.iter().map(|(key, waits)| (*key, *waits))
    }

    /// How many of a queue's requests are here.
    pub(crate) fn count(&self, queue: u32) -> usize {
        self.0.range((queue, 0)..=(queue, u16::MAX)).count()
    }

    /// All of them; `planted`: without those that wait for a stop, a fault for the tests of saved states.
    pub(crate) fn save(&self, planted: bool) -> Vec<Saved> {
        let kept = self.iter().filter(|(_, waits)| !planted || *waits == Waits::Input);
        kept.map(|((queue, id), waits)| Saved { queue, id, waits }).collect()
    }

    /// `None` where a request is there twice.
    pub(crate) fn restore(saved: &[Saved]) -> Option<Self> {
        let all: BTreeMap<_, _> = saved.iter().map(|saved| ((saved.queue, saved.id), saved.waits)).collect();
        (all.len() == saved.len()).then_some(Self(all))
    }
}
