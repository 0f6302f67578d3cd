// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an attachment does with actions of devices: queues and their ends go to back ends, kicks to eventfds.

use super::{Backend, Bell, Device, Home, Opened, QueueName};
use crate::action::DeviceAction;
use crate::domain::Domain;
use crate::error::Error;
use crate::memory::Memory;
use rustix::event::{EventfdFlags, eventfd};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tenon_rings::planted;

/// A device with its back end, for a machine that is to have it.
pub struct Attached<W> {
    /// What the guest is told of it.
    pub device: Device,
    /// Who serves its queues.
    pub backend: Box<dyn Backend<W>>,
}

impl<W> Attached<W> {
    /// A device and who serves it.
    #[must_use]
    pub fn new(device: Device, backend: impl Backend<W> + 'static) -> Self {
        Self { device, backend: Box::new(backend) }
    }
}

impl<W> fmt::Debug for Attached<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").field("device", &self.device).finish_non_exhaustive()
    }
}

/// How an attachment connects a queue with its guest and its domain.
pub trait Wires<W> {
    /// From now on a kick of `doorbell` writes `kick`, if the attachment can do that by itself. Else
    /// [`DeviceAction::Kick`] tells of it.
    ///
    /// # Errors
    ///
    /// What the system says. The queue is then served by nobody.
    fn connect(&mut self, doorbell: u32, kick: &OwnedFd) -> io::Result<()> {
        let _ = (doorbell, kick);
        Ok(())
    }

    /// Takes that back.
    fn disconnect(&mut self, doorbell: u32) {
        let _ = doorbell;
    }

    /// What rings the port of a queue: [`Domain::ring`].
    fn bell(&self, queue: QueueName, port: Option<u32>) -> Bell;

    /// What takes an end home: [`Domain::return_end`].
    fn home(&self) -> Home<W>;
}

/// The back ends of a domain's devices, and the eventfds that their queues are kicked by.
pub struct BackEnds<W> {
    by_device: BTreeMap<u32, Box<dyn Backend<W>>>,
    kicks: BTreeMap<QueueName, (u32, Arc<OwnedFd>)>,
}

impl<W> Default for BackEnds<W> {
    fn default() -> Self {
        Self { by_device: BTreeMap::new(), kicks: BTreeMap::new() }
    }
}

impl<W> fmt::Debug for BackEnds<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices = self.by_device.keys();
        f.debug_struct("BackEnds").field("devices", &devices).finish_non_exhaustive()
    }
}

impl<W> BackEnds<W> {
    /// Gives the guest a device: its number.
    ///
    /// # Errors
    ///
    /// Those of [`Domain::add_device`].
    pub fn add<M>(&mut self, domain: &mut Domain<M>, attached: Attached<W>) -> Result<u32, Error>
    where
        M: Memory<Words = W>,
    {
        let number = domain.add_device(attached.device)?;
        // Another one that had this number is gone.
        self.by_device.insert(number, attached.backend);
        Ok(number)
    }

    /// Whether the device is served by a back end of these.
    #[must_use]
    pub fn serves(&self, device: u32) -> bool {
        self.by_device.contains_key(&device)
    }

    /// Does an action. One of a device that has no back end here comes back: it is somebody else's.
    ///
    /// # Errors
    ///
    /// An opened queue cannot be connected: the core keeps its end, and nobody serves it.
    pub fn act<M>(
        &mut self,
        domain: &mut Domain<M>,
        action: DeviceAction,
        wires: &mut impl Wires<W>,
    ) -> io::Result<Option<DeviceAction>>
    where
        M: Memory<Words = W>,
    {
        let device = device_of(&action);
        let Some(backend) = self.by_device.get_mut(&device) else { return Ok(Some(action)) };
        match action {
            DeviceAction::Opened { queue, doorbell, port, .. } => {
                let kick = connect(&mut self.kicks, (queue, doorbell), wires)?;
                // It was closed meanwhile where the end is not there any more.
                if let Ok(end) = domain.take_end(queue) {
                    backend.opened(Opened { end, kick, bell: wires.bell(queue, port), home: wires.home() });
                }
            }
            DeviceAction::Close { .. } if planted!("close-not-passed-on") => {}
            DeviceAction::Close { queue } => backend.close(queue),
            DeviceAction::Recall { .. } if planted!("recall-not-passed-on") => {}
            DeviceAction::Recall { queue } => backend.recall(queue),
            DeviceAction::Closed { queue, doorbell } => {
                if self.kicks.get(&queue).is_some_and(|(its, _)| *its == doorbell) {
                    self.kicks.remove(&queue);
                    wires.disconnect(doorbell);
                }
                if domain.device_info(device).is_none() {
                    self.by_device.remove(&device);
                }
            }
            DeviceAction::Kick { queue } => {
                if let Some((_, kick)) = self.kicks.get(&queue).filter(|_| !planted!("kick-not-passed-on")) {
                    ring(kick);
                }
            }
            DeviceAction::Removed { .. } => {
                if !planted!("removal-not-passed-on") {
                    backend.removed();
                }
            }
            DeviceAction::Filter { mode, addresses, .. } => {
                if !planted!("filter-not-passed-on") {
                    backend.filter(mode, &addresses);
                }
            }
        }
        Ok(None)
    }

    /// Drops the back ends of devices that are gone.
    pub fn sweep<M: Memory<Words = W>>(&mut self, domain: &Domain<M>) {
        self.by_device.retain(|device, _| domain.device_info(*device).is_some());
    }
}

/// A queue's eventfd, connected to its doorbell. A queue that goes on keeps the one that it had, and the
/// kicks that are in it.
fn connect<W>(
    kicks: &mut BTreeMap<QueueName, (u32, Arc<OwnedFd>)>,
    (queue, doorbell): (QueueName, u32),
    wires: &mut impl Wires<W>,
) -> io::Result<Arc<OwnedFd>> {
    if let Some((_, kick)) = kicks.get(&queue).filter(|(its, _)| *its == doorbell) {
        return Ok(Arc::clone(kick));
    }
    // After a restore a queue may have another doorbell than it had, and a doorbell another queue.
    let stale = kicks.iter().filter(|(name, (its, _))| **name == queue || *its == doorbell);
    let stale: std::vec::Vec<_> = stale.map(|(name, (its, _))| (*name, *its)).collect();
    for (name, doorbell) in stale {
        kicks.remove(&name);
        wires.disconnect(doorbell);
    }
    let kick = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    wires.connect(doorbell, &kick)?;
    kicks.insert(queue, (doorbell, Arc::clone(&kick)));
    Ok(kick)
}

fn ring(kick: &OwnedFd) {
    // A counter that is full is readable already.
    let _ = rustix::io::write(kick, &1u64.to_ne_bytes());
}

const fn device_of(action: &DeviceAction) -> u32 {
    match action {
        DeviceAction::Opened { queue, .. }
        | DeviceAction::Close { queue }
        | DeviceAction::Recall { queue }
        | DeviceAction::Closed { queue, .. }
        | DeviceAction::Kick { queue } => queue.device,
        DeviceAction::Removed { device } | DeviceAction::Filter { device, .. } => *device,
    }
}
