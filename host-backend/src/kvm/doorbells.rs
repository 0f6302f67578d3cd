// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where kicks of devices' queues come in, and where interrupts of direct ports go out, without the domain's
//! lock.
#![allow(unsafe_code, reason = "KVM takes eventfds of another type than back ends do")]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::vec::Vec;

use kvm_ioctls::{IoEventAddress, VmFd};
use tenon_rings::planted;
use vmm_sys_util::eventfd::EventFd;

use super::setup::request;
use super::{Error, Line};

/// Where kicks of devices' queues go that do not leave the guest.
pub(super) struct Doorbells {
    vm: Arc<VmFd>,
    /// Where they are written; `None` where KVM cannot signal an eventfd for them.
    at: Option<IoEventAddress>,
    connected: BTreeMap<u32, EventFd>,
}

impl Doorbells {
    pub(super) const fn new(vm: Arc<VmFd>, at: Option<IoEventAddress>) -> Self {
        Self { vm, at, connected: BTreeMap::new() }
    }

    pub(super) fn connect(&mut self, doorbell: u32, kick: &OwnedFd) -> io::Result<()> {
        let Some(at) = &self.at else { return Ok(()) };
        let fd = kick.try_clone()?.into_raw_fd();
        // SAFETY: the number is of a copy that nobody else has.
        let event = unsafe { EventFd::from_raw_fd(fd) };
        let given =
            request("giving KVM an eventfd for a queue", || self.vm.register_ioevent(&event, at, doorbell));
        given.map_err(io::Error::other)?;
        self.connected.insert(doorbell, event);
        Ok(())
    }

    pub(super) fn disconnect(&mut self, doorbell: u32) -> Result<(), Error> {
        if planted!("kvm-doorbell-kept") {
            return Ok(());
        }
        let (Some(at), Some(event)) = (&self.at, self.connected.remove(&doorbell)) else { return Ok(()) };
        request("taking an eventfd from KVM", || self.vm.unregister_ioevent(&event, at, doorbell))
    }
}

/// Lines of direct ports. Who raises one holds the lock meanwhile, so nobody holds a line that its port has
/// given back.
#[derive(Default)]
pub(super) struct Lines(RwLock<BTreeMap<u32, Line>>);

impl Lines {
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u32, Line>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises the port's interrupt; whether it has a line.
    pub(super) fn raise(&self, port: u32) -> bool {
        self.read().get(&port).map(Line::raise).is_some()
    }

    /// Does something to the port's line.
    pub(super) fn at<R>(&self, port: u32, act: impl FnOnce(&Line) -> R) -> Option<R> {
        self.read().get(&port).map(act)
    }

    /// Gives the port a line, which leads where it should already.
    pub(super) fn insert(&self, port: u32, line: Line) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(port, line);
    }

    /// Takes the port's line: nobody raises it from now on.
    pub(super) fn remove(&self, port: u32) -> Option<Line> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&port)
    }

    pub(super) fn ports(&self) -> Vec<u32> {
        self.read().keys().copied().collect()
    }
}
