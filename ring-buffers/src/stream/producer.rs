// SPDX-License-Identifier: MIT OR Apache-2.0
//! The producer of records.

use super::end::{End, EndState, Produces};
use super::{Bell, Draft};
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::words::{AHEAD, Words, look_ahead};
use tenon_abi::call::pack;
use tenon_abi::status::StateWord;
use tenon_abi::stream::{LINE_WORDS, RecordLength, max_record, record_units};

/// A unit is a word.
#[inline(always)]
fn words(units: u32) -> usize {
    usize::try_from(units).unwrap_or(0)
}

/// Writes records. One for each ring; obtained from [`super::ProducerSide::records`].
///
/// What is written is published when it amounts to an eighth of the ring, when there is no room, when the
/// producer arms, and by [`Self::flush`].
#[derive(Debug)]
pub struct Producer<W, B = ()> {
    end: End<W, B, Produces>,
    data: W,
}

impl<W: Words, B: Bell> Producer<W, B> {
    pub(super) const fn new(end: End<W, B, Produces>, data: W) -> Self {
        Self { end, data }
    }

    /// The longest record in bytes: with its header a quarter of the ring.
    #[must_use]
    pub const fn max_record(&self) -> u32 {
        max_record(self.end.units())
    }

    /// Writes a record. It may be empty.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::Full`] or [`Error::Corrupt`]: nothing was written. When it is full, all
    /// that was written before is published.
    #[inline]
    pub fn write(&mut self, record: &[u8]) -> Result<(), Error> {
        self.put(record.len(), |data, first, head| data.store_bytes(first, head, &[record], Site::RingBody))
    }

    /// Writes one record out of several parts, one behind the other.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::Full`] or [`Error::Corrupt`]: nothing was written. When it is full, all
    /// that was written before is published.
    #[inline]
    pub fn write_vectored(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        let len = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        self.put(len, |data, first, head| data.store_bytes(first, head, parts, Site::RingBody))
    }

