// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls from submission to result with the queue in hand: no step looks at what only somebody else could
//! have changed, and an id that comes back at once stays where it is.

use super::submitter::{State, store};
use super::{COMPLETION_TAKE, Outcome, Submitter, Ticket, slot};
use crate::error::Error;
use crate::order::Site;
use crate::wait::cold_path;
use crate::words::{Words, look_ahead};
use tenon_abi::call::{COMPLETION_WORDS, SUBMISSION_WORDS, pack};
use tenon_abi::{Status, Submission, Tail, turn};

/// A call between its first and its second step.
#[derive(Debug)]
#[must_use = "the result of a call is taken, or its id is lost"]
pub struct Begun {
    id: u16,
}

/// A call whose result was not there at once.
#[derive(Debug)]
#[must_use = "the result of a call is taken, or its id is lost"]
pub struct Unusual {
    id: u16,
    /// The tail that came next.
    word: u64,
}

impl<W: Words, const D: usize> Submitter<W, D> {
    /// Publishes a submission, calls `kick` if the host wants that, and takes the result if it is there; the
    /// ticket comes back while it is not.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] while `D` submissions are without a taken result, [`Error::Corrupt`] once latched.
    #[inline]
    pub fn call(
        &mut self,
        submission: &Submission,
        kick: impl FnOnce(),
    ) -> Result<Result<Outcome, Ticket>, Error> {
        let begun = self.begin(submission)?;
        if self.wants_kick() {
            kick();
        }
        match self.end(begun) {
            Ok(outcome) => Ok(Ok(outcome)),
            Err(unusual) => self.settle(unusual),
        }
    }

    /// The first step of [`Self::call`]: publishes a submission. Nothing but [`Self::wants_kick`] comes
    /// between it and the next step, [`Self::end`].
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    #[inline(always)]
    pub fn begin(&mut self, submission: &Submission) -> Result<Begun, Error> {
        if let Some(corrupt) = self.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        let last = self.free_len.checked_sub(1).ok_or(Error::Full)?;
        // The mask changes nothing: the stack's places are below `D`. It spares the check.
        let id = self.free.get(last & Self::MASK).copied().unwrap_or(0);
        let position = self.next;
        self.next = position.wrapping_add(1);
        store(&self.submissions, Self::DEPTH, position, turn(self.seed, position), id, submission);
        Ok(Begun { id })
    }

    /// The second step: takes the result if it is what came next, as it usually is.
    ///
    /// # Errors
    ///
    /// What [`Self::settle`], the third step, is then to be given.
    #[inline(always)]
    pub fn end(&mut self, begun: Begun) -> Result<Outcome, Unusual> {
        let Begun { id } = begun;
        match look::<W, D>(&self.completions, self.reaped, self.seed, id) {
            (word, Some([value])) => {
                self.reaped = self.reaped.wrapping_add(1);
                Ok(Outcome { status: Status(Tail::from_word(word).code), value })
            }
            (word, None) => Err(Unusual { id, word }),
        }
    }

    /// The third step of the calls whose result was not what came next.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    #[cold]
    #[inline(never)]
    pub fn settle(&mut self, unusual: Unusual) -> Result<Result<Outcome, Ticket>, Error> {
        let Unusual { id, word } = unusual;
        self.free_len = self.free_len.wrapping_sub(1);
        self.set_state(id, State::InFlight);
        self.take_stranger(word)?;
        self.poll(Ticket { id })
    }

