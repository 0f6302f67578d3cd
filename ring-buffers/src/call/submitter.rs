// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's end of a queue.

use super::{COMPLETION_TAKE, Parts, SUBMISSION_PUBLISH, slot};
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::role::OneThread;
use crate::words::{Words, look_ahead};
use core::cell::Cell;
use tenon_abi::call::{COMPLETION_WORDS, KICK_AT, SUBMISSION_WORDS, unpack};
use tenon_abi::{Completion, Reason, Status, Submission, Tail, turn};

/// The right to the result of one submission. Not `Clone`: a result is taken once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a ticket that is dropped keeps its id for ever: take its result, or abandon it"]
pub struct Ticket {
    pub(super) id: u16,
}

impl Ticket {
    /// The request's id on the wire.
    #[must_use]
    pub const fn id(&self) -> u16 {
        self.id
    }
}

/// What a completion said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status.
    pub status: Status,
    /// The value: meaningful if the status is OK.
    pub value: u64,
}

/// Private bookkeeping of one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    InFlight,
    /// In flight, and nobody waits: the id is free again when the completion arrives (CALL-17).
    Abandoned,
    /// Its outcome came before its ticket asked: most never pass through here.
    Done {
        status: Status,
        value: u64,
    },
}

/// Publishes submissions and takes completions. `D` is the depth.
///
/// An id is handed out only when its last completion was taken, so at most `D` submissions are without one.
/// Among the last `D` positions there is then always one that was completed, hence fetched, and the slot of
/// the next position is free (CALL-8).
#[derive(Debug)]
pub struct Submitter<W, const D: usize> {
    pub(super) submissions: W,
    pub(super) completions: W,
    armed: W,
    kick: W,
    /// What `next` was when it was last asked whether the host is to be kicked.
    asked: Cell<u32>,
    pub(super) seed: u32,
    /// Position of the next submission.
    pub(super) next: u32,
    /// Position of the next completion.
    pub(super) reaped: u32,
    /// Stack of the free ids: the first `free_len`.
    pub(super) free: [u16; D],
    pub(super) free_len: usize,
    pub(super) states: [State; D],
    pub(super) corrupt: Option<Corrupt>,
    _role: OneThread,
}

impl<W: Words, const D: usize> Submitter<W, D> {
    pub(super) const DEPTH: u32 = {
        assert!(D.is_power_of_two() && D <= 4096, "the depth is a power of two from 1 to 4096 (CALL-1)");
        #[allow(clippy::as_conversions, reason = "at most 4096, and there is no const TryFrom")]
        let depth = D as u32;
        depth
    };
    pub(super) const MASK: usize = D.wrapping_sub(1);
    pub(super) const WORDS: usize = D.wrapping_mul(SUBMISSION_WORDS);

    /// A submitter at a position, over parts that hold `D` slots.
    #[inline(always)]
    pub(super) fn over(parts: Parts<W>, seed: u32, position: u32) -> Self {
        let Parts { submissions, completions, armed, kick } = parts;
        let mut free = [0; D];
        // Handed out from the end: id 0 first.
        for (id, place) in (0u16..).zip(free.iter_mut().rev()) {
            *place = id;
        }
        Self {
            submissions,
            completions,
            armed,
            kick,
            asked: Cell::new(position),
            seed,
            next: position,
            reaped: position,
            free,
            free_len: D,
            states: [State::Free; D],
            corrupt: None,
            _role: OneThread::default(),
        }
    }

    /// Publishes a submission; its id and turn are filled in here.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] while `D` submissions are without a taken result, [`Error::Corrupt`] once latched.
    #[inline]
    pub fn submit(&mut self, submission: Submission) -> Result<Ticket, Error> {
        if let Some(corrupt) = self.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        let last = self.free_len.checked_sub(1).ok_or(Error::Full)?;
        let ticket = self.publish(self.next, last, submission);
        self.free_len = last;
        self.next = self.next.wrapping_add(1);
        Ok(ticket)
    }

    /// Writes the slot of `position` with the id at `last` in the stack of the free ones.
    #[inline(always)]
    fn publish(&mut self, position: u32, last: usize, submission: Submission) -> Ticket {
        // The masks change nothing: the stack's places and its ids are below `D`. They spare the checks.
        let id = self.free.get(last & Self::MASK).copied().unwrap_or(0);
        if let Some(state) = self.states.get_mut(usize::from(id) & Self::MASK) {
            *state = State::InFlight;
        }
        look_ahead(&self.submissions, slot(position, Self::DEPTH, SUBMISSION_WORDS), Self::WORDS);
        store(&self.submissions, Self::DEPTH, position, turn(self.seed, position), id, &submission);
        Ticket { id }
    }

