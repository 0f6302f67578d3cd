// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's end of an event ring.

use super::{Places, hint, slot};
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::role::OneThread;
use crate::words::Words;
use tenon_abi::{Entry, Reason, turn};

/// Takes event entries.
#[derive(Debug)]
pub struct Taker<W> {
    guest: W,
    entries: W,
    places: Places,
    seed: u32,
    size: u32,
    max_ports: u32,
    /// Position of the next entry.
    taken: u32,
    corrupt: Option<Corrupt>,
    _role: OneThread,
}

impl<W: Words> Taker<W> {
    #[inline(always)]
    pub(super) fn over(
        guest: W,
        entries: W,
        class: u32,
        seed: u32,
        size: u32,
        max_ports: u32,
        position: u32,
    ) -> Self {
        let places = Places::of(class);
        let _role = OneThread::default();
        Self { guest, entries, places, seed, size, max_ports, taken: position, corrupt: None, _role }
    }

    /// Takes up to `out.len()` events. When this returns, the caller looks at the state that they announce:
    /// not before (EVT-8). The result is the number taken.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the host wrote a port at or above `max_ports` (EVT-7); what lies before that
    /// entry is given out first.
    #[inline]
    pub fn take(&mut self, out: &mut [u32]) -> Result<usize, Error> {
        if let Some(corrupt) = self.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        let mut count = 0usize;
        for place in out.iter_mut() {
            let Some(port) = self.next_entry() else { break };
            if port >= self.max_ports {
                let corrupt = Corrupt { reason: Reason::BAD_PORT, position: self.taken };
                self.corrupt = Some(corrupt);
                break;
            }
            *place = port;
            self.taken = self.taken.wrapping_add(1);
            count = count.wrapping_add(1);
        }
        if count > 0 {
            self.guest.store(self.places.taken, u64::from(self.taken), Site::TakenPublish);
            self.guest.fence(Site::TakenFence);
            return Ok(count);
        }
        self.corrupt.map_or(Ok(0), |corrupt| Err(Error::Corrupt(corrupt)))
    }

    /// Arms at the next position. `true`: nothing is there, the vCPU may halt (EVT-12).
    #[must_use]
    #[inline]
    pub fn arm(&mut self) -> bool {
        self.guest.store(self.places.armed, u64::from(self.taken), Site::ArmedPublish);
        self.guest.fence(Site::ArmFence);
        !self.is_ready()
    }

    /// Asks for no upcalls until the next [`Self::arm`]: the armed position moves half the circle ahead.
    pub fn disarm(&mut self) {
        let circle = if crate::planted!("disarm-events-whole") { u32::MAX } else { u32::MAX >> 1 };
        let far = self.taken.wrapping_add(circle);
        self.guest.store(self.places.armed, u64::from(far), Site::ArmedPublish);
    }

    /// Whether an entry is there. Never on a corrupt ring: the bad entry would keep its vCPU from halting for
    /// ever.
    #[must_use]
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.next_entry().is_some()
    }

    /// Tells the host that events of `port` may be dropped, if the port has a hint (EVT-15).
    pub fn hint_masked(&mut self, port: u32, others: u64) {
        if let Some((word, bit)) = hint(port) {
            self.guest.store(word, others | bit, Site::HintPublish);
        }
    }

    /// Tells the host that events of `port` are wanted. When this returns, the caller looks at the port's
    /// state once, as if it had been raised (EVT-15).
    pub fn hint_unmasked(&mut self, port: u32, others: u64) {
        if let Some((word, bit)) = hint(port) {
            self.guest.store(word, others & !bit, Site::HintPublish);
            self.guest.fence(Site::HintFence);
        }
    }

    /// Position of the next entry.
    #[must_use]
    pub const fn taken(&self) -> u32 {
        self.taken
    }

    /// Why the ring is corrupt on this side, if it is.
    #[must_use]
    pub const fn corrupt(&self) -> Option<Corrupt> {
        self.corrupt
    }

    /// The port of the next entry, if it is there.
    #[inline]
    fn next_entry(&self) -> Option<u32> {
        if self.corrupt.is_some() {
            return None;
        }
        let word = self.entries.load(slot(self.taken, self.size), Site::EntryTake);
        let entry = Entry::from_word(word);
        (entry.turn == turn(self.seed, self.taken)).then_some(entry.port)
    }
}
