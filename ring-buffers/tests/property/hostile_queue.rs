// SPDX-License-Identifier: MIT OR Apache-2.0
//! GEN-7, GEN-8, CALL-6, CALL-7: at each step of a short history, each shared word of a queue is set to each
//! boundary value. Both ends go on without a panic, hand out no id that is out of range or in flight, and
//! stay corrupt once they are.

use crate::{memory, scribble, seed_for};
use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use tenon_abi::{Op, Reason, Status, Submission, Tail};
use tenon_rings::{Completer, Error, Submitter, Ticket};

const START: u32 = u32::MAX - 1;
const FIRST_TURN: u32 = u32::MAX - 2;
/// Submit, fetch, answer, complete, poll, exchange: each letter is one step of one side.
const HISTORY: &[u8] = b"sfcpssffccppsspaapsffasccspfcppsapxsx";

/// Tails of all turns that the history comes near to, and plain words.
fn values(depth: u16) -> Vec<u64> {
    let mut values = vec![0, 1, u64::MAX, u64::MAX >> 1, 1 << 63, u64::from(u32::MAX), 1 << 32];
    for ahead in 0..12 {
        let turn = FIRST_TURN.wrapping_add(ahead).wrapping_sub(2);
        for id in [0, depth - 1, depth, 63, 64, 4095, 4096, u16::MAX] {
            values.extend([0, Op::NOP.0, u16::MAX].map(|code| Tail { code, id, turn }.to_word()));
        }
    }
    values
}

/// Both ends of a queue, and what they were seen to do.
struct Queue<'a, const D: usize> {
    submitter: Submitter<&'a [AtomicU64], D>,
    completer: Completer<&'a [AtomicU64]>,
    tickets: VecDeque<Ticket>,
    fetched: VecDeque<u16>,
    /// The first breach that each end reported: guest, host.
    breaches: [Option<Error>; 2],
}

impl<'a, const D: usize> Queue<'a, D> {
    fn new(submissions: &'a [AtomicU64], completions: &'a [AtomicU64]) -> Self {
        let seed = seed_for(FIRST_TURN, START);
        let depth = u32::try_from(D).unwrap();
        Self {
            submitter: crate::submitter(submissions, completions, seed, START),
            completer: crate::completer(submissions, completions, seed, depth, START),
            tickets: VecDeque::new(),
            fetched: VecDeque::new(),
            breaches: [None; 2],
        }
    }

    /// Notes what an end answered: after a breach, nothing but that breach.
    fn note<T>(&mut self, end: usize, result: Result<T, Error>) -> Option<T> {
        match (result, self.breaches[end]) {
            (Ok(value), None) => Some(value),
            (Err(error), Some(breach)) => {
                assert_eq!(error, breach, "a breach is latched");
                None
            }
            (Err(error @ Error::Corrupt(_)), None) => {
                self.breaches[end] = Some(error);
                None
            }
            (Err(_), None) => None,
            (Ok(_), Some(breach)) => panic!("it went on after {breach:?}"),
        }
    }

    fn step(&mut self, step: u8) {
        match step {
            b's' => {
                let result = self.submitter.submit(Submission::new(Op::NOP, [3; 6]));
                if let Some(ticket) = self.note(0, result) {
                    assert!(usize::from(ticket.id()) < D, "an id out of range");
                    assert!(self.tickets.iter().all(|held| held.id() != ticket.id()), "an id twice");
                    self.tickets.push_back(ticket);
                }
            }
            b'f' | b'a' => {
                let result = if step == b'f' {
                    self.completer.fetch()
                } else {
                    let held = self.fetched.clone();
                    let run = self.completer.answer(2, Op::NOP, |submission| {
                        let id = submission.id();
                        assert!(usize::from(id) < D && !held.contains(&id), "an id out of range or twice");
                        if id.is_multiple_of(2) { Ok(4) } else { Err(Status::DENIED) }
                    });
                    assert!(run.answered <= 2, "beyond its budget");
                    let Some(next) = run.next.transpose() else { return };
                    next.and_then(|next| self.completer.fetch_next(next))
                };
                if let Some(fetched) = self.note(1, result) {
                    assert!(usize::from(fetched.id) < D, "an id out of range");
                    assert!(!self.fetched.contains(&fetched.id), "an id twice");
                    assert_eq!((fetched.submission.id(), fetched.submission.op()), (fetched.id, fetched.op));
                    self.fetched.push_back(fetched.id);
                    assert!(self.fetched.len() <= D, "more than the depth in flight");
                }
            }
            b'x' => {
                let mut results = [Ok(0); D];
                let mut patience = 0..3;
                let before = self.submitter.in_flight();
                let result = self.submitter.exchange(
                    &mut results[before..],
                    |_| Submission::new(Op::NOP, [3; 6]),
                    || {
                        self.completer.answer(3, Op::NOP, |_| Ok(4));
                    },
                    || patience.next().is_some(),
                );
                if result != Err(Error::Empty) {
                    self.note(0, result);
                }
            }
            b'c' => {
                // The youngest first. What was fetched is completed, breach or not.
                if let Some(id) = self.fetched.pop_back() {
                    assert!(self.completer.complete(id, Status::OK, 4));
                }
            }
            _ => {
                if let Some(ticket) = self.tickets.pop_front() {
                    // A result that arrived before the breach may still be taken.
                    match self.submitter.poll(ticket) {
                        Ok(Ok(_)) => {}
                        Ok(Err(ticket)) => self.tickets.push_front(ticket),
                        Err(error) => drop(self.note::<()>(0, Err(error))),
                    }
                }
            }
        }
        assert!(self.submitter.in_flight() <= D && self.completer.in_flight() <= u32::try_from(D).unwrap());
    }
}

