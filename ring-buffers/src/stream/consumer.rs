// SPDX-License-Identifier: MIT OR Apache-2.0
//! The consumer of records.

use super::end::{Consumes, End, EndState};
use super::{Bell, Span};
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::words::Words;
use tenon_abi::Reason;
use tenon_abi::call::{pack, unpack};
use tenon_abi::status::StateWord;
use tenon_abi::stream::{RecordLength, max_record, record_units};

/// Reads records. One for each ring; obtained from [`super::ConsumerSide::records`].
///
/// The room of what was read is given back when it amounts to an eighth of the ring, when there is nothing
/// left, when the consumer arms, and by [`Self::release`].
#[derive(Debug)]
pub struct Consumer<W, B = ()> {
    end: End<W, B, Consumes>,
    data: W,
    /// The record before.
    last: Found,
}

/// A record that is there: words from its header to its end, and its length in bytes.
#[derive(Clone, Copy, Debug)]
struct Found {
    units: u32,
    len: u32,
}

impl<W: Words, B: Bell> Consumer<W, B> {
    pub(super) const fn new(end: End<W, B, Consumes>, data: W) -> Self {
        Self { end, data, last: Found { units: 1, len: 0 } }
    }

    /// The longest record that can come, in bytes.
    #[must_use]
    pub const fn max_record(&self) -> u32 {
        max_record(self.end.units())
    }