    /// Takes a ticket's result if it is there; the ticket comes back while it is not.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] once latched; the ticket is then gone with its queue.
    #[inline]
    pub fn poll(&mut self, ticket: Ticket) -> Result<Result<Outcome, Ticket>, Error> {
        let id = usize::from(ticket.id);
        // At most D completions can be waiting, so this ends.
        for _ in 0..=D {
            let state = self.states.get(id).copied();
            if let Some(State::Done { status, value }) = state {
                self.release(ticket.id);
                return Ok(Ok(Outcome { status, value }));
            }
            let Some((tail, value)) = self.next_completion()? else { break };
            if tail.id == ticket.id && state == Some(State::InFlight) {
                // The usual case: what comes next is what was asked for.
                self.reaped = self.reaped.wrapping_add(1);
                self.release(ticket.id);
                return Ok(Ok(Outcome { status: Status(tail.code), value }));
            }
            self.book(tail, value)?;
        }
        Ok(Err(ticket))
    }

    /// Takes the next completion, whosever it is, with its id: for who keeps books by id and polls no
    /// tickets. Completions of ids that were given up are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the host completed what was not in flight (CALL-7).
    #[inline]
    pub fn take_next(&mut self) -> Result<Option<(u16, Outcome)>, Error> {
        // At most D completions can be waiting, so this ends.
        for _ in 0..=D {
            let Some((tail, value)) = self.next_completion()? else { break };
            if self.states.get(usize::from(tail.id)) == Some(&State::InFlight) {
                self.reaped = self.reaped.wrapping_add(1);
                self.release(tail.id);
                return Ok(Some((tail.id, Outcome { status: Status(tail.code), value })));
            }
            self.book(tail, value)?;
        }
        Ok(None)
    }

    /// Takes a ticket's result if it was taken into the table before ([`Self::reap`]); the ticket comes back
    /// if it was not.
    ///
    /// # Errors
    ///
    /// The ticket.
    #[inline]
    pub fn claim(&mut self, ticket: Ticket) -> Result<Outcome, Ticket> {
        match self.states.get(usize::from(ticket.id)) {
            Some(&State::Done { status, value }) => {
                self.release(ticket.id);
                Ok(Outcome { status, value })
            }
            _ => Err(ticket),
        }
    }

    /// Gives a ticket up: its id stays in use until the completion arrives (CALL-17).
    pub fn abandon(&mut self, ticket: Ticket) {
        match self.states.get_mut(usize::from(ticket.id)) {
            Some(State::Done { .. }) => self.release(ticket.id),
            Some(state @ State::InFlight) => *state = State::Abandoned,
            // A ticket of another queue: this one's books stay as they are.
            _ => {}
        }
    }

    /// Takes the next completion, if it is there, into the private table.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the host completed what was not in flight (CALL-7).
    #[inline]
    pub fn reap(&mut self) -> Result<bool, Error> {
        match self.next_completion()? {
            Some((tail, value)) => self.book(tail, value).map(|()| true),
            None => Ok(false),
        }
    }

    /// A copy of the next completion, if it is there (CALL-3).
    #[inline(always)]
    fn next_completion(&self) -> Result<Option<(Tail, u64)>, Error> {
        if let Some(corrupt) = self.corrupt {
            return Err(Error::Corrupt(corrupt));
        }
        let at = slot(self.reaped, Self::DEPTH, COMPLETION_WORDS);
        let expected = turn(self.seed, self.reaped);
        let there = |word| Tail::from_word(word).turn == expected;
        let (word, body) = self.completions.take(at, there, COMPLETION_TAKE);
        Ok(body.map(|[value]| (Tail::from_word(word), value)))
    }