fn each_word_at_each_step<const D: usize>() -> [usize; 2] {
    let mut breaches = [0; 2];
    let values = values(u16::try_from(D).unwrap());
    for at in 0..HISTORY.len() {
        for word in 0..10 * D {
            for value in &values {
                let (submissions, completions) = (memory(8 * D), memory(2 * D));
                let mut queue = Queue::<D>::new(&submissions, &completions);
                for (n, step) in HISTORY.iter().enumerate() {
                    if n == at {
                        match word.checked_sub(8 * D) {
                            None => scribble(&submissions, word, *value),
                            Some(word) => scribble(&completions, word, *value),
                        }
                    }
                    queue.step(*step);
                }
                for (count, breach) in breaches.iter_mut().zip(queue.breaches) {
                    *count += usize::from(breach.is_some());
                }
            }
        }
    }
    breaches
}

#[test]
fn nothing_in_a_shared_word_harms_either_end() {
    for breaches in
        [each_word_at_each_step::<1>(), each_word_at_each_step::<2>(), each_word_at_each_step::<4>()]
    {
        assert!(breaches.iter().all(|count| *count > 50), "the values hit nothing: {breaches:?}");
    }
}

/// CALL-6: which breach it was, and where.
#[test]
fn a_host_names_what_the_guest_did() {
    let tail = |id, position| Tail { code: Op::NOP.0, id, turn: tenon_abi::turn(7, position) }.to_word();
    for (ids, reason, position) in [
        ([2, 0], Reason::BAD_ID, 0),
        ([u16::MAX, 0], Reason::BAD_ID, 0),
        ([1, 1], Reason::DUPLICATE_ID, 1),
        ([0, 64], Reason::BAD_ID, 1),
    ] {
        let (submissions, completions) = (memory(16), memory(4));
        let mut completer = crate::completer(&submissions[..], &completions[..], 7, 2, 0);
        scribble(&submissions, 7, tail(ids[0], 0));
        scribble(&submissions, 15, tail(ids[1], 1));
        let error = (0..2).find_map(|_| completer.fetch().err()).unwrap();
        let Error::Corrupt(corrupt) = error else { panic!("{error:?}") };
        assert_eq!((corrupt.reason, corrupt.position), (reason, position));
        assert_eq!(completer.state().corrupt, Some(corrupt));
    }
}

/// CALL-7: a completion that was never asked for, that comes twice, or for an id beyond the depth.
#[test]
fn a_guest_names_what_the_host_did() {
    let tail = |id, position| Tail { code: 0, id, turn: tenon_abi::turn(7, position) }.to_word();
    for (ids, position) in [([1, 0], 0), ([0, 0], 1), ([2, 0], 0), ([0, u16::MAX], 1)] {
        let (submissions, completions) = (memory(16), memory(4));
        let mut submitter = crate::submitter::<_, 2>(&submissions[..], &completions[..], 7, 0);
        let ticket = submitter.submit(Submission::new(Op::NOP, [0; 6])).unwrap();
        assert_eq!(ticket.id(), 0);
        scribble(&completions, 1, tail(ids[0], 0));
        scribble(&completions, 3, tail(ids[1], 1));
        let error = (0..2).find_map(|_| submitter.reap().err()).unwrap();
        let Error::Corrupt(corrupt) = error else { panic!("{error:?}") };
        assert_eq!((corrupt.reason, corrupt.position), (Reason::UNKNOWN_ID, position));
        assert_eq!(submitter.corrupt(), Some(corrupt));
        assert_eq!(submitter.submit(Submission::new(Op::NOP, [0; 6])), Err(error));
    }
}
