// SPDX-License-Identifier: MIT OR Apache-2.0
//! One ring of an interface, in the hands of its worker.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use tenon_host::device::{Bell, End, Home, Opened, Ring};
use tenon_rings::{Error, Words};

/// Bytes of the header in front of a frame.
const HEADER: usize = size_of::<tenon_abi::NetHeader>();
/// Bytes of the shortest frame.
pub(crate) const SHORTEST: usize = 14;

/// What came of a look at a ring to the host.
pub(crate) enum Taken {
    /// A frame of this length.
    Frame(usize),
    /// A record that is none, by NET-4 to NET-7.
    Bad,
    /// Nothing.
    Nothing,
}

pub(crate) struct Queue<W> {
    pub(crate) end: End<W>,
    kick: Arc<OwnedFd>,
    bell: Bell,
    home: Home<W>,
    /// It broke the protocol.
    is_corrupt: bool,
}

impl<W: Words> Queue<W> {
    pub(crate) fn new(opened: Opened<W>) -> Self {
        let Opened { end, kick, bell, home, .. } = opened;
        Self { end, kick, bell, home, is_corrupt: false }
    }

    pub(crate) fn kick(&self) -> BorrowedFd<'_> {
        self.kick.as_fd()
    }

    pub(crate) fn is_to_host(&self) -> bool {
        matches!(self.end.ring, Ring::ToHost(_))
    }

    /// Copies the next frame of the guest's out of its ring. No feature is offered, so a header that says
    /// anything breaks the text.
    pub(crate) fn take(&mut self, frame: &mut [u8]) -> Taken {
        let Ring::ToHost(ring) = &mut self.end.ring else { return Taken::Nothing };
        if self.is_corrupt {
            return Taken::Nothing;
        }
        let taken = ring.read(|record| {
            let len = record.len().checked_sub(HEADER).filter(|len| *len >= SHORTEST)?;
            let mut header = [0; HEADER];
            let room = frame.get_mut(..len)?;
            let is_plain = record.copy_to(0, &mut header) && header == [0; HEADER];
            (is_plain && record.copy_to(HEADER, room)).then_some(len)
        });
        match taken {
            Ok(Some(len)) => Taken::Frame(len),
            Ok(None) => Taken::Bad,
            Err(error) => {
                self.is_corrupt |= matches!(error, Error::Corrupt(_));
                Taken::Nothing
            }
        }
    }

    /// Puts a frame into the guest's ring; `false`: there is no room.
    pub(crate) fn put(&mut self, frame: &[u8]) -> bool {
        let Ring::ToGuest(ring) = &mut self.end.ring else { return false };
        if self.is_corrupt {
            return true;
        }
        match ring.write_vectored(&[&[0; HEADER], frame]) {
            Err(Error::Full) => false,
            Err(Error::Corrupt(_)) => {
                self.is_corrupt = true;
                true
            }
            // Too long: no MTU of this interface allows it, and it goes nowhere.
            _ => true,
        }
    }

    /// Publishes what was put, or gives room back, and rings the guest where that is owed (STR-11).
    pub(crate) fn tell(&mut self) {
        let flushed = match &mut self.end.ring {
            Ring::ToHost(ring) => ring.release(),
            Ring::ToGuest(ring) => ring.flush(),
            Ring::Requests(_) => Ok(()),
        };
        self.is_corrupt |= matches!(flushed, Err(Error::Corrupt(_)));
        if self.end.owed.take() {
            self.bell.ring();
        }
    }

    /// Asks for a kick when a frame comes, or when there is room for one of `len` bytes. `true`: not yet.
    pub(crate) fn rest(&mut self, len: usize) -> bool {
        if self.is_corrupt {
            return true;
        }
        let record = u32::try_from(HEADER + len).unwrap_or(u32::MAX);
        let armed = match &mut self.end.ring {
            Ring::ToHost(ring) => ring.arm(1),
            Ring::ToGuest(ring) => ring.arm(record),
            Ring::Requests(_) => Ok(true),
        };
        self.is_corrupt |= matches!(armed, Err(Error::Corrupt(_)));
        armed.unwrap_or(true)
    }

    /// Gives the end back to the core.
    pub(crate) fn go_home(mut self) {
        self.tell();
        self.home.give(self.end);
    }
}
