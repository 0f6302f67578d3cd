// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's end of the emergency lane: a queue of depth 1, whose only id is 0 (CALL-23).

use super::submitter::store;
use super::{COMPLETION_TAKE, Outcome};
use crate::error::{Corrupt, Error};
use crate::role::OneThread;
use crate::words::Words;
use tenon_abi::call::{COMPLETION_WORDS, SUBMISSION_WORDS};
use tenon_abi::{Reason, Status, Submission, Tail, turn};

/// Publishes one submission at a time and takes its completion: a [`super::Submitter`] of depth 1 without the
/// table that more of them need. One that nobody waits for any more is in the way until it is completed
/// (CALL-17).
///
/// ```
/// use core::sync::atomic::AtomicU64;
/// use tenon_abi::{Op, Submission};
/// use tenon_rings::{Error, call::Lane};
///
/// let slots = [const { AtomicU64::new(0) }; 10];
/// let (submission, completion) = slots.split_at(8);
/// let mut lane = Lane::new(submission, completion, 7)?;
/// lane.submit(Submission::new(Op::EXIT, [0; 6]))?;
/// assert_eq!(lane.take(), Ok(None));
/// assert_eq!(lane.submit(Submission::new(Op::EXIT, [0; 6])), Err(Error::Full));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Lane<W> {
    submission: W,
    completion: W,
    seed: u32,
    /// Position of the next submission, or of the one that is not completed.
    position: u32,
    is_in_flight: bool,
    corrupt: Option<Corrupt>,
    _role: OneThread,
}

impl<W: Words> Lane<W> {
    /// The lane in a session with this seed, at position 0 over cleared slots.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if a slot is too small.
    #[inline(always)]
    pub fn new(submission: W, completion: W, seed: u32) -> Result<Self, Error> {
        if submission.len() < SUBMISSION_WORDS || completion.len() < COMPLETION_WORDS {
            return Err(Error::BadSize);
        }
        let _role = OneThread::default();
        Ok(Self { submission, completion, seed, position: 0, is_in_flight: false, corrupt: None, _role })
    }

    /// Publishes a submission; its id and turn are filled in here.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] while one is not completed, [`Error::Corrupt`] once latched.
    pub fn submit(&mut self, submission: Submission) -> Result<(), Error> {
        self.take()?;
        if self.is_in_flight {
            return Err(Error::Full);
        }
        self.is_in_flight = true;
        store(&self.submission, 1, self.position, turn(self.seed, self.position), 0, &submission);
        Ok(())
    }

    /// The completion of what was submitted, if it is there.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the host completed what was not in flight (CALL-7).
    #[inline(never)]
    pub fn take(&mut self) -> Result<Option<Outcome>, Error> {
        if let Some(corrupt) = self.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        let expected = turn(self.seed, self.position);
        let there = |word| Tail::from_word(word).turn == expected;
        let (word, body) = self.completion.take(0, there, COMPLETION_TAKE);
        let Some([value]) = body else { return Ok(None) };
        let tail = Tail::from_word(word);
        if !self.is_in_flight || tail.id != 0 {
            let corrupt = Corrupt { reason: Reason::UNKNOWN_ID, position: self.position };
            self.corrupt = Some(corrupt);
            return Err(Error::Corrupt(corrupt));
        }
        self.is_in_flight = false;
        self.position = self.position.wrapping_add(1);
        Ok(Some(Outcome { status: Status(tail.code), value }))
    }
}
