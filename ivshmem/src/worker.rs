// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process that may die: the core over a guest's memory. It keeps nothing that its successor needs.

use crate::Error;
use crate::memory::{Device, Keep, map};
use crate::protocol;
use crate::shape::{FIRST_INTERRUPT, GUEST, HOST, Shape};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tenon_host::{Action, Domain};
use tenon_rings::{Mapping, Site, Words};

/// Submissions that are served before another queue has its turn (CALL-19).
const BUDGET: u32 = 256;
/// Without a doorbell the worker looks by itself this often: a lost one costs this much time (SHM-2).
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// How a guest ended, by its own wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By EXIT with this code.
    Exit(u32),
    /// By RESTART.
    Restart,
    /// The broker has gone, and the guest's memory with it.
    Left,
}

/// A guest's host.
pub struct Worker<K: Keep> {
    domain: Domain<Device<K>>,
    broker: OwnedFd,
    doorbell: OwnedFd,
    messages: Vec<OwnedFd>,
    /// The guest's word, and what was last found there (SHM-3).
    bind: (Mapping, u64),
}

impl<K: Keep> Worker<K> {
    /// Attaches to the guest that the broker at the other end of this socket holds, and says that it is there. `again`: another worker served this
    /// memory before.
    ///
    /// # Errors
    ///
    /// [`Error::System`], [`Error::Protocol`], [`Error::Core`].
    pub fn new(broker: OwnedFd, shape: Shape, seed: u64, again: bool, keep: K) -> Result<Self, Error> {
        let attached = protocol::attach(&broker, usize::from(shape.messages).saturating_add(1))?;
        let all = map(&attached.memory, shape)?;
        let word = usize::try_from(shape.window_len() / 8).ok().and_then(|at| all.slice(at, 1));
        let bind = (word.ok_or(Error::Length(shape.len, shape.free()))?, 0);
        let memory = Device::new(all, shape, keep).ok_or(Error::Length(shape.len, shape.free()))?;
        let config = shape.config(seed);
        let domain = if again { Domain::again(config, memory) } else { Domain::new(config, memory) }?;
        let (doorbells, messages): (Vec<_>, Vec<_>) =
            attached.bells.into_iter().partition(|(peer, _)| *peer == HOST);
        let doorbell = doorbells.into_iter().next().ok_or(Error::Protocol("it sends no doorbell"))?.1;
        let messages = messages.into_iter().filter(|(peer, _)| *peer == GUEST).map(|(_, fd)| fd).collect();
        rustix::net::send(&broker, &[1], rustix::net::SendFlags::NOSIGNAL)
            .map_err(Error::system("the broker has gone"))?;
        Ok(Self { domain, broker, doorbell, messages, bind })
    }

    /// Serves until the guest or the broker ends. `between` runs after each look: for what no doorbell announces.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn run(mut self, mut between: impl FnMut(&mut Domain<Device<K>>)) -> Result<End, Error> {
        loop {
            let mut again = self.look();
            between(&mut self.domain);
            while let Some(action) = self.domain.next_action() {
                match action {
                    Action::Upcall { vector, .. } | Action::Direct { vector, .. } => self.message(vector),
                    Action::Exit { code } => return Ok(End::Exit(code)),
                    Action::Restart => return Ok(End::Restart),
                    // Output and crash records are kept before this; interrupts are routed by the guest.
                    _ => {}
                }
                again = true;
            }
            if !self.sleep(again)? {
                return Ok(End::Left);
            }
        }
    }

    /// Looks at everything that the guest may have rung for; whether there is more.
    fn look(&mut self) -> bool {
        let (word, last) = &mut self.bind;
        let found = word.load(0, Site::ControlTake);
        // A word whose count is zero is none.
        if found != *last && found.checked_shr(32).unwrap_or(0) != 0 {
            *last = found;
            let [f0, f1, f2, f3, ..] = found.to_le_bytes();
            self.domain.control(u32::from_le_bytes([f0, f1, f2, f3]));
        }
        let queues = self.domain.config().max_vcpus.saturating_mul(2);
        let mut again = false;
        for queue in 0..queues {
            again |= self.domain.serve(queue, BUDGET).again;
        }
        again
    }

    /// Raises the message of an interrupt. One that was raised and not taken is raised once.
    fn message(&self, interrupt: u32) {
        let number = interrupt.checked_sub(FIRST_INTERRUPT).and_then(|number| usize::try_from(number).ok());
        if let Some(message) = number.and_then(|number| self.messages.get(number)) {
            let _ = rustix::io::write(message, &1u64.to_ne_bytes());
        }
    }

    /// Waits for the doorbell, unless there is more to do; `false` when the broker has gone.
    fn sleep(&self, again: bool) -> Result<bool, Error> {
        let mut fds = [
            PollFd::from_borrowed_fd(self.doorbell.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.broker.as_fd(), PollFlags::IN),
        ];
        let patience = if again { Timespec { tv_sec: 0, tv_nsec: 0 } } else { LOOK };
        match poll(&mut fds, Some(&patience)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::System("cannot wait", io::Error::from(error))),
        }
        let [doorbell, broker] = fds.map(|fd| !fd.revents().is_empty());
        if doorbell {
            // Its count says nothing: everything is looked at.
            let _ = rustix::io::read(&self.doorbell, &mut [0u8; 8]);
        }
        Ok(!broker)
    }
}
