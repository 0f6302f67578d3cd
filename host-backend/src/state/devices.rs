// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices and their queues as they are saved, when every end is home (DEV-12).

use super::queue::corrupt;
use crate::base::Base;
use crate::device::{Device, QueueName, Ring};
use crate::devices::{Devices, Open, Parts, Queue, Slot};
use crate::domain::Domain;
use crate::domain::device::parts::Stood;
use crate::error::Misfit;
use crate::memory::Memory;
use crate::range::Range;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::Features;
use tenon_rings::call::CompleterState;
use tenon_rings::planted;
use tenon_rings::stream::EndState;

/// Every device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedDevices {
    slots: Vec<Option<SavedSlot>>,
    watch: Option<u32>,
    incarnation: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedSlot {
    device: Device,
    incarnation: u32,
    change: u64,
    removed: bool,
    open: Option<SavedOpen>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedOpen {
    features: u64,
    arena: Range,
    port: Option<u32>,
    queues: Vec<SavedPart>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedPart {
    index: u32,
    parts: Parts,
    port: Option<u32>,
    doorbell: u32,
    stood: SavedStood,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum SavedStood {
    /// Nothing is in flight: so it has completed what it fetched.
    Requests {
        position: u32,
        corrupt: Option<(u16, u32)>,
    },
    Ring(SavedEnd),
    /// A back end had the end, or it was being closed: such a state is not restored.
    Out,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedEnd {
    at: u32,
    shown: u32,
    settled: u32,
    seen: u32,
    met: bool,
    corrupt: Option<(u16, u32)>,
}

impl SavedDevices {
    pub(super) fn save<W: tenon_rings::Words>(devices: &Devices<W>) -> Self {
        let slot = |slot: &Slot<W>| SavedSlot {
            device: slot.device.clone(),
            incarnation: slot.incarnation,
            change: slot.change,
            removed: slot.removed && !planted!("save-loses-removal"),
            open: slot.open.as_ref().filter(|_| !planted!("save-loses-device")).map(save_open),
        };
        Self {
            slots: devices.slots.iter().map(|each| each.as_ref().map(slot)).collect(),
            watch: devices.watch.filter(|_| !planted!("save-loses-device-watch")),
            incarnation: devices.incarnation,
        }
    }
}

fn save_open<W: tenon_rings::Words>(open: &Open<W>) -> SavedOpen {
    let queues = open.queues.iter().filter(|_| !planted!("save-loses-device-queue"));
    let queues = queues.map(|(index, queue)| {
        let stood = match queue.end.as_ref().filter(|_| !queue.closing).map(|end| &end.ring) {
            None => SavedStood::Out,
            Some(Ring::Requests(completer)) => {
                let CompleterState { fetched: position, corrupt, .. } = *completer.state();
                let corrupt = corrupt.map(|corrupt| (corrupt.reason.0, corrupt.position));
                SavedStood::Requests { position, corrupt }
            }
            Some(Ring::ToHost(consumer)) => SavedStood::Ring(save_end(consumer.state())),
            Some(Ring::ToGuest(producer)) => SavedStood::Ring(save_end(producer.state())),
        };
        let Queue { parts, port, doorbell, .. } = *queue;
        SavedPart { index: *index, parts, port, doorbell, stood }
    });
    let arena = Range { region: 0, offset: open.arena.offset(), len: open.arena.len() };
    SavedOpen { features: open.features, arena, port: open.port, queues: queues.collect() }
}

fn save_end(state: EndState) -> SavedEnd {
    let EndState { at, shown, settled, seen, met, corrupt } = state;
    let corrupt = corrupt.map(|corrupt| (corrupt.reason.0, corrupt.position));
    SavedEnd { at, shown, settled, seen, met, corrupt }
}

impl<M: Memory> Domain<M> {
    /// Devices as they were, and the ends of their queues where they stood.
    pub(super) fn restore_devices(&mut self, saved: &SavedDevices) -> Result<(), Misfit> {
        let room = self.base.devices.slots.len();
        if saved.slots.len() != room {
            return Err(Misfit::Counts);
        }
        self.base.devices.incarnation = saved.incarnation;
        self.base.devices.watch = saved.watch;
        for (number, slot) in (0u32..).zip(&saved.slots) {
            let Some(slot) = slot else { continue };
            let SavedSlot { device, incarnation, change, removed, .. } = slot.clone();
            let empty = Slot { device, incarnation, change, removed, open: None };
            if let Some(place) =
                usize::try_from(number).ok().and_then(|number| self.base.devices.slots.get_mut(number))
            {
                *place = Some(empty);
            }
            if let Some(open) = &slot.open {
                self.restore_open(number, open)?;
            }
        }
        Ok(())
    }

    fn restore_open(&mut self, device: u32, saved: &SavedOpen) -> Result<(), Misfit> {
        let granule = self.base.granule().size();
        let Range { offset, len, .. } = saved.arena;
        let range = Range::check_area(&self.base.memory, offset, len, granule);
        let whole = range.is_ok_and(|_| saved.arena.region == 0 && len != 0 && len.is_multiple_of(granule));
        require(whole && self.base.has(Features::DEVICES) && self.base.has_device(device))?;
        self.base.memory.hand_over(offset, len);
        let arena = self.base.memory.arena(offset, len).ok_or(Misfit::Device)?;
        let (features, port) = (saved.features, saved.port);
        let open = Open { features, arena, port, closing: false, queues: BTreeMap::new() };
        if let Some(slot) = self.base.devices.slot_mut(device) {
            require(features & !slot.device.features == 0)?;
            slot.open = Some(open);
        }
        saved.queues.iter().try_for_each(|queue| self.restore_device_queue(device, queue))
    }

    fn restore_device_queue(&mut self, device: u32, saved: &SavedPart) -> Result<(), Misfit> {
        let name = QueueName { device, index: saved.index };
        let Parts { size, guest, host, data } = saved.parts;
        let most = self.base.devices.slot(device).map_or(0, |slot| slot.device.max_queues);
        require(saved.index < most && self.base.devices.queue(name).is_none())?;
        // As if it were opened now: then the same parts come of it.
        let addresses = [guest.offset, host.offset, data.map_or(0, |data| data.offset)];
        let parts = self.check_parts_of(name, size, addresses).map_err(|_| Misfit::Device)?;
        require(parts == saved.parts)?;
        let stood = match &saved.stood {
            SavedStood::Requests { position, corrupt: found } => {
                require(data.is_none())?;
                let found = found.map(corrupt);
                Stood::Requests(CompleterState { corrupt: found, ..CompleterState::at(*position) })
            }
            SavedStood::Ring(end) => {
                let SavedEnd { at, shown, settled, seen, met, .. } = *end;
                require(data.is_some())?;
                Stood::Ring(EndState { at, shown, settled, seen, met, corrupt: end.corrupt.map(corrupt) })
            }
            SavedStood::Out => return Err(Misfit::EndOut),
        };
        let end = self.lay_out(name, parts, Some(stood)).map_err(|_| Misfit::Device)?;
        let first = self.base.first_doorbell();
        let place = saved.doorbell.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        let home =
            place.and_then(|place| self.base.devices.doorbells.get_mut(place)).ok_or(Misfit::Device)?;
        require(home.replace(name).is_none())?;
        let serial = end.tag.serial;
        let (port, doorbell) = (saved.port, saved.doorbell);
        let queue = Queue { parts, port, doorbell, closing: false, serial, end: Some(Box::new(end)) };
        if let Some(open) = self.base.devices.open_mut(device) {
            open.queues.insert(saved.index, queue);
        }
        Ok(())
    }

    /// Ports are ports, no memory that a device has is given, and no incarnation is there twice (DEV-5).
    pub(super) fn check_devices(&self) -> Result<(), Misfit> {
        let base: &Base<M> = &self.base;
        let devices = &base.devices;
        let opens = devices.all_open().filter_map(|(_, open)| open.port);
        let queues = devices.all_queues().filter_map(|(_, queue)| queue.port);
        require(opens.chain(queues).all(|port| port < base.config.max_ports))?;
        require(devices.watch.is_none_or(|port| base.is_port_bound(port)))?;
        require(devices.arenas().all(|arena| !base.ledger.given.touches(arena)))?;
        let all = || devices.slots.iter().flatten().map(|slot| slot.incarnation);
        let apart: BTreeSet<_> = all().collect();
        require(apart.len() == all().count() && all().all(|each| (1..=devices.incarnation).contains(&each)))
    }
}

fn require(holds: bool) -> Result<(), Misfit> {
    if holds { Ok(()) } else { Err(Misfit::Device) }
}
