// SPDX-License-Identifier: MIT OR Apache-2.0
//! The devices of a domain: what there is, what the guest opened, and where the ends of its queues are. All
//! of it is bounded by the host's own numbers.

use crate::action::LifecycleAction;
use crate::device::{Arena, Device, End, QueueName};
use crate::range::Range;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use tenon_abi::DeviceKind;
use tenon_rings::planted;

/// Every device, and what waits for ends.
pub(crate) struct Devices<W> {
    /// By number.
    pub(crate) slots: Vec<Option<Slot<W>>>,
    /// The port that is raised for all of them, for as long as the session lasts (DEV-3).
    pub(crate) watch: Option<u32>,
    /// The incarnation of the last device that came (DEV-5).
    pub(crate) incarnation: u32,
    /// The queue behind each doorbell, from the first on that is no vCPU's.
    pub(crate) doorbells: Vec<Option<QueueName>>,
    /// What takes effect when every end is home (DEV-12).
    pub(crate) waiting: Option<Waiting>,
    /// What tells this domain's ends from those of others, and one end from another.
    pub(crate) domain: Arc<()>,
    pub(crate) serial: u64,
}

/// What waits for the ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// RESET, and whom to answer.
    Reset { ticket: u32 },
    /// EXIT or RESTART.
    End(LifecycleAction),
}

/// One device.
pub(crate) struct Slot<W> {
    pub(crate) device: Device,
    pub(crate) incarnation: u32,
    pub(crate) change: u64,
    pub(crate) removed: bool,
    pub(crate) open: Option<Open<W>>,
}

/// A device that is open.
pub(crate) struct Open<W> {
    pub(crate) features: u64,
    pub(crate) arena: Arena,
    pub(crate) port: Option<u32>,
    /// It is being closed, and with it every queue (DEV-12).
    pub(crate) closing: bool,
    /// By index.
    pub(crate) queues: BTreeMap<u32, Queue<W>>,
}

/// A queue that is open.
pub(crate) struct Queue<W> {
    pub(crate) parts: Parts,
    pub(crate) port: Option<u32>,
    pub(crate) doorbell: u32,
    /// It is being closed (DEV-11).
    pub(crate) closing: bool,
    pub(crate) serial: u64,
    /// The end, where no back end has it.
    pub(crate) end: Option<Box<End<W>>>,
}

/// Where a queue lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Parts {
    pub(crate) size: u32,
    pub(crate) guest: Range,
    pub(crate) host: Range,
    /// None of a request queue's.
    pub(crate) data: Option<Range>,
}

impl Parts {
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> + use<> {
        [Some(self.guest), Some(self.host), self.data].into_iter().flatten()
    }
}

impl<W> Devices<W> {
    /// Room for so many devices and open queues.
    pub(crate) fn new([devices, queues]: [u32; 2]) -> Self {
        Self {
            slots: (0..devices).map(|_| None).collect(),
            watch: None,
            incarnation: 0,
            doorbells: (0..queues).map(|_| None).collect(),
            waiting: None,
            domain: Arc::new(()),
            serial: 0,
        }
    }

    pub(crate) fn slot(&self, device: u32) -> Option<&Slot<W>> {
        self.slots.get(usize::try_from(device).ok()?)?.as_ref()
    }

    pub(crate) fn slot_mut(&mut self, device: u32) -> Option<&mut Slot<W>> {
        self.slots.get_mut(usize::try_from(device).ok()?)?.as_mut()
    }

    pub(crate) fn open(&self, device: u32) -> Option<&Open<W>> {
        self.slot(device)?.open.as_ref()
    }

    pub(crate) fn open_mut(&mut self, device: u32) -> Option<&mut Open<W>> {
        self.slot_mut(device)?.open.as_mut()
    }

    pub(crate) fn queue(&self, name: QueueName) -> Option<&Queue<W>> {
        self.open(name.device)?.queues.get(&name.index)
    }

    pub(crate) fn queue_mut(&mut self, name: QueueName) -> Option<&mut Queue<W>> {
        self.open_mut(name.device)?.queues.get_mut(&name.index)
    }

    /// Every open device, with its number.
    pub(crate) fn all_open(&self) -> impl Iterator<Item = (u32, &Open<W>)> {
        (0u32..).zip(&self.slots).filter_map(|(number, slot)| Some((number, slot.as_ref()?.open.as_ref()?)))
    }

    /// Every open queue.
    pub(crate) fn all_queues(&self) -> impl Iterator<Item = (QueueName, &Queue<W>)> {
        self.all_open().flat_map(|(device, open)| {
            open.queues.iter().map(move |(index, queue)| (QueueName { device, index: *index }, queue))
        })
    }

    /// How many ends back ends have.
    pub(crate) fn out(&self) -> usize {
        self.all_queues().filter(|(_, queue)| queue.end.is_none()).count()
    }

    /// Parts of queues (DEV-8).
    pub(crate) fn parts(&self) -> impl Iterator<Item = Range> + '_ {
        self.all_queues().flat_map(|(_, queue)| queue.parts.ranges())
    }

    /// Arenas of open devices (DEV-6).
    pub(crate) fn arenas(&self) -> impl Iterator<Item = Range> + '_ {
        let range = |(_, open): (u32, &Open<W>)| Range {
            region: 0,
            offset: open.arena.offset(),
            len: open.arena.len(),
        };
        self.all_open().map(range)
    }

    /// Each port that an open device or queue names, once for each (DEV-7).
    pub(crate) fn named_ports(&self) -> impl Iterator<Item = u32> + '_ {
        self.all_open().flat_map(|(_, open)| {
            open.port.into_iter().chain(open.queues.values().filter_map(|queue| queue.port))
        })
    }

    /// The queue behind a doorbell; `first` is the first that is no vCPU's.
    pub(crate) fn rung(&self, doorbell: u32, first: u32) -> Option<QueueName> {
        let place = usize::try_from(doorbell.checked_sub(first)?).ok()?;
        self.doorbells.get(place).copied().flatten()
    }

    /// The port is another's from now on, or nobody's (DEV-3).
    pub(crate) fn unbound(&mut self, port: u32) {
        self.watch = self.watch.filter(|watch| *watch != port || planted!("device-told-after-unbind"));
    }
}

/// The feature of a kind.
pub(crate) const fn feature(kind: DeviceKind) -> Option<tenon_abi::Features> {
    match kind {
        DeviceKind::BLOCK => Some(tenon_abi::Features::BLOCK),
        DeviceKind::NET => Some(tenon_abi::Features::NET),
        _ => None,
    }
}
