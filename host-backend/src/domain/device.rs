// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operations on devices and their queues (DEV-2 to DEV-12, NET-9).

mod embedder;
pub(crate) mod parts;
mod told;

use crate::action::DeviceAction;
use crate::device::QueueName;
use crate::devices::{Open, Queue};
use crate::domain::Domain;
use crate::late::Waits;
use crate::memory::Memory;
use crate::range::Range;
use crate::request::{Call, Done};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use tenon_abi::call::pack;
use tenon_abi::device::{NO_PORT, Named};
use tenon_abi::net::{FILTER_ENTRY, FILTER_MAX, FilterMode};
use tenon_abi::{Address, DeviceFlags, DeviceInfo, DeviceKind, NetFeatures, Op, Rights, Status};
use tenon_rings::planted;
use zerocopy::{FromZeros, IntoBytes};

impl<M: Memory> Domain<M> {
    pub(crate) fn device(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        match call.op {
            Op::DEVICE_LIMITS => Ok(Done::Value(self.device_limits())),
            Op::DEVICE_WATCH => self.device_watch(call),
            Op::DEVICE_QUERY => self.device_query(call),
            Op::DEVICE_OPEN => self.device_open(call),
            Op::DEVICE_CLOSE => self.device_close(call),
            Op::QUEUE_OPEN => self.queue_open(call),
            Op::QUEUE_CLOSE => self.queue_close(call),
            _ => self.net_filter(call),
        }
    }

    fn device_limits(&self) -> u64 {
        let limits = self.base.config.devices;
        limits.map_or(0, |limits| pack(limits.max_devices, limits.max_queues))
    }

    fn device_watch(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [port, ..] = call.numbers();
        self.base.bound(port)?;
        self.base.devices.watch = Some(port);
        Ok(Done::Value(0))
    }

    /// That a device of this number is there (DEV-4).
    fn there(&self, device: u32) -> Result<(), Status> {
        let most = self.base.config.devices.map_or(0, |limits| limits.max_devices);
        if device >= most {
            return Err(Status::BAD_ARGUMENT);
        }
        if self.base.has_device(device) { Ok(()) } else { Err(Status::NOT_FOUND) }
    }

    fn device_query(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [device, ..] = call.numbers();
        let [_, address, len, ..] = call.arguments.words;
        self.there(device)?;
        let range = self.base.written(address, len)?;
        let slot = self.base.devices.slot(device).ok_or(Status::NOT_FOUND)?;
        let mut info = DeviceInfo::new_zeroed();
        let mut flags = DeviceFlags::empty();
        flags.set(DeviceFlags::REMOVED, slot.removed && !planted!("removed-untold"));
        flags.set(DeviceFlags::OPEN, slot.open.is_some());
        info.kind.set(slot.device.kind.0);
        info.flags.set(flags.bits());
        info.incarnation.set(slot.incarnation);
        info.change.set(slot.change);
        info.features.set(slot.device.features);
        info.max_queues.set(slot.device.max_queues);
        info.max_depth.set(slot.device.max_depth);
        info.identity = slot.device.identity.map(Into::into);
        info.own = slot.device.own.map(Into::into);
        let bytes = info.as_bytes();
        let len = usize::try_from(range.len).unwrap_or(usize::MAX).min(bytes.len());
        let written = bytes.get(..len).unwrap_or_default();
        if !self.base.memory.write(range.region, range.offset, written) {
            return Err(Status::BAD_RANGE);
        }
        Ok(Done::Value(u64::try_from(len).unwrap_or(0)))
    }

    /// The port of an open: one that is bound, or none (DEV-7).
    fn told(&self, port: u64) -> Result<Option<u32>, Status> {
        if port == NO_PORT {
            return Ok(None);
        }
        let port = u32::try_from(port).map_err(|_| Status::BAD_ARGUMENT)?;
        if !planted!("port-of-device-unchecked") {
            self.base.bound(port)?;
        }
        Ok(Some(port))
    }

