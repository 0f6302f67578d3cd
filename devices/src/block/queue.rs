// SPDX-License-Identifier: MIT OR Apache-2.0
//! One queue of a disk, in the hands of its worker.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use tenon_abi::Status;
use tenon_host::device::{Bell, End, Home, Opened, Ring};
use tenon_rings::call::Fetched;
use tenon_rings::{Completer, Error, Words};

pub(crate) struct Queue<W> {
    pub(crate) end: End<W>,
    kick: Arc<OwnedFd>,
    bell: Bell,
    home: Home<W>,
    /// Nothing more is fetched.
    pub(crate) is_closing: bool,
    /// It broke the protocol: nothing more is fetched (CALL-15).
    is_corrupt: bool,
    /// Completions were written since the bell was last thought of.
    is_dirty: bool,
}

impl<W: Words> Queue<W> {
    pub(crate) fn new(opened: Opened<W>) -> Self {
        let Opened { end, kick, bell, home, .. } = opened;
        Self { end, kick, bell, home, is_closing: false, is_corrupt: false, is_dirty: false }
    }

    pub(crate) fn kick(&self) -> BorrowedFd<'_> {
        self.kick.as_fd()
    }

    fn completer(&mut self) -> Option<&mut Completer<W>> {
        match &mut self.end.ring {
            Ring::Requests(completer) => Some(completer),
            _ => None,
        }
    }

    /// The next request, if there is one and it may be fetched.
    pub(crate) fn fetch(&mut self) -> Option<Fetched> {
        if self.is_closing || self.is_corrupt {
            return None;
        }
        match self.completer()?.fetch() {
            Ok(fetched) => Some(fetched),
            Err(Error::Corrupt(corrupt)) => {
                self.break_off(corrupt);
                None
            }
            Err(_) => None,
        }
    }

    fn break_off(&mut self, corrupt: tenon_rings::Corrupt) {
        self.is_corrupt = true;
        self.end.show_corrupt(corrupt);
    }

    pub(crate) fn complete(&mut self, id: u16, status: Status, value: u64) {
        if let Some(completer) = self.completer() {
            completer.complete(id, status, value);
            self.is_dirty = true;
        }
    }

    /// Tells the guest of what was completed, if it is owed that (CALL-16). Whether it was.
    pub(crate) fn tell(&mut self) -> bool {
        if !std::mem::take(&mut self.is_dirty) || tenon_rings::planted!("disk-bell-not-rung") {
            return false;
        }
        match self.completer().map(Completer::owes_upcall) {
            Some(Ok(true)) => {
                self.bell.ring();
                true
            }
            Some(Err(Error::Corrupt(corrupt))) => {
                self.break_off(corrupt);
                false
            }
            _ => false,
        }
    }

    /// Asks for a kick, and looks once more; `true`: nothing is there (CALL-26).
    pub(crate) fn rest(&mut self) -> bool {
        if self.is_closing || self.is_corrupt {
            return true;
        }
        self.completer().is_none_or(Completer::rest)
    }

    pub(crate) fn depth(&mut self) -> u32 {
        self.completer().map_or(0, |completer| completer.depth())
    }

    pub(crate) fn in_flight(&mut self) -> u32 {
        self.completer().map_or(0, |completer| completer.in_flight())
    }

    /// Gives the end back to the core.
    pub(crate) fn go_home(self) {
        self.home.give(self.end);
    }
}
