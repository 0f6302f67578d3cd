// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's end of a queue.

use super::{COMPLETION_PUBLISH, Parts, SUBMISSION_TAKE, slot};
use crate::arm::Arm;
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::role::OneThread;
use crate::wait::cold_path;
use crate::words::Words;
use tenon_abi::call::{COMPLETION_WORDS, KICK_AT, SUBMISSION_WORDS, pack, unpack};
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

impl Fetched {
    #[inline(always)]
    fn new(body: [u64; SUBMISSION_WORDS - 1], word: u64) -> Self {
        let tail = Tail::from_word(word);
        Self { op: Op(tail.code), id: tail.id, submission: Submission::from_words(whole(body, word)) }
    }
}

/// What [`Completer::answer`] did.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Submissions that were fetched, answered and completed.
    pub answered: u32,
    /// What came behind them: another submission, or why there is none, as [`Completer::fetch`] says it.
    /// `None` when the budget ended first.
    pub next: Result<Option<Next>, Error>,
}

/// A submission of which only the tail was loaded: [`Completer::fetch_next`] fetches the rest.
#[derive(Clone, Copy, Debug)]
pub struct Next(u64);

/// Where a completer stands: everything private, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompleterState {
    /// Position of the next submission to fetch.
    pub fetched: u32,
    /// Position of the next completion to write.
    pub completed: u32,
    /// Bit n of the whole: id n is in flight.
    pub in_flight: [u64; 64],
    /// Which armed completion was answered.
    pub arm: Arm,
    /// Why the queue is corrupt, if it is.
    pub corrupt: Option<Corrupt>,
}

impl CompleterState {
    /// Nothing is in flight, and what comes next is at `position`.
    #[must_use]
    pub const fn at(position: u32) -> Self {
        Self { fetched: position, completed: position, in_flight: [0; 64], arm: Arm::new(), corrupt: None }
    }
}

/// Fetches submissions and writes completions.
#[derive(Debug)]
pub struct Completer<W> {
    submissions: W,
    completions: W,
    armed: W,
    kick: W,
    seed: u32,
    depth: u32,
    state: CompleterState,
    _role: OneThread,
}

impl<W: Words> Completer<W> {
    /// A completer that goes on at `state`, over parts that hold `depth` slots.
    pub(super) fn over(parts: Parts<W>, seed: u32, depth: u32, state: CompleterState) -> Self {
        let Parts { submissions, completions, armed, kick } = parts;
        Self { submissions, completions, armed, kick, seed, depth, state, _role: OneThread::default() }
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
    /// [`Error::Empty`] if it is not, [`Error::Full`] while `depth` are in flight, [`Error::Corrupt`] once
    /// latched (CALL-6).
    #[inline]
    pub fn fetch(&mut self) -> Result<Fetched, Error> {
        let next = self.next()?;
        self.fetch_next(next)
    }

    /// Looks at the tail of the next submission alone, for [`Self::fetch_next`].
    ///
    /// # Errors
    ///
    /// As [`Self::fetch`].
    #[inline]
    pub fn next(&self) -> Result<Next, Error> {
        self.check_ready()?;
        let word = self.submissions.load(self.next_tail(), Site::SubmissionTake);
        if self.is_next(word) { Ok(Next(word)) } else { Err(Error::Empty) }
    }

    /// Index of the tail of the next submission.
    #[inline(always)]
    fn next_tail(&self) -> usize {
        let first = slot(self.state.fetched, self.depth, SUBMISSION_WORDS);
        first.wrapping_add(SUBMISSION_WORDS.wrapping_sub(1))
    }

    /// Whether a tail is that of the next submission (CALL-4).
    #[inline(always)]
    const fn is_next(&self, word: u64) -> bool {
        Tail::from_word(word).turn == turn(self.seed, self.state.fetched)
    }

    /// As [`Self::fetch`], but submissions of the operation `op` are completed on the spot with what `answer`
    /// says, at most `budget` of them. The first of another operation is fetched.
    ///
    /// What is answered so is never in flight, which saves it the books; nothing else differs.
    pub fn answer(
        &mut self,
        budget: u32,
        op: Op,
        answer: impl FnMut(&Submission) -> Result<u64, Status>,
    ) -> Run {
        if let Err(error) = self.check_ready() {
            return Run { answered: 0, next: Err(error) };
        }
        let (answered, behind) = if self.in_flight() == 0 {
            self.answer_from::<true>(budget, op, answer)
        } else {
            self.answer_from::<false>(budget, op, answer)
        };
        let next = match behind {
            Some(word) if !self.is_next(word) => Err(Error::Empty),
            behind => Ok(behind.map(Next)),
        };
        Run { answered, next }
    }

    /// Fetches a submission whose tail was looked at, and which is not loaded again.
    ///
    /// # Errors
    ///
    /// As [`Self::fetch`].
    #[inline]
    pub fn fetch_next(&mut self, next: Next) -> Result<Fetched, Error> {
        self.check_ready()?;
        let Next(word) = next;
        if !self.is_next(word) {
            return Err(Error::Empty);
        }
        let at = slot(self.state.fetched, self.depth, SUBMISSION_WORDS);
        let body = self.submissions.load_run(at, Site::SubmissionBody);
        self.admit(Fetched::new(body, word))
    }

    /// The number answered, and the tail at which that ended, unless the budget did. The loop is alone in its
    /// function, because it needs all registers.
    ///
    /// `IDLE`: nothing is in flight. Then submissions and completions stand at the same position, have the
    /// same turn, and no id is a duplicate.
    #[inline(never)]
    fn answer_from<const IDLE: bool>(
        &mut self,
        budget: u32,
        op: Op,
        mut answer: impl FnMut(&Submission) -> Result<u64, Status>,
    ) -> (u32, Option<u64>) {
        let (first, completed) = (self.state.fetched, self.state.completed);
        let (seed, depth) = (self.seed, self.depth);
        let (submissions, completions) = (self.submissions.clone(), self.completions.clone());
        let mut position = first;
        let end = first.wrapping_add(budget);
        let ids = pack(depth.wrapping_sub(1).wrapping_shl(16), 0);
        // Neither the number in flight nor the latch changes in here, so `check_ready` holds throughout.
        let behind = loop {
            if position == end {
                break None;
            }
            let at = slot(position, depth, SUBMISSION_WORDS);
            // This operation and turn, and any of the ids that there are: one comparison for all three.
            let expected = pack(u32::from(op.0), turn(seed, position));
            let wanted = |word: u64| {
                (word ^ expected) & !ids == 0 && (IDLE || !self.is_in_flight(Tail::from_word(word).id))
            };
            let (word, body) = submissions.take(at, wanted, SUBMISSION_TAKE);
            let Some(body) = body else { break Some(word) };
            let tail = Tail::from_word(word);
            let place = if IDLE { position } else { completed.wrapping_add(position.wrapping_sub(first)) };
            let turn = if IDLE { tail.turn } else { turn(seed, place) };
            let at = slot(place, depth, COMPLETION_WORDS);
            let done = |status: Status| Tail { code: status.0, id: tail.id, turn }.to_word();
            match answer(&Submission::from_words(whole(body, word))) {
                Ok(value) => completions.publish::<1>(at, |_| value, done(Status::OK), COMPLETION_PUBLISH),
                Err(status) => {
                    cold_path();
                    completions.publish::<1>(at, |_| 0, done(status), COMPLETION_PUBLISH);
                }
            }
            position = position.wrapping_add(1);
        };
        let answered = position.wrapping_sub(first);
        self.state.fetched = position;
        self.state.completed = completed.wrapping_add(answered);
        (answered, behind)
    }

    /// Whether another submission may be fetched.
    #[inline(always)]
    fn check_ready(&self) -> Result<(), Error> {
        if let Some(corrupt) = self.state.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        if self.in_flight() >= self.depth {
            return Err(Error::Full);
        }
        Ok(())
    }

    /// Takes what lies at the next position into the books, or latches (CALL-6).
    #[inline(always)]
    fn admit(&mut self, fetched: Fetched) -> Result<Fetched, Error> {
        if u32::from(fetched.id) >= self.depth {
            return Err(self.latch(Reason::BAD_ID));
        }
        let (index, bit) = place(fetched.id);
        match self.state.in_flight.get_mut(index) {
            Some(bits) if *bits & bit == 0 => *bits |= bit,
            _ => return Err(self.latch(Reason::DUPLICATE_ID)),
        }
        self.state.fetched = self.state.fetched.wrapping_add(1);
        Ok(fetched)
    }

    /// Whether `id` is in flight.
    #[must_use]
    #[inline]
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
        self.write(self.state.completed, id, status, value);
        self.state.completed = self.state.completed.wrapping_add(1);
        true
    }

