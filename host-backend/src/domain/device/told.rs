// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices in the base: queues that close, ports that are told, what waits (DEV-3, DEV-7, DEV-12).

use crate::action::{DeviceAction, LifecycleAction};
use crate::base::Base;
use crate::device::QueueName;
use crate::devices::{Queue, Waiting, feature};
use crate::memory::Memory;
use alloc::vec::Vec;
use tenon_abi::DeviceKind;
use tenon_rings::planted;

impl<M: Memory> Base<M> {
    /// Marks every open queue as closing, and asks for the ends that back ends have (DEV-12).
    pub(crate) fn close_all_queues(&mut self) {
        let names: Vec<_> = self.devices.all_queues().map(|(name, _)| name).collect();
        for queue in names {
            self.close_queue(queue);
        }
    }

    /// The guest is served no more. What it asked for comes when every end is home (DEV-12).
    pub(crate) fn end_when_home(&mut self, action: LifecycleAction) {
        if self.devices.out() == 0 || planted!("end-before-ends") {
            self.actions.push(action);
            return;
        }
        self.devices.waiting = Some(Waiting::End(action));
        self.close_all_queues();
    }

    /// Marks a queue as closing, and asks for its end.
    pub(crate) fn close_queue(&mut self, queue: QueueName) {
        let Some(open) = self.devices.queue_mut(queue) else { return };
        if !core::mem::replace(&mut open.closing, true) && open.end.is_none() {
            self.actions.push(DeviceAction::Close { queue });
        }
    }

    /// The session is over, and every end is home: the guest has all its memory again (SES-6).
    pub(crate) fn end_devices(&mut self) {
        let names: Vec<_> = self.devices.all_queues().map(|(name, _)| name).collect();
        for name in names {
            self.drop_queue(name);
        }
        for number in 0..self.devices.slots.len() {
            let Ok(number) = u32::try_from(number) else { break };
            self.drop_device(number);
        }
        self.devices.watch = None;
    }

    /// A queue whose end is home is not there any more.
    pub(crate) fn drop_queue(&mut self, name: QueueName) -> Option<Queue<M::Words>> {
        let queue = self.devices.open_mut(name.device)?.queues.remove(&name.index)?;
        let first = self.first_doorbell();
        let place = queue.doorbell.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        if let Some(place) = place.and_then(|place| self.devices.doorbells.get_mut(place)) {
            *place = None;
        }
        if !planted!("closed-doorbell-kept") {
            self.actions.push(DeviceAction::Closed { queue: name, doorbell: queue.doorbell });
        }
        Some(queue)
    }

    /// A device whose queues are gone is not open any more; one that was removed is not there (DEV-13).
    pub(crate) fn drop_device(&mut self, number: u32) {
        let Some(slot) = self.devices.slot_mut(number) else { return };
        let Some(open) = slot.open.take() else { return };
        let removed = slot.removed;
        self.memory.let_go(open.arena.offset(), open.arena.len());
        if removed {
            if let Some(place) =
                usize::try_from(number).ok().and_then(|number| self.devices.slots.get_mut(number))
            {
                *place = None;
            }
            self.tell_watch();
        }
    }

    /// Says of every queue whose end is here, and whose device is of such a kind, that it is open.
    pub(crate) fn tell_opened(&mut self, kinds: impl Fn(DeviceKind) -> bool) {
        let here = self.devices.all_queues().filter(|(_, open)| open.end.is_some() && !open.closing);
        let told = here.filter_map(|(queue, open)| {
            let kind = open.end.as_ref()?.kind;
            kinds(kind).then_some(DeviceAction::Opened {
                queue,
                kind,
                doorbell: open.doorbell,
                port: open.port,
            })
        });
        let told: Vec<_> = told.collect();
        told.into_iter().for_each(|action| self.actions.push(action));
    }

    /// Tells who watches all devices (DEV-3).
    pub(crate) fn tell_watch(&mut self) {
        if let Some(port) = self.devices.watch.filter(|_| !planted!("device-untold")) {
            // A port whose ring is corrupt is told of nothing.
            let _ = self.raise_port(port);
        }
    }

    /// What is told of a device is another now (DEV-3, DEV-7).
    pub(crate) fn tell_change(&mut self, device: u32) {
        let port = self.devices.open(device).and_then(|open| open.port);
        self.tell_watch();
        if let Some(port) = port.filter(|_| !planted!("change-untold")) {
            let _ = self.raise_port(port);
        }
    }

    /// A port was bound, or has moved: whoever names it is told once (DEV-7).
    pub(crate) fn port_came(&mut self, port: u32) {
        let named = self.devices.named_ports().any(|its| its == port);
        self.port_came_named(port, named);
    }

    /// The same where it is known whether an open device or queue names the port.
    pub(crate) fn port_came_named(&mut self, port: u32, named: bool) {
        if named && !planted!("moved-port-not-rung") {
            let _ = self.raise_port(port);
        }
    }

    /// A queue was kicked that is no vCPU's.
    #[cold]
    pub(crate) fn kicked(&mut self, doorbell: u32) {
        if let Some(queue) = self.devices.rung(doorbell, self.first_doorbell()) {
            self.actions.push(DeviceAction::Kick { queue });
        }
    }

    /// The first number that a kick of a device's queue carries (DEV-8).
    pub(crate) const fn first_doorbell(&self) -> u32 {
        self.config.max_vcpus.saturating_mul(2)
    }

    /// Whether a device is there for this guest (DEV-1).
    pub(crate) fn has_device(&self, device: u32) -> bool {
        let kind = self.devices.slot(device).map(|slot| slot.device.kind);
        kind.is_some_and(|kind| feature(kind).is_some_and(|feature| self.has(feature)))
    }
}
