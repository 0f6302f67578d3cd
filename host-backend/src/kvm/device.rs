// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices of a KVM machine: a kick signals an eventfd, a bell raises a line, and neither takes the domain's
//! lock.

use std::boxed::Box;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tenon_rings::{Mapping, planted};

use super::Error;
use super::attachment::{Attachment, Handle, State};
use super::doorbells::{Doorbells, Lines};
use super::job::Job;
use super::noise::Message;
use crate::action::DeviceAction;
use crate::device::{Attached, Bell, Home, QueueName, Wires};

/// Between two looks whether ends are home.
const LOOK: Duration = Duration::from_millis(1);

impl Handle {
    /// Gives the guest a device, now and while it runs: its number. The guest is told (DEV-3).
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoDevice`] where devices of its kind are not offered
    /// ([`super::VmmConfig::device_limits`]) or there is no number free; [`crate::Error::Entered`] where it
    /// waits for itself.
    pub fn add_device(&self, attached: Attached<Mapping>) -> Result<u32, crate::Error> {
        let added = self.ask(|state| {
            state.back_ends.sweep(&state.domain);
            state.back_ends.add(&mut state.domain, attached)
        });
        added.ok_or(crate::Error::Entered)?
    }

    /// Takes a device away (DEV-13).
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoDevice`]; [`crate::Error::Entered`] where it waits for itself.
    pub fn remove_device(&self, device: u32) -> Result<(), crate::Error> {
        self.ask(|state| state.domain.remove_device(device)).ok_or(crate::Error::Entered)?
    }

    /// What the device's kind tells is this now: another size, a link that went down. The guest is told.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoDevice`]; [`crate::Error::Entered`] where it waits for itself.
    pub fn change_device(&self, device: u32, own: [u64; 8]) -> Result<(), crate::Error> {
        self.ask(|state| state.domain.change_device(device, own)).ok_or(crate::Error::Entered)?
    }

    /// Has every back end give its ends back, for the domain to be saved ([`Handle::hold`]), and waits for
    /// them so long: whether all are home. Kicks that come meanwhile are kept.
    #[must_use]
    pub fn recall_devices(&self, patience: Duration) -> bool {
        let end = Instant::now().checked_add(patience);
        let _ = self.ask(|state| state.domain.recall_ends());
        loop {
            if self.ask(|state| state.domain.ends_out() == 0).unwrap_or(false) {
                return true;
            }
            if end.is_none_or(|end| Instant::now() >= end) {
                return false;
            }
            thread::sleep(LOOK);
        }
    }

    /// Hands out again the ends that [`Self::recall_devices`] has brought home, where the domain goes on.
    pub fn resume_devices(&self) {
        let _ = self.ask(|state| state.domain.hand_out_ends());
    }
}

/// What a queue is connected to.
struct Connections<'s> {
    doorbells: &'s mut Doorbells,
    lines: &'s Arc<Lines>,
    machine: &'s Weak<Attachment>,
    failed: Option<Error>,
}

impl Wires<Mapping> for Connections<'_> {
    fn connect(&mut self, doorbell: u32, kick: &OwnedFd) -> io::Result<()> {
        self.doorbells.connect(doorbell, kick)
    }

    fn disconnect(&mut self, doorbell: u32) {
        self.failed = self.doorbells.disconnect(doorbell).err();
    }

    fn bell(&self, queue: QueueName, port: Option<u32>) -> Bell {
        let (lines, machine) = (Arc::clone(self.lines), Weak::clone(self.machine));
        let was_direct = port.is_some_and(|port| lines.at(port, |_| ()).is_some());
        Bell::new(move || {
            let Some(port) = port else { return };
            // Looked for each time: the guest may have bound the port to something else (DEV-7).
            if planted!("kvm-direct-bell-silent") && lines.at(port, |_| ()).is_some() {
                return;
            }
            if lines.raise(port) {
                return;
            }
            if was_direct && planted!("kvm-bell-is-its-first") {
                return;
            }
            if let Some(machine) = machine.upgrade().filter(|_| !planted!("kvm-bell-silent")) {
                machine.ring(queue);
            }
        })
    }

    fn home(&self) -> Home<Mapping> {
        let machine = Weak::clone(self.machine);
        Home::new(move |end| {
            // A machine that is gone waits for nothing.
            if let Some(machine) = machine.upgrade().filter(|_| !planted!("kvm-end-lost")) {
                machine.take_home(Box::new(end));
            }
        })
    }
}

impl State {
    pub(super) fn act_on_device(
        &mut self,
        action: DeviceAction,
        lines: &Arc<Lines>,
        machine: &Weak<Attachment>,
    ) {
        let Self { domain, back_ends, doorbells, noise, .. } = self;
        let mut connections = Connections { doorbells, lines, machine, failed: None };
        // One of a device that is not ours: nobody else can have added it.
        let done = back_ends.act(domain, action, &mut connections);
        let failed = connections.failed;
        if let Some(why) = done.map_err(Error::io("connecting a device's queue")).err().or(failed) {
            noise.note(Message::Route(why));
        }
    }
}

impl Attachment {
    /// Raises the port of a queue. Whoever is called by the domain leaves it to the worker, which lives as
    /// long as the machine runs.
    fn ring(&self, queue: QueueName) {
        if self.is_inside() {
            let _ = self.jobs.send(Job::Ring(queue));
        } else {
            self.with(|state| state.domain.ring(queue));
        }
    }

    /// Takes an end home, in the same way.
    pub(super) fn take_home(&self, end: Box<crate::device::End<Mapping>>) {
        if self.is_inside() {
            let _ = self.jobs.send(Job::Home(end));
        } else {
            // An end that is refused is of a queue that is over.
            let _ = self.with(|state| state.domain.return_end(*end));
        }
    }

    /// Drops the back ends without the domain's lock: they wait for threads of theirs, which may want it.
    pub(super) fn drop_back_ends(&self) {
        let back_ends = self.with(|state| std::mem::take(&mut state.back_ends));
        drop(back_ends);
    }
}