    fn device_open(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [word, features, address, len, port, ..] = call.arguments.words;
        let Named { device, index: incarnation } = Named::from_word(word);
        self.there(device)?;
        let slot = self.base.devices.slot(device).ok_or(Status::NOT_FOUND)?;
        let other = slot.incarnation != incarnation && !planted!("incarnation-unchecked");
        if other || slot.removed {
            return Err(Status::REMOVED);
        }
        if slot.open.is_some() {
            return Err(Status::EXISTS);
        }
        if self.base.devices.waiting.is_some() {
            return Err(Status::BAD_STATE);
        }
        check_features(slot.device.kind, slot.device.features, features)?;
        let arena = self.arena(address, len)?;
        let port = self.told(port)?;
        self.base.memory.hand_over(arena.offset, arena.len);
        let handle = self.base.memory.arena(arena.offset, arena.len);
        let Some(handle) = handle else {
            self.base.memory.let_go(arena.offset, arena.len);
            return Err(Status::BAD_RANGE);
        };
        let open = Open { features, arena: handle, port, closing: false, queues: BTreeMap::new() };
        if let Some(slot) = self.base.devices.slot_mut(device) {
            slot.open = Some(open);
        }
        Ok(Done::Value(0))
    }

    /// The range of an arena (DEV-6).
    fn arena(&self, address: u64, len: u64) -> Result<Range, Status> {
        let align = self.base.granule().size();
        if Address(address).region() != 0 {
            return Err(Status::BAD_REGION);
        }
        if len == 0 {
            return Err(Status::BAD_ARGUMENT);
        }
        let range = Range::check_area(&self.base.memory, address, len, align)?;
        if !len.is_multiple_of(align) {
            return Err(Status::BAD_ALIGNMENT);
        }
        self.base.check_had(range)?;
        Ok(range)
    }

    fn queue_open(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [word, _, port, guest, host, data] = call.arguments.words;
        let [_, size, ..] = call.numbers();
        let name = QueueName::from_word(word);
        self.there(name.device)?;
        let slot = self.base.devices.slot(name.device).ok_or(Status::NOT_FOUND)?;
        let open = slot.open.as_ref().ok_or(Status::BAD_STATE)?;
        if slot.removed {
            return Err(Status::REMOVED);
        }
        if open.closing || self.base.devices.waiting.is_some() {
            return Err(Status::BAD_STATE);
        }
        if slot.device.kind == DeviceKind::NET && !self.is_repaired() && !planted!("unrepaired-ring-opened") {
            return Err(Status::BAD_STATE);
        }
        if name.index >= slot.device.max_queues {
            return Err(Status::BAD_ARGUMENT);
        }
        if open.queues.contains_key(&name.index) {
            return Err(Status::EXISTS);
        }
        let parts = self.check_parts_of(name, size, [guest, host, data])?;
        let port = self.told(port)?;
        let place = self.base.devices.doorbells.iter().position(Option::is_none);
        let place = place.ok_or(Status::NO_CAPACITY)?;
        let first = self.base.first_doorbell();
        let doorbell = u32::try_from(place).ok().and_then(|place| first.checked_add(place));
        let doorbell = doorbell.ok_or(Status::NO_CAPACITY)?;
        let end = self.lay_out(name, parts, None)?;
        let kind = end.kind;
        let serial = end.tag.serial;
        let queue = Queue { parts, port, doorbell, closing: false, serial, end: Some(Box::new(end)) };
        if let Some(open) = self.base.devices.open_mut(name.device) {
            open.queues.insert(name.index, queue);
        }
        if let Some(place) = self.base.devices.doorbells.get_mut(place) {
            *place = Some(name);
        }
        self.base.actions.push(DeviceAction::Opened { queue: name, kind, doorbell, port });
        Ok(Done::Value(doorbell.into()))
    }

