// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupts into the guest: each line is an eventfd that KVM turns into one interrupt.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kvm_bindings::KvmIrqRouting;
use kvm_ioctls::VmFd;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::arch::{FIRST_INPUT, SILENT_INPUTS, route};
use super::setup::request;
use super::{Error, Msi};

/// KVM takes at most so many routes.
const MAX_LINES: u32 = 4096 - FIRST_INPUT;

/// Makes lines and routes them.
#[derive(Debug)]
pub struct Interrupts {
    vm: Arc<VmFd>,
    routes: Mutex<Routes>,
}

#[derive(Debug, Default)]
struct Routes {
    lines: u32,
    routed: BTreeMap<u32, Msi>,
}

impl Interrupts {
    pub(crate) fn new(vm: Arc<VmFd>) -> Result<Self, Error> {
        let this = Self { vm, routes: Mutex::default() };
        if !SILENT_INPUTS {
            this.set(&BTreeMap::new())?;
        }
        Ok(this)
    }

    /// A new line. Until it is routed, raising it has no effect.
    pub fn line(&self) -> Result<Line, Error> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if routes.lines >= MAX_LINES {
            return Err(Error::BadConfig("more interrupt lines than KVM has routes"));
        }
        let input = FIRST_INPUT.saturating_add(routes.lines);
        let event = EventFd::new(EFD_NONBLOCK).map_err(Error::io("making an eventfd"))?;
        request("giving KVM an eventfd for an interrupt", || self.vm.register_irqfd(&event, input))?;
        routes.lines = routes.lines.saturating_add(1);
        Ok(Line { event, input })
    }

    /// Sends `line`'s interrupts to `to` from now on; `None` drops them.
    pub fn route(&self, line: &Line, to: Option<Msi>) -> Result<(), Error> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match to {
            Some(msi) => routes.routed.insert(line.input, msi),
            None => routes.routed.remove(&line.input),
        };
        // With a new table KVM waits for all who read the old one.
        if before == to {
            return Ok(());
        }
        self.set(&routes.routed)
    }

    fn set(&self, routed: &BTreeMap<u32, Msi>) -> Result<(), Error> {
        let entries: Vec<_> = routed.iter().map(|(&input, &msi)| route(input, msi)).collect();
        let table = KvmIrqRouting::from_entries(&entries)
            .map_err(|_| Error::BadConfig("more interrupt lines than KVM has routes"))?;
        request("routing an interrupt", || self.vm.set_gsi_routing(&table))
    }
}

/// An interrupt line. Whoever holds its eventfd (a device in another process, vhost) may raise it.
#[derive(Debug)]
pub struct Line {
    event: EventFd,
    input: u32,
}

impl Line {
    /// Raises the interrupt once.
    pub fn raise(&self) {
        // The counter overflows only after 2^64 - 2 unseen writes, and KVM's end takes each at once.
        let _ = self.event.write(1);
    }

    /// The eventfd that raises it.
    pub fn event(&self) -> &EventFd {
        &self.event
    }
}
