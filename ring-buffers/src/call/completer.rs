// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's end of a queue.

use super::{check_sizes, slot};
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::words::Words;
use tenon_abi::call::{COMPLETION_WORDS, SUBMISSION_WORDS};
use tenon_abi::{Op, Reason, Status, Submission, Tail, turn};

/// A fetched submission: a private copy (GEN-6).
#[derive(Clone, Copy, Debug)]
pub struct Fetched {
    /// The operation.
    pub op: Op,
    /// The id: below the depth and in flight from now on.
    pub id: u16,
    /// The whole slot.
    pub submission: Submission,
}

/// Where a completer stands: everything private, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompleterState {
    /// Position of the next submission to fetch.
    pub fetched: u32,
    /// Position of the next completion to write.
    pub completed: u32,
    /// Bit n of the whole: id n is in flight.
    pub in_flight: [u64; 64],
    /// Why the queue is corrupt, if it is.
    pub corrupt: Option<Corrupt>,
}

/// Fetches submissions and writes completions.
#[derive(Clone, Debug)]
pub struct Completer<W> {
    submissions: W,
    completions: W,
    seed: u32,
    depth: u32,
    state: CompleterState,
}

impl<W: Words> Completer<W> {
    /// A completer at position 0.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if `depth` is not a power of two from 1 to 4096 or a part is too small for it.
    pub fn new(submissions: W, completions: W, seed: u32, depth: u32) -> Result<Self, Error> {
        Self::resume(
            submissions,
            completions,
            seed,
            depth,
            CompleterState { fetched: 0, completed: 0, in_flight: [0; 64], corrupt: None },
        )
    }

    /// A completer that goes on where another stood.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if `depth` is not a power of two from 1 to 4096 or a part is too small for it.
    pub fn resume(
        submissions: W,
        completions: W,
        seed: u32,
        depth: u32,
        state: CompleterState,
    ) -> Result<Self, Error> {
        check_sizes(&submissions, &completions, depth)?;
        Ok(Self { submissions, completions, seed, depth, state })
    }

    /// The depth.
    #[must_use]
    pub const fn depth(&self) -> u32 {
        self.depth
    }

    /// Where this completer stands.
    #[must_use]
    pub const fn state(&self) -> &CompleterState {
        &self.state
    }

    /// Copies the next submission, if it is there (CALL-2, CALL-8).
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] if it is not, [`Error::Full`] while `depth` are in flight, [`Error::Corrupt`] once latched (CALL-6).
    #[inline]
    pub fn fetch(&mut self) -> Result<Fetched, Error> {
        if let Some(corrupt) = self.state.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        if self.state.fetched.wrapping_sub(self.state.completed) >= self.depth {
            return Err(Error::Full);
        }
        let at = slot(self.state.fetched, self.depth, SUBMISSION_WORDS);
        let word = self.submissions.load(at.wrapping_add(7), Site::SubmissionTake);
        let tail = Tail::from_word(word);
        if tail.turn != turn(self.seed, self.state.fetched) {
            return Err(Error::Empty);
        }
        if u32::from(tail.id) >= self.depth {
            return Err(self.latch(Reason::BAD_ID));
        }
        let (index, bit) = place(tail.id);
        match self.state.in_flight.get_mut(index) {
            Some(bits) if *bits & bit == 0 => *bits |= bit,
            _ => return Err(self.latch(Reason::DUPLICATE_ID)),
        }
        let mut words = [0; SUBMISSION_WORDS];
        for (index, to) in (at..).zip(words.iter_mut().take(7)) {
            *to = self.submissions.load(index, Site::SubmissionBody);
        }
        // The tail that was checked, not a second look at it.
        if let Some(last) = words.last_mut() {
            *last = word;
        }
        self.state.fetched = self.state.fetched.wrapping_add(1);
        Ok(Fetched { op: Op(tail.code), id: tail.id, submission: Submission::from_words(words) })
    }

    /// Whether `id` is in flight.
    #[must_use]
    pub fn is_in_flight(&self, id: u16) -> bool {
        let (index, bit) = place(id);
        self.state.in_flight.get(index).is_some_and(|bits| bits & bit != 0)
    }

    /// Writes the completion of `id`; `false`, with nothing written, if it is not in flight (CALL-7).
    #[inline]
    pub fn complete(&mut self, id: u16, status: Status, value: u64) -> bool {
        let (index, bit) = place(id);
        match self.state.in_flight.get_mut(index) {
            Some(bits) if *bits & bit != 0 => *bits &= !bit,
            _ => return false,
        }
        let value = if status == Status::OK { value } else { 0 };
        let at = slot(self.state.completed, self.depth, COMPLETION_WORDS);
        let tail = Tail { code: status.0, id, turn: turn(self.seed, self.state.completed) };
        self.completions.store(at, value, Site::CompletionBody);
        self.completions.store(at.wrapping_add(1), tail.to_word(), Site::CompletionPublish);
        self.state.completed = self.state.completed.wrapping_add(1);
        true
    }

    /// Latches the queue corrupt for a breach that was seen outside of it: a bad armed word (CALL-16).
    pub const fn latch_corrupt(&mut self, corrupt: Corrupt) {
        if self.state.corrupt.is_none() {
            self.state.corrupt = Some(corrupt);
        }
    }

    /// Number of submissions in flight.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.state.fetched.wrapping_sub(self.state.completed)
    }

    fn latch(&mut self, reason: Reason) -> Error {
        let corrupt = Corrupt { reason, position: self.state.fetched };
        self.state.corrupt = Some(corrupt);
        Error::Corrupt(corrupt)
    }
}

/// Word and bit of an id in the bitmap.
#[inline(always)]
fn place(id: u16) -> (usize, u64) {
    (usize::from(id >> 6), 1u64.wrapping_shl(u32::from(id & 63)))
}