    /// Takes the next record: what `read` does not copy is gone when it returns.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] when there is none, [`Error::Corrupt`] when the producer broke the protocol.
    #[inline]
    pub fn read<T>(&mut self, read: impl FnOnce(Span<'_, W>) -> T) -> Result<T, Error> {
        self.await_one()?;
        self.take(read)
    }

    /// Takes up to `most` records, of those that are there without looking at the producer more than once.
    /// The result is their number, at least one unless `most` is zero.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] when there is none, [`Error::Corrupt`] when the producer broke the protocol; records
    /// before the breach are given out first.
    #[inline]
    pub fn drain(&mut self, most: usize, mut read: impl FnMut(Span<'_, W>)) -> Result<usize, Error> {
        self.await_one()?;
        let mut count = 0usize;
        while count < most && self.end.ahead() > 0 {
            match self.take(&mut read) {
                Ok(()) => count = count.wrapping_add(1),
                Err(error) if count == 0 => return Err(error),
                // Latched: the next call says so.
                Err(_) => break,
            }
        }
        Ok(count)
    }

    /// Takes up to `most` records of exactly `N` words, of those that are there without looking at the
    /// producer more than once: the fastest way for small records. The result is their number; it is less
    /// than `most` where a record of another length is next, or none.
    ///
    /// # Errors
    ///
    /// As [`Self::drain`].
    #[inline]
    pub fn drain_words<const N: usize>(
        &mut self,
        most: usize,
        mut read: impl FnMut([u64; N]),
    ) -> Result<usize, Error> {
        self.await_one()?;
        let len = u32::try_from(N.saturating_mul(8)).unwrap_or(u32::MAX);
        let Some(units) = record_units(len).filter(|_| len <= self.max_record()) else { return Ok(0) };
        let mut count = 0usize;
        while count < most && self.end.ahead() > 0 {
            let run = self.run(units).min(most.wrapping_sub(count));
            let (mut first, mut turn) = (self.first(), self.end.turn());
            let (mut taken, mut other) = (0u32, None);
            if crate::planted!("records-released-early") {
                self.end.advance(u32::try_from(run).unwrap_or(0).wrapping_mul(units));
            }
            for _ in 0..run {
                let head = self.data.load(first, Site::RingBody);
                if head != pack(len, turn) {
                    other = Some(head);
                    break;
                }
                read(self.data.load_run(first.wrapping_add(1), Site::RingBody));
                taken = taken.wrapping_add(1);
                turn = turn.wrapping_add(units);
                first = first.wrapping_add(N).wrapping_add(1);
            }
            self.end.advance(if crate::planted!("records-released-early") {
                0
            } else {
                taken.wrapping_mul(units)
            });
            count = count.wrapping_add(usize::try_from(taken).unwrap_or(0));
            if run > 0 && other.is_none() {
                continue;
            }
            // A record of another length, a skip, or a breach.
            let head = other.unwrap_or_else(|| self.load_header());
            let before = self.end.at;
            match self.other_record(head) {
                Ok(found) if found.len == len => {
                    read(self.data.load_run(self.first().wrapping_add(1), Site::RingBody));
                    self.end.advance(units);
                    count = count.wrapping_add(1);
                }
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
                Ok(_) => {
                    // A skip is passed together with the record behind it.
                    self.end.at = before;
                    break;
                }
            }
        }
        Ok(count)
    }

    /// How many records of so many units can follow each other in what is there, without a skip or a release
    /// that is due before.
    #[inline(always)]
    fn run(&self, units: u32) -> usize {
        let to_end = self.end.units().wrapping_sub(self.end.offset());
        let most = self.end.ahead().min(to_end).checked_div(units).unwrap_or(0);
        usize::try_from(most.min(self.end.due().div_ceil(units.max(1)))).unwrap_or(0)
    }

    /// Index of the word at the own position.
    #[inline(always)]
    fn first(&self) -> usize {
        usize::try_from(self.end.offset()).unwrap_or(0)
    }

    /// Makes sure that something is there.
    #[inline(always)]
    fn await_one(&mut self) -> Result<(), Error> {
        self.end.check()?;
        if self.end.ahead() > 0 { Ok(()) } else { self.look_for_one() }
    }

    #[inline(never)]
    fn look_for_one(&mut self) -> Result<(), Error> {
        // The producer may be waiting for this room.
        self.end.publish();
        self.end.look()?;
        if self.end.ahead() > 0 { Ok(()) } else { Err(Error::Empty) }
    }

    /// Takes the record at the own position; something is there.
    #[inline(always)]
    fn take<T>(&mut self, read: impl FnOnce(Span<'_, W>) -> T) -> Result<T, Error> {
        let word = self.load_header();
        let Found { units, len } = self.last;
        let to_end = self.end.units().wrapping_sub(self.end.offset());
        let same = word == pack(len, self.end.turn()) && units <= self.end.ahead() && units <= to_end;
        // A guess, so that the processor need not wait for one header to find the next: mostly records are as
        // long as those before.
        let Found { units, len } = if same { self.last } else { self.other_record(word)? };
        let start = self.first().wrapping_add(1).wrapping_mul(8);
        // Both are below the size of the data, which is in memory.
        let len = usize::try_from(len).unwrap_or(0);
        let value = read(Span::new(&self.data, start, len));
        self.end.advance(units);
        Ok(value)
    }

    #[inline(always)]
    fn load_header(&self) -> u64 {
        self.data.load(self.first(), Site::RingBody)
    }

    /// A record that is not as long as the one before: what its header says, checked, or what stands behind a
    /// skip.
    #[inline(never)]
    fn other_record(&mut self, word: u64) -> Result<Found, Error> {
        let found = match self.record(word) {
            Some(found) => found,
            None => self.behind_skip(word)?,
        };
        self.last = found;
        Ok(found)
    }

    /// What the header at the own position says, if that is a record which lies in what was published and
    /// before the ring's end (STR-9).
    #[inline(always)]
    fn record(&self, word: u64) -> Option<Found> {
        let (len, turn) = unpack(word);
        let units = record_units(len)?;
        let to_end = self.end.units().wrapping_sub(self.end.offset());
        let fits = len <= self.max_record() && units <= self.end.ahead() && units <= to_end;
        (turn == self.end.turn() && fits).then_some(Found { units, len })
    }

    /// What is not a record's header is a skip, with a record behind it, or a breach (STR-8, STR-9).
    fn behind_skip(&mut self, word: u64) -> Result<Found, Error> {
        let (len, turn) = unpack(word);
        let skip = self.end.units().wrapping_sub(self.end.offset());
        let at_start = self.end.offset() == 0;
        if len == RecordLength::SKIP.0 && turn == self.end.turn() && !at_start && skip < self.end.ahead() {
            // It is released together with the record behind it.
            self.end.at = self.end.at.wrapping_add(skip);
            if let Some(found) = self.record(self.load_header()) {
                return Ok(found);
            }
        }
        Err(self.end.latch(Reason::BAD_RECORD))
    }

    /// Gives back the room of what was read. To be called before the consumer does something else for long.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] once latched.
    #[inline]
    pub fn release(&mut self) -> Result<(), Error> {
        self.end.check()?;
        self.end.publish();
        Ok(())
    }

    /// Gives all room back, and asks to be woken when `bytes` of the ring are filled, headers included: at
    /// least one, at most half the ring. `true`: they are not yet, the caller may sleep (STR-11, STR-12).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the producer broke the protocol.
    pub fn arm(&mut self, bytes: u32) -> Result<bool, Error> {
        let wanted = self.end.threshold(bytes.div_ceil(8));
        self.end.arm(self.end.at.wrapping_add(wanted))
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

    /// The producer's state word; `UNBOUND` before it came and after it left.
    #[must_use]
    pub fn peer(&self) -> StateWord {
        self.end.peer()
    }

    /// Gives all room back and leaves.
    pub fn close(self) {
        self.end.close();
    }
}