    /// Publishes a submission for each of `results`, made by `make` from its number, calls `kick` if the host
    /// wants that, and takes the results. While one is not there it calls `relax`, until that returns
    /// `false`: what is not there then is given up (CALL-17).
    ///
    /// # Errors
    ///
    /// [`Error::Full`], and [`Error::Corrupt`] where that was known before: nothing is published, and
    /// `results` is left alone. [`Error::Empty`] when `relax` ended it, and [`Error::Corrupt`] when it is
    /// found on the way: the results that were not taken are INDETERMINATE.
    #[inline]
    pub fn exchange(
        &mut self,
        results: &mut [Result<u64, Status>],
        mut make: impl FnMut(usize) -> Submission,
        kick: impl FnOnce(),
        relax: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        if let Some(corrupt) = self.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        let left = self.free_len.checked_sub(results.len()).ok_or(Error::Full)?;
        let (first, seed) = (self.next, self.seed);
        // The ids stay on top of the stack: who is done in order finds them there, and nobody has to put them
        // back.
        let lent = self.free.get(left..self.free_len).ok_or(Error::Full)?;
        let submissions = self.submissions.clone();
        for ((index, position), &id) in (0..).zip(Positions(first)).zip(lent.iter().rev()) {
            look_ahead(&submissions, slot(position, Self::DEPTH, SUBMISSION_WORDS), Self::WORDS);
            store(&submissions, Self::DEPTH, position, turn(seed, position), id, &make(index));
        }
        self.next = first.wrapping_add(u32::try_from(results.len()).unwrap_or(0));
        if self.wants_kick() {
            kick();
        }

        let completions = self.completions.clone();
        let mut reaped = self.reaped;
        for (result, &id) in results.iter_mut().zip(lent.iter().rev()) {
            let (word, value) = look::<W, D>(&completions, reaped, seed, id);
            let Some([value]) = value else {
                let taken = reaped.wrapping_sub(self.reaped);
                self.reaped = reaped;
                return self.finish(results, taken, word, relax);
            };
            let status = Status(Tail::from_word(word).code);
            if status == Status::OK {
                *result = Ok(value);
            } else {
                cold_path();
                *result = Err(status);
            }
            reaped = reaped.wrapping_add(1);
        }
        self.reaped = reaped;
        Ok(())
    }

    /// Goes on where the results do not come at once and in order: `taken` were, and `word` is the tail that
    /// came next.
    #[cold]
    #[inline(never)]
    fn finish(
        &mut self,
        results: &mut [Result<u64, Status>],
        taken: u32,
        word: u64,
        mut relax: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let taken = usize::try_from(taken).unwrap_or(usize::MAX);
        // A copy of the stack: from here on ids come and go.
        let ids = self.free;
        let top = self.free_len;
        self.free_len = top.wrapping_sub(results.len());
        let lent = ids.get(self.free_len..top).unwrap_or_default();
        for (index, &id) in lent.iter().rev().enumerate() {
            self.set_state(id, State::InFlight);
            if index < taken {
                self.release(id);
            }
        }
        let mut ended = self.take_stranger(word).err();
        for (result, &id) in results.iter_mut().zip(lent.iter().rev()).skip(taken) {
            let mut ticket = Ticket { id };
            *result = loop {
                match self.poll(ticket) {
                    Ok(Ok(outcome)) if outcome.status == Status::OK => break Ok(outcome.value),
                    Ok(Ok(outcome)) => break Err(outcome.status),
                    Ok(Err(back)) if ended.is_none() && relax() => ticket = back,
                    Ok(Err(back)) => {
                        self.abandon(back);
                        ended = ended.or(Some(Error::Empty));
                        break Err(Status::INDETERMINATE);
                    }
                    Err(why) => {
                        ended = Some(why);
                        break Err(Status::INDETERMINATE);
                    }
                }
            };
        }
        ended.map_or(Ok(()), Err)
    }

    /// Takes the completion of which only the tail was looked at, if it is one.
    fn take_stranger(&mut self, word: u64) -> Result<(), Error> {
        let tail = Tail::from_word(word);
        if tail.turn != turn(self.seed, self.reaped) {
            return Ok(());
        }
        let at = slot(self.reaped, Self::DEPTH, COMPLETION_WORDS);
        let value = self.completions.load(at, Site::CompletionBody);
        self.book(tail, value)
    }

    fn set_state(&mut self, id: u16, to: State) {
        if let Some(state) = self.states.get_mut(usize::from(id)) {
            *state = to;
        }
    }
}

/// The tail of the completion at `position`, and its value if it is that of `id`.
#[inline(always)]
fn look<W: Words, const D: usize>(
    completions: &W,
    position: u32,
    seed: u32,
    id: u16,
) -> (u64, Option<[u64; 1]>) {
    let at = slot(position, Submitter::<W, D>::DEPTH, COMPLETION_WORDS);
    // Without the turn and the id what is left is the status.
    let expected = pack(u32::from(id).wrapping_shl(16), turn(seed, position));
    completions.take(at, |word| word ^ expected <= u64::from(u16::MAX), COMPLETION_TAKE)
}

/// Positions from one on, modulo 2^32.
struct Positions(u32);

impl Iterator for Positions {
    type Item = u32;

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let position = self.0;
        self.0 = position.wrapping_add(1);
        Some(position)
    }
}
