// SPDX-License-Identifier: MIT OR Apache-2.0
//! The embedder's side: devices that come, change and go, and the ends of their queues.

use super::parts::{REQUESTS, RING, show};
use crate::action::DeviceAction;
use crate::device::{Device, End, QueueName, Ring};
use crate::devices::{Queue, Slot, Waiting, feature};
use crate::domain::Domain;
use crate::error::Error;
use crate::late::Waits;
use crate::memory::Memory;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use tenon_abi::{DeviceKind, QueueState, Status};
use tenon_rings::{Words, planted};

impl<M: Memory> Domain<M> {
    /// Gives the guest a device, at the lowest number that is free: its number. The guest is told (DEV-3).
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] where devices of this kind are not offered, or there is no number free.
    pub fn add_device(&mut self, device: Device) -> Result<u32, Error> {
        let offered = feature(device.kind).is_some_and(|kind| self.base.config.features.contains(kind));
        let place = self.base.devices.slots.iter().position(Option::is_none).filter(|_| offered);
        let place = place.ok_or(Error::NoDevice)?;
        let devices = &mut self.base.devices;
        devices.incarnation = match planted!("incarnation-again") {
            true => 1,
            // Zero is nobody's.
            false => devices.incarnation.checked_add(1).unwrap_or(1),
        };
        let slot = Slot { device, incarnation: devices.incarnation, change: 0, removed: false, open: None };
        if let Some(home) = devices.slots.get_mut(place) {
            *home = Some(slot);
        }
        self.base.tell_watch();
        u32::try_from(place).map_err(|_| Error::NoDevice)
    }

    /// Takes a device away. One that is open stays until the guest has closed it; its back end answers
    /// REMOVED meanwhile ([`DeviceAction::Removed`]).
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`].
    pub fn remove_device(&mut self, device: u32) -> Result<(), Error> {
        let slot = self.base.devices.slot_mut(device).filter(|slot| !slot.removed).ok_or(Error::NoDevice)?;
        slot.removed = true;
        slot.change = slot.change.saturating_add(1);
        if slot.open.is_some() {
            self.base.actions.push(DeviceAction::Removed { device });
            self.base.tell_change(device);
            return Ok(());
        }
        let place = usize::try_from(device).ok().and_then(|number| self.base.devices.slots.get_mut(number));
        if let Some(place) = place {
            *place = None;
        }
        self.base.tell_watch();
        Ok(())
    }

    /// What the device's kind tells is this now: another size, a link that went down. The guest is told, if
    /// it is not what was told before (DEV-3).
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`].
    pub fn change_device(&mut self, device: u32, own: [u64; 8]) -> Result<(), Error> {
        let slot = self.base.devices.slot_mut(device).filter(|slot| !slot.removed).ok_or(Error::NoDevice)?;
        if core::mem::replace(&mut slot.device.own, own) == own {
            return Ok(());
        }
        if !planted!("change-uncounted") {
            slot.change = slot.change.saturating_add(1);
        }
        self.base.tell_change(device);
        Ok(())
    }

    /// What a device is told to be.
    #[must_use]
    pub fn device_info(&self, device: u32) -> Option<&Device> {
        Some(&self.base.devices.slot(device)?.device)
    }

    /// The end of a queue that was opened, for its back end ([`DeviceAction::Opened`]).
    ///
    /// # Errors
    ///
    /// [`Error::NoQueue`] where the queue has been closed meanwhile, or somebody has the end.
    pub fn take_end(&mut self, queue: QueueName) -> Result<End<M::Words>, Error> {
        let open = self.base.devices.queue_mut(queue).filter(|open| !open.closing).ok_or(Error::NoQueue)?;
        open.end.take().map(|end| *end).ok_or(Error::NoQueue)
    }

    /// An end comes home: what waits for it may go on (DEV-11, DEV-12). Requests that are in flight there end
    /// as INDETERMINATE, if the queue is closing.
    ///
    /// # Errors
    ///
    /// [`Error::NoQueue`] where it is none of this domain's, or of a queue that is over: the end is dropped.
    pub fn return_end(&mut self, end: End<M::Words>) -> Result<(), Error> {
        let name = end.queue;
        let is_ours = Arc::ptr_eq(&end.tag.domain, &self.base.devices.domain) || planted!("any-end-taken");
        let open = self.base.devices.queue_mut(name).filter(|_| is_ours);
        let open = open.filter(|open| open.serial == end.tag.serial && open.end.is_none());
        open.ok_or(Error::NoQueue)?.end = Some(Box::new(end));
        self.settle_queue(name);
        self.settle_device(name.device);
        self.settle_waiting();
        self.write_finished();
        Ok(())
    }

    /// A back end has something for the guest: raises the queue's port, if it has one (DEV-7).
    pub fn ring(&mut self, queue: QueueName) {
        if let Some(port) = self.base.devices.queue(queue).and_then(|open| open.port) {
            // A port that is not bound, or whose ring is corrupt, is told of nothing.
            let _ = self.base.raise_port(port);
        }
    }

    /// Asks for every end that a back end has ([`DeviceAction::Recall`]), for the domain to be saved.
    pub fn recall_ends(&mut self) {
        let out = self.base.devices.all_queues().filter(|(_, open)| open.end.is_none() && !open.closing);
        let names: Vec<_> = out.map(|(name, _)| name).collect();
        for queue in names {
            self.base.actions.push(DeviceAction::Recall { queue });
        }
    }

    /// How many ends back ends have: a domain is saved when that is none.
    #[must_use]
    pub fn ends_out(&self) -> usize {
        self.base.devices.out()
    }

    /// Gives every end that is here to its back end again ([`DeviceAction::Opened`]), where the domain goes
    /// on after it was saved.
    pub fn hand_out_ends(&mut self) {
        // Network interfaces wait until the generation is repaired (NET-11).
        let repaired = self.is_repaired() || planted!("unrepaired-frames-carried");
        self.base.tell_opened(|kind| repaired || kind != DeviceKind::NET);
    }

    /// A queue that is closing and whose end is here is closed (DEV-11).
    pub(super) fn settle_queue(&mut self, name: QueueName) {
        let Some(open) = self.base.devices.queue_mut(name) else { return };
        let Some(end) = &mut open.end else { return };
        // Whoever had the end has forgotten what is in flight.
        let told = end_requests(end);
        let (closing, port) = (open.closing, open.port.filter(|_| told));
        if let Some(port) = port {
            let _ = self.base.raise_port(port);
        }
        if !closing {
            return;
        }
        let Some(Queue { end: Some(end), parts, .. }) = self.base.drop_queue(name) else { return };
        let at = match end.ring {
            Ring::Requests(_) => REQUESTS,
            Ring::ToHost(consumer) => {
                consumer.close();
                RING
            }
            Ring::ToGuest(producer) => {
                producer.close();
                RING
            }
        };
        let host = parts.host.words(&self.base.memory).ok();
        if let Some(host) = host.filter(|_| !planted!("closed-queue-runs")) {
            // Also of one that was found corrupt (DEV-11).
            show(&host, at, QueueState::UNBOUND);
        }
        if let Some(key) = self.base.late.find(Waits::QueueClosed { queue: name }) {
            self.base.finish(key, Status::OK, 0);
        }
    }

    /// A device that is closing and has no queue any more is closed (DEV-12).
    pub(super) fn settle_device(&mut self, device: u32) {
        let closed =
            self.base.devices.open(device).is_some_and(|open| open.closing && open.queues.is_empty());
        if !closed {
            return;
        }
        self.base.drop_device(device);
        if let Some(key) = self.base.late.find(Waits::DeviceClosed { device }) {
            self.base.finish(key, Status::OK, 0);
        }
    }

    /// What waits for every end takes effect (DEV-12).
    pub(crate) fn settle_waiting(&mut self) {
        if self.base.devices.waiting.is_none() {
            return;
        }
        if self.base.devices.out() > 0 && !planted!("reset-before-ends") {
            return;
        }
        match self.base.devices.waiting.take() {
            Some(Waiting::Reset { ticket }) => {
                let session = self.reset();
                self.base.record().answer(ticket, Status::OK, session);
            }
            Some(Waiting::End(action)) => self.base.actions.push(action),
            None => {}
        }
    }
}

/// Ends every request in flight; whether the guest is to be told of that.
fn end_requests<W: Words>(end: &mut End<W>) -> bool {
    let Ring::Requests(completer) = &mut end.ring else { return false };
    let mut ended = false;
    for id in 0..u16::try_from(completer.depth()).unwrap_or(u16::MAX) {
        if completer.is_in_flight(id) && !planted!("close-forgets-requests") {
            ended |= completer.complete(id, Status::INDETERMINATE, 0);
        }
    }
    ended && completer.owes_upcall().unwrap_or(false)
}
