// SPDX-License-Identifier: MIT OR Apache-2.0
//! What belongs to one guest: its memory and its doorbells. Nobody else ever gets them, and they go with it
//! (SHM-7).

use crate::Error;
use crate::protocol;
use crate::shape::{GUEST, HOST, Shape};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tenon_rings::planted;

/// One guest's memory and doorbells, without a name in any file system.
#[derive(Debug)]
pub struct Guest {
    memory: OwnedFd,
    /// Tell the host.
    doorbells: Vec<OwnedFd>,
    /// Tell the guest.
    messages: Vec<OwnedFd>,
}

impl Guest {
    /// Fresh memory and fresh doorbells.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn new(shape: Shape) -> Result<Self, Error> {
        let memory = memfd_create("tenon", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(Error::system("no memory for a guest"))?;
        ftruncate(&memory, shape.len).map_err(Error::system("no memory for a guest"))?;
        // Whoever maps it can rely on its length.
        fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
            .map_err(Error::system("the memory's length cannot be fixed"))?;
        let bell = || {
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .map_err(Error::system("no doorbell for a guest"))
        };
        let bells = |count| (0..count).map(|_| bell()).collect::<Result<_, _>>();
        Ok(Self { memory, doorbells: bells(shape.doorbells())?, messages: bells(shape.messages)? })
    }

    /// Fresh memory and fresh doorbells: the guest has gone, and takes its own along.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn renew(&mut self, shape: Shape) -> Result<(), Error> {
        let mut fresh = Self::new(shape)?;
        if planted!("memory-outlives-its-guest") {
            std::mem::swap(&mut fresh.memory, &mut self.memory);
        }
        if planted!("doorbells-outlive-their-guest") {
            std::mem::swap(&mut fresh.messages, &mut self.messages);
        }
        *self = fresh;
        Ok(())
    }

    /// Tells a client, host or guest, all that it needs.
    ///
    /// # Errors
    ///
    /// What the socket says.
    pub fn greet(&self, client: impl AsFd, id: u16) -> io::Result<()> {
        let host = self.doorbells.iter().map(|doorbell| (HOST, doorbell.as_fd()));
        let guest = self.messages.iter().map(|message| (GUEST, message.as_fd()));
        let bells: Vec<_> = host.chain(guest).collect();
        protocol::greet(client, id, self.memory.as_fd(), &bells)
    }
}