    /// Writes a record of `len` bytes by a closure, which gets it as a [`Draft`]. What the closure does not
    /// write holds what an earlier record left there.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::Full`] or [`Error::Corrupt`]: nothing was written, and the closure did
    /// not run. When it is full, all that was written before is published.
    #[inline]
    pub fn write_with<T>(
        &mut self,
        len: usize,
        write: impl FnOnce(&mut Draft<'_, W>) -> T,
    ) -> Result<T, Error> {
        let mut value = None;
        self.put(len, |data, first, head| {
            data.store(first, head, Site::RingBody);
            let start = first.wrapping_add(1);
            if len % 8 != 0 {
                // Before the bytes that come to lie in it (STR-7).
                data.store(start.wrapping_add(len / 8), 0, Site::RingBody);
            }
            value = Some(write(&mut Draft::new(data, start.wrapping_mul(8), len)));
        })?;
        // `put` runs its body exactly once where it succeeds.
        value.ok_or(Error::Full)
    }

    /// Writes a record of `N` words: straight-line code.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::Full`] or [`Error::Corrupt`]: nothing was written. When it is full, all
    /// that was written before is published.
    #[inline]
    pub fn write_words<const N: usize>(&mut self, record: &[u64; N]) -> Result<(), Error> {
        let len = N.saturating_mul(8);
        self.put(len, |data, first, head| data.store_headed(first, head, record, Site::RingBody))
    }

    /// Writes a record of `N` words for each of a slice, as far as there is room, from its start on, looking
    /// at the consumer at most once: the fastest way for small records. The result is their number, at least
    /// one unless there are none.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::Full`] when there is no room at all, or [`Error::Corrupt`]: nothing was
    /// written.
    #[inline]
    pub fn write_all<const N: usize>(&mut self, records: &[[u64; N]]) -> Result<usize, Error> {
        let len = u32::try_from(N.saturating_mul(8)).map_err(|_| Error::TooLong)?;
        let units = record_units(len).ok_or(Error::TooLong)?;
        let mut rest = records;
        // The first one finds out whether there is room, and each that does not fit before the end begins at
        // the start.
        while let [record, later @ ..] = rest {
            match self.write_words(record) {
                Ok(()) => rest = later,
                Err(error) if rest.len() == records.len() => return Err(error),
                Err(_) => break,
            }
            let (now, later) = rest.split_at(self.run(units).min(rest.len()));
            let mut turn = self.end.turn();
            let mut first = self.first();
            // A part of what is in the ring.
            let written = u32::try_from(now.len()).unwrap_or(0).wrapping_mul(units);
            if crate::planted!("records-published-early") {
                self.end.advance(written);
            }
            for record in now {
                self.look_ahead(first, units);
                self.data.store_headed(first, pack(len, turn), record, Site::RingBody);
                turn = turn.wrapping_add(units);
                first = first.wrapping_add(N).wrapping_add(1);
            }
            self.end.advance(if crate::planted!("records-published-early") { 0 } else { written });
            rest = later;
            if self.end.room() < units {
                break;
            }
        }
        Ok(records.len().wrapping_sub(rest.len()))
    }

    /// How many records of so many units follow each other without a skip, a look at the consumer, or a
    /// publication that is due before.
    #[inline(always)]
    fn run(&self, units: u32) -> usize {
        let to_end = self.end.units().wrapping_sub(self.end.offset());
        let most = self.end.room().min(to_end).checked_div(units).unwrap_or(0);
        usize::try_from(most.min(self.end.due().div_ceil(units.max(1)))).unwrap_or(0)
    }

    /// Writes, by `body`, a header and what belongs behind it (STR-7).
    #[inline(always)]
    fn put(&mut self, len: usize, body: impl FnOnce(&W, usize, u64)) -> Result<(), Error> {
        let len = u32::try_from(len).map_err(|_| Error::TooLong)?;
        if len > self.max_record() {
            return Err(Error::TooLong);
        }
        let units = record_units(len).ok_or(Error::TooLong)?;
        let to_end = self.end.units().wrapping_sub(self.end.offset());
        // It lies in one piece: what does not fit before the end begins at the start (STR-8).
        let skip = if units > to_end { to_end } else { 0 };
        self.make_room(units.wrapping_add(skip))?;
        if skip > 0 {
            let head = pack(RecordLength::SKIP.0, self.end.turn());
            self.data.store(self.first(), head, Site::RingBody);
            self.end.at = self.end.at.wrapping_add(skip);
        }
        self.look_ahead(self.first(), units);
        body(&self.data, self.first(), pack(len, self.end.turn()));
        self.end.advance(units);
        Ok(())
    }

    /// Asks for the lines that come after a record of `units` at `first`. Long records find their lines by
    /// themselves, and short ones share theirs.
    #[inline(always)]
    fn look_ahead(&self, first: usize, units: u32) {
        let units = words(units);
        if (LINE_WORDS..AHEAD).contains(&units) {
            for line in (0..units).step_by(LINE_WORDS) {
                look_ahead(&self.data, first.wrapping_add(line), words(self.end.units()));
            }
        }
    }

    /// Index of the word at the own position.
    #[inline(always)]
    fn first(&self) -> usize {
        words(self.end.offset())
    }

    /// Checks for room, looking at the consumer if there is too little by what is known.
    #[inline(always)]
    fn make_room(&mut self, units: u32) -> Result<(), Error> {
        self.end.check()?;
        if self.end.room() >= units { Ok(()) } else { self.look_for_room(units) }
    }

    #[inline(never)]
    fn look_for_room(&mut self, units: u32) -> Result<(), Error> {
        // What is not published cannot be taken.
        self.end.publish();
        self.end.look()?;
        if self.end.room() >= units { Ok(()) } else { Err(Error::Full) }
    }

    /// Publishes what was written. To be called before the producer does something else for long.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] once latched.
    #[inline]
    pub fn flush(&mut self) -> Result<(), Error> {
        self.end.check()?;
        self.end.publish();
        Ok(())
    }

    /// Publishes, and asks to be woken when there is room for a record of `len` bytes, at most
    /// [`Self::max_record`]. `true`: there is none yet, the caller may sleep (STR-11).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the consumer broke the protocol.
    pub fn arm(&mut self, len: u32) -> Result<bool, Error> {
        let units = record_units(len.min(self.max_record())).unwrap_or(u32::MAX);
        let to_end = self.end.units().wrapping_sub(self.end.offset());
        let skip = if units > to_end { to_end } else { 0 };
        self.end.arm(self.end.at_room(units.saturating_add(skip)))
    }

    /// Where this side stands, for whoever saves it.
    #[must_use]
    pub const fn state(&self) -> EndState {
        self.end.state()
    }

    /// Why the ring is corrupt on this side, if it is.
    #[must_use]
    pub const fn corrupt(&self) -> Option<Corrupt> {
        self.end.corrupt()
    }

    /// The consumer's state word; `UNBOUND` before it came and after it left.
    #[must_use]
    pub fn peer(&self) -> StateWord {
        self.end.peer()
    }

    /// Publishes and leaves. The consumer can still take what is there.
    pub fn close(self) {
        self.end.close();
    }
}