    /// Writes the completion at `position`.
    #[inline(always)]
    fn write(&self, position: u32, id: u16, status: Status, value: u64) {
        let value = if status == Status::OK { value } else { 0 };
        let tail = Tail { code: status.0, id, turn: turn(self.seed, position) };
        let at = slot(position, self.depth, COMPLETION_WORDS);
        self.completions.publish::<1>(at, |_| value, tail.to_word(), COMPLETION_PUBLISH);
    }

    /// To be asked after completions were written, once for all of them: whether the guest is owed an upcall
    /// (CALL-16).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the armed word's high half is not zero, now or before.
    #[inline]
    pub fn owes_upcall(&mut self) -> Result<bool, Error> {
        if self.armed.is_empty() {
            return Ok(false);
        }
        self.armed.fence(Site::WakeFence);
        let (armed, high) = unpack(self.armed.load(0, Site::ArmedRead));
        if high != 0 {
            return Err(self.latch(Reason::BAD_ARMED));
        }
        Ok(self.state.arm.reached(armed, self.state.completed))
    }

    /// Says that kicks are wanted from the next submission on, and looks for that once more. `true`: it is
    /// not there, and the host may stop looking until it is kicked (CALL-26). The first such call ends the
    /// time in which every kick is wanted.
    #[must_use = "a submission that is there already may come without a kick"]
    #[inline]
    pub fn rest(&mut self) -> bool {
        self.kick.store(0, KICK_AT | u64::from(self.state.fetched), Site::KickPublish);
        self.kick.fence(Site::RestFence);
        !self.is_ready()
    }

    /// Whether a submission is there and may be fetched.
    #[must_use]
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.next().is_ok()
    }

    /// Number of submissions in flight.
    #[must_use]
    #[inline]
    pub const fn in_flight(&self) -> u32 {
        self.state.fetched.wrapping_sub(self.state.completed)
    }

    /// What was latched first stands (CALL-15).
    fn latch(&mut self, reason: Reason) -> Error {
        let corrupt = *self.state.corrupt.get_or_insert(Corrupt { reason, position: self.state.fetched });
        Error::Corrupt(corrupt)
    }
}

/// Word and bit of an id in the bitmap.
#[inline(always)]
fn place(id: u16) -> (usize, u64) {
    (usize::from(id >> 6), 1u64.wrapping_shl(u32::from(id & 63)))
}

/// A slot's words: the tail is the one that was checked, not a second look at it.
#[inline(always)]
fn whole(body: [u64; SUBMISSION_WORDS - 1], tail: u64) -> [u64; SUBMISSION_WORDS] {
    let [w0, w1, w2, w3, w4, w5, w6] = body;
    [w0, w1, w2, w3, w4, w5, w6, tail]
}