    /// Takes the next completion into the table, or latches (CALL-7).
    #[inline(never)]
    pub(super) fn book(&mut self, tail: Tail, value: u64) -> Result<(), Error> {
        match self.states.get_mut(usize::from(tail.id)) {
            Some(state @ State::InFlight) => *state = State::Done { status: Status(tail.code), value },
            Some(State::Abandoned) => self.release(tail.id),
            _ => {
                let corrupt = Corrupt { reason: Reason::UNKNOWN_ID, position: self.reaped };
                self.corrupt = Some(corrupt);
                return Err(Error::Corrupt(corrupt));
            }
        }
        self.reaped = self.reaped.wrapping_add(1);
        Ok(())
    }

    /// Whether the next completion is there, without taking it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let at = slot(self.reaped, Self::DEPTH, COMPLETION_WORDS).wrapping_add(1);
        let tail = Tail::from_word(self.completions.load(at, Site::CompletionTake));
        tail.turn == turn(self.seed, self.reaped)
    }

    /// To be asked after submissions were published, once for all of them: whether the host is to be kicked
    /// (CALL-25, CALL-26).
    #[must_use = "a host that sleeps learns of submissions by its doorbell"]
    #[inline]
    pub fn wants_kick(&self) -> bool {
        let asked = self.asked.replace(self.next);
        if self.kick.is_empty() {
            return true;
        }
        // Where every kick is wanted it takes no fence to know: a look that is too old rings once too often.
        let counts = |word: u64| word.wrapping_shr(32) == KICK_AT.wrapping_shr(32);
        if counts(self.kick.load(0, Site::KickRead)) {
            self.kick.fence(Site::KickFence);
            let word = self.kick.load(0, Site::KickRead);
            if counts(word) {
                let published = self.next.wrapping_sub(asked);
                let behind = self.next.wrapping_sub(1).wrapping_sub(unpack(word).0);
                return behind < published
                    || (crate::planted!("kick-signed") && behind > i32::MAX.unsigned_abs());
            }
        }
        true
    }

    /// Arms at the next completion. `true`: it is not there, and who waits may sleep until the upcall
    /// (CALL-16).
    #[must_use]
    #[inline]
    pub fn arm(&mut self) -> bool {
        self.armed.store(0, u64::from(self.reaped), Site::ArmedPublish);
        self.armed.fence(Site::ArmFence);
        !self.is_ready()
    }

    /// Asks for no upcalls until the next [`Self::arm`]: the armed position moves half the circle ahead.
    pub fn disarm(&mut self) {
        let circle = if crate::planted!("disarm-completions-whole") { u32::MAX } else { u32::MAX >> 1 };
        let far = self.reaped.wrapping_add(circle);
        self.armed.store(0, u64::from(far), Site::ArmedPublish);
    }

    /// Position of the next completion.
    #[must_use]
    pub const fn reaped(&self) -> u32 {
        self.reaped
    }

    /// Submissions whose results have not been taken.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        D.saturating_sub(self.free_len)
    }

    /// Ids that were given up and whose completions have not arrived.
    #[must_use]
    pub fn quarantined(&self) -> usize {
        self.states.iter().filter(|state| matches!(state, State::Abandoned)).count()
    }

    /// Why the queue is corrupt on this side, if it is.
    #[must_use]
    pub const fn corrupt(&self) -> Option<Corrupt> {
        self.corrupt
    }

    /// The id is below `D`, and not free.
    #[inline(always)]
    pub(super) fn release(&mut self, id: u16) {
        if let (Some(state), Some(place)) =
            (self.states.get_mut(usize::from(id)), self.free.get_mut(self.free_len & Self::MASK))
        {
            *state = State::Free;
            *place = id;
            self.free_len = self.free_len.wrapping_add(1);
        }
    }
}

/// Writes a slot (CALL-2).
#[inline(always)]
pub(super) fn store<W: Words>(
    submissions: &W,
    depth: u32,
    position: u32,
    turn: u32,
    id: u16,
    submission: &Submission,
) {
    let code = Tail::from_word(submission.word(SUBMISSION_WORDS - 1)).code;
    let tail = Tail { code, id, turn };
    let at = slot(position, depth, SUBMISSION_WORDS);
    // Word by word, each from where it lies: all at once take more registers than there are.
    submissions.publish::<{ SUBMISSION_WORDS - 1 }>(
        at,
        |number| submission.word(number),
        tail.to_word(),
        SUBMISSION_PUBLISH,
    );
}

/// A completion as the table keeps it.
impl From<Completion> for Outcome {
    fn from(completion: Completion) -> Self {
        Self { status: completion.status(), value: completion.value.get() }
    }
}
