// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's end of an event ring.

use super::{Places, hint, slot};
use crate::arm::Arm;
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::role::OneThread;
use crate::words::Words;
use tenon_abi::call::unpack;
use tenon_abi::{Entry, Reason, turn};

/// What raising a port did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// The guest has hinted that it masked the port: dropped (EVT-15).
    Masked,
    /// The port's entry has not been taken yet (EVT-10).
    Pending,
    /// A new entry was written.
    Written {
        /// The vCPU is owed an upcall (EVT-11).
        upcall: bool,
    },
}

/// Where a raiser stands: everything private, as plain data. Positions are 64 bits wide here, so that a port
/// that was idle for 2^32 entries is not mistaken for one with an entry in the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RaiserState {
    /// Position of the next entry.
    pub written: u64,
    /// Position up to which the guest has taken.
    pub taken: u64,
    /// Ports that are bound to this ring.
    pub reserved: u32,
    /// Entries in the ring whose ports have gone: an upper bound, exact again when the last of them was
    /// taken.
    pub departed: u32,
    /// Position beyond the last of those.
    pub departed_until: u64,
    /// Which arm was answered.
    pub arm: Arm,
    /// Why the ring is corrupt, if it is.
    pub corrupt: Option<Corrupt>,
}

/// Writes event entries.
#[derive(Debug)]
pub struct Raiser<W> {
    guest: W,
    entries: W,
    places: Places,
    seed: u32,
    size: u32,
    state: RaiserState,
    _role: OneThread,
}

impl<W: Words> Raiser<W> {
    pub(super) fn over(guest: W, entries: W, class: u32, seed: u32, size: u32, state: RaiserState) -> Self {
        let _role = OneThread::default();
        Self { guest, entries, places: Places::of(class), seed, size, state, _role }
    }

    /// Where this raiser stands.
    #[must_use]
    pub const fn state(&self) -> &RaiserState {
        &self.state
    }

    /// Reserves an entry for a port that is bound here (EVT-4).
    ///
    /// # Errors
    ///
    /// [`Error::Full`] when every entry is spoken for; [`Error::Corrupt`] once latched.
    pub fn reserve(&mut self) -> Result<(), Error> {
        self.read_taken()?;
        self.forget_departed();
        if self.state.reserved.saturating_add(self.state.departed) >= self.size {
            return Err(Error::Full);
        }
        self.state.reserved = self.state.reserved.saturating_add(1);
        Ok(())
    }

    /// Gives a port's reservation back. `last` is the position of its last entry: while that is not taken it
    /// keeps its place (EVT-4). The result says whether it is untaken.
    pub fn release(&mut self, last: Option<u64>) -> bool {
        self.state.reserved = self.state.reserved.saturating_sub(1);
        // A breach is latched inside; a port that leaves a corrupt ring counts as untaken, so that nothing is
        // lost.
        let untaken = self.read_taken().is_err() || self.is_untaken(last);
        if let (true, Some(last)) = (untaken, last) {
            self.forget_departed();
            self.state.departed = self.state.departed.saturating_add(1);
            self.state.departed_until = self.state.departed_until.max(last.saturating_add(1));
        }
        untaken && last.is_some()
    }

    /// Raises `port`, which is bound here and whose last entry lies at `last`. The caller has made the
    /// announced state visible before (EVT-9).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the guest broke the protocol, now or before.
    #[inline]
    pub fn raise(&mut self, port: u32, last: &mut Option<u64>) -> Result<Raised, Error> {
        if let Some(corrupt) = self.state.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        // To write an entry takes no fence: however old the look, what was taken by then is taken. Who writes
        // none must be sure that the guest has yet to look at the state.
        if self.is_excused(port, *last)?.is_some() {
            self.guest.fence(Site::RaiseFence);
            if let Some(nothing) = self.is_excused(port, *last)? {
                return Ok(nothing);
            }
        }
        // Reservations make this impossible (EVT-4); the check keeps a mistake of ours from becoming a lost
        // entry.
        if self.state.written.wrapping_sub(self.state.taken) >= u64::from(self.size) {
            return Err(Error::Full);
        }
        let position = low(self.state.written);
        let entry = Entry { port, turn: turn(self.seed, position) };
        self.entries.store(slot(position, self.size), entry.to_word(), Site::EntryPublish);
        *last = Some(self.state.written);
        self.state.written = self.state.written.wrapping_add(1);
        self.guest.fence(Site::WakeFence);
        let (armed, high) = unpack(self.guest.load(self.places.armed, Site::ArmedRead));
        if high != 0 {
            return Err(self.latch(Reason::BAD_ARMED));
        }
        Ok(Raised::Written { upcall: self.state.arm.reached(armed, position.wrapping_add(1)) })
    }

    /// Why no entry has to be written, if there is a reason.
    #[inline]
    fn is_excused(&mut self, port: u32, last: Option<u64>) -> Result<Option<Raised>, Error> {
        if hint(port).is_some_and(|(word, bit)| self.guest.load(word, Site::HintRead) & bit != 0) {
            return Ok(Some(Raised::Masked));
        }
        self.read_taken()?;
        Ok(self.is_untaken(last).then_some(Raised::Pending))
    }

    /// Reads and checks the guest's `taken` (EVT-8).
    #[inline]
    fn read_taken(&mut self) -> Result<(), Error> {
        if let Some(corrupt) = self.state.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        let (taken, high) = unpack(self.guest.load(self.places.taken, Site::TakenRead));
        let step = u64::from(taken.wrapping_sub(low(self.state.taken)));
        // Neither backwards (a huge step) nor beyond what was written.
        let backwards = crate::planted!("taken-signed") && step > u64::from(u32::MAX >> 1);
        if high != 0 || (step > self.state.written.wrapping_sub(self.state.taken) && !backwards) {
            return Err(self.latch(Reason::BAD_TAKEN));
        }
        self.state.taken = self.state.taken.wrapping_add(step);
        Ok(())
    }

    /// All entries of departed ports lie between `taken` and `departed_until`: there are never more than fit
    /// there. Without this bound, ports that come and go faster than the guest catches up would use the ring
    /// up for good.
    fn forget_departed(&mut self) {
        let places = self.state.departed_until.saturating_sub(self.state.taken);
        self.state.departed = self.state.departed.min(u32::try_from(places).unwrap_or(u32::MAX));
    }

    fn is_untaken(&self, last: Option<u64>) -> bool {
        if crate::planted!("entry-32-bits") {
            return last.is_some_and(|last| low(last).wrapping_sub(low(self.state.taken)) <= u32::MAX >> 1);
        }
        last.is_some_and(|last| last >= self.state.taken)
    }

    fn latch(&mut self, reason: Reason) -> Error {
        let corrupt = Corrupt { reason, position: low(self.state.written) };
        self.state.corrupt = Some(corrupt);
        Error::Corrupt(corrupt)
    }
}

/// A position as it is on the wire.
#[inline(always)]
const fn low(position: u64) -> u32 {
    tenon_abi::call::unpack(position).0
}