    fn queue_close(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let name = QueueName::from_word(call.first());
        self.there(name.device)?;
        let queue = self.base.devices.queue(name).ok_or(Status::NOT_FOUND)?;
        if queue.closing {
            return Err(Status::BAD_STATE);
        }
        if planted!("close-answered-early") {
            self.base.close_queue(name);
            return Ok(Done::Value(0));
        }
        self.base.close_queue(name);
        self.settle_queue(name);
        if self.base.devices.queue(name).is_none() {
            return Ok(Done::Value(0));
        }
        Ok(Done::Later(Waits::QueueClosed { queue: name }))
    }

    fn device_close(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [device, ..] = call.numbers();
        self.there(device)?;
        let open = self.base.devices.open_mut(device).ok_or(Status::NOT_FOUND)?;
        if core::mem::replace(&mut open.closing, true) {
            return Err(Status::BAD_STATE);
        }
        let indices: vec::Vec<u32> = open.queues.keys().copied().collect();
        for index in indices {
            let name = QueueName { device, index };
            self.base.close_queue(name);
            self.settle_queue(name);
        }
        self.settle_device(device);
        if self.base.devices.open(device).is_none() {
            return Ok(Done::Value(0));
        }
        Ok(Done::Later(Waits::DeviceClosed { device }))
    }

    fn net_filter(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [device, _, _, count, ..] = call.numbers();
        let [_, mode, address, ..] = call.arguments.words;
        if FilterMode::from_bits(mode).is_none() {
            return Err(Status::BAD_RESERVED);
        }
        self.there(device)?;
        let slot = self.base.devices.slot(device).ok_or(Status::NOT_FOUND)?;
        if slot.device.kind != DeviceKind::NET {
            return Err(Status::NOT_FOUND);
        }
        if slot.open.is_none() {
            return Err(Status::BAD_STATE);
        }
        if count > FILTER_MAX {
            return Err(Status::TOO_LONG);
        }
        if count == 0 && address != 0 {
            return Err(Status::BAD_ARGUMENT);
        }
        let mut addresses = vec![];
        if count > 0 {
            let range =
                Range::check(&self.base.memory, address, u64::from(count).saturating_mul(FILTER_ENTRY))?;
            self.base.admit(range, Rights::READ)?;
            // Bounded by FILTER_MAX.
            let mut bytes = vec![0; usize::try_from(range.len).unwrap_or(0)];
            if !self.base.memory.read(range.region, range.offset, &mut bytes) {
                return Err(Status::BAD_RANGE);
            }
            let (entries, _) = bytes.as_chunks::<8>();
            for entry in entries {
                let [a, b, c, d, e, f, 0, 0] = *entry else { return Err(Status::BAD_RESERVED) };
                addresses.push([a, b, c, d, e, f]);
            }
        }
        self.base.actions.push(DeviceAction::Filter { device, mode, addresses });
        Ok(Done::Value(0))
    }

    /// Whether what leaves the domain may leave it (LIFE-8).
    pub(crate) fn is_repaired(&self) -> bool {
        self.generation().is_none_or(|generation| generation.is_repaired())
    }
}

/// Features that a device offers, each with those that it needs (DEV-6, NET-6).
fn check_features(kind: DeviceKind, offered: u64, chosen: u64) -> Result<(), Status> {
    if chosen & !offered != 0 && !planted!("device-features-unchecked") {
        return Err(Status::BAD_FEATURES);
    }
    let net = NetFeatures::from_bits_retain(chosen);
    let needs = [
        (NetFeatures::SEGMENT_TO_HOST, NetFeatures::CSUM_TO_HOST),
        (NetFeatures::SEGMENT_TO_GUEST, NetFeatures::CSUM_TO_GUEST),
    ];
    let lacks = |(with, needs): &(NetFeatures, NetFeatures)| net.contains(*with) && !net.contains(*needs);
    if kind == DeviceKind::NET && needs.iter().any(lacks) {
        return Err(Status::BAD_FEATURES);
    }
    Ok(())
}
