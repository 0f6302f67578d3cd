// SPDX-License-Identifier: MIT OR Apache-2.0
//! CALL-1 to CALL-8: arbitrary histories of one queue. No result is lost, none comes twice, nothing
//! overflows.

use crate::mapping::mapping;
use crate::{memory, seed_for};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use tenon_abi::{Op, Status, Submission};
use tenon_rings::call::{CompleterState, Fetched, Outcome, Parts, Queue};
use tenon_rings::{Completer, Error, Ticket, Words};

#[derive(Clone, Debug)]
enum Step {
    Submit([u64; 6]),
    Poll(usize),
    Claim(usize),
    Abandon(usize),
    Reap,
    Fetch,
    Answer(u32),
    /// Submits one and has the host answer at most so many at once.
    Call([u64; 6], u32),
    /// Submits so many, has the host answer at most so many at once, and waits for it to serve so many more,
    /// with this status.
    Exchange(usize, u32, usize, u16),
    Complete(usize, u16, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<[u64; 6]>().prop_map(Step::Submit),
        3 => any::<usize>().prop_map(Step::Poll),
        1 => any::<usize>().prop_map(Step::Claim),
        1 => any::<usize>().prop_map(Step::Abandon),
        1 => Just(Step::Reap),
        3 => Just(Step::Fetch),
        2 => (0u32..6).prop_map(Step::Answer),
        2 => (any::<[u64; 6]>(), 0u32..6).prop_map(|(arguments, at_once)| Step::Call(arguments, at_once)),
        2 => (0usize..6, 0u32..6, 0usize..6, 0u16..2)
            .prop_map(|(n, at_once, late, status)| Step::Exchange(n, at_once, late, status)),
        4 => (any::<usize>(), 0u16..3, any::<u64>()).prop_map(|(n, status, value)| Step::Complete(n, status, value)),
    ]
}

/// What the host answers on the spot: no `PROBE`.
fn answer(submission: &Submission) -> Result<u64, Status> {
    let [kind, value, ..] = submission.args.map(|word| word.get());
    if kind.is_multiple_of(4) { Err(Status::DENIED) } else { Ok(value) }
}

/// The operation of a call: what the host does not answer on the spot is a `PROBE`.
fn submission(arguments: [u64; 6]) -> Submission {
    Submission::new(if arguments[0].is_multiple_of(3) { Op::PROBE } else { Op::NOP }, arguments)
}

/// What became of a call on the guest's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waited,
    Abandoned,
    Arrived(Outcome),
    Over,
}

/// The id of a call that nobody but the queue has seen.
const UNKNOWN: u16 = u16::MAX;

/// The queue as a list of calls.
#[derive(Default)]
struct Reference {
    arguments: Vec<[u64; 6]>,
    ids: Vec<u16>,
    fates: Vec<Fate>,
    /// Number of calls fetched.
    fetched: usize,
    in_flight: Vec<usize>,
    /// Written completions that the guest has not looked at.
    written: VecDeque<(usize, Outcome)>,
}

impl Reference {
    fn unfinished(&self) -> usize {
        self.fates.iter().filter(|fate| **fate != Fate::Over).count()
    }

    fn reap(&mut self) -> bool {
        let Some((call, outcome)) = self.written.pop_front() else { return false };
        self.fates[call] = match self.fates[call] {
            Fate::Waited => Fate::Arrived(outcome),
            Fate::Abandoned => Fate::Over,
            fate => panic!("{fate:?}: completed twice"),
        };
        true
    }

    /// The host's `fetch` said this.
    fn fetch(&mut self, result: Result<Fetched, Error>, depth: usize) {
        match result {
            Ok(fetched) => {
                self.fetch_next(fetched.id, &fetched.submission);
                assert_eq!(fetched.op, fetched.submission.op());
                self.in_flight.push(self.fetched - 1);
            }
            Err(error) if self.in_flight.len() == depth => assert_eq!(error, Error::Full),
            Err(error) => assert_eq!((error, self.fetched), (Error::Empty, self.ids.len())),
        }
    }

    /// A call has this id, which no other has.
    fn name(&mut self, call: usize, id: u16) {
        if self.ids[call] == UNKNOWN {
            for (other, fate) in self.ids.iter().zip(&self.fates) {
                assert!(*other != id || *fate == Fate::Over, "an id is used twice");
            }
            self.ids[call] = id;
        }
        assert_eq!(self.ids[call], id);
    }

    fn fetch_next(&mut self, id: u16, found: &Submission) {
        let call = self.fetched;
        self.name(call, id);
        assert_eq!((id, found.op()), (self.ids[call], submission(self.arguments[call]).op()));
        assert_eq!(found.args.map(|word| word.get()), self.arguments[call]);
        self.fetched += 1;
    }

    /// The host answers at most `budget` of the operation `NOP`.
    fn answer<W: Words>(&mut self, completer: &mut Completer<W>, budget: u32, depth: usize) {
        let full = self.in_flight.len() == depth;
        let answered = RefCell::new(Vec::new());
        let run = completer.answer(budget, Op::NOP, |found| {
            assert_eq!(found.op(), Op::NOP, "not what it answers");
            answered.borrow_mut().push(*found);
            answer(found)
        });
        let answered = answered.into_inner();
        assert_eq!(usize::try_from(run.answered).unwrap(), answered.len());
        for found in answered {
            self.fetch_next(found.id(), &found);
            let (status, value) =
                answer(&found).map_or_else(|status| (status, 0), |value| (Status::OK, value));
            self.written.push_back((self.fetched - 1, Outcome { status, value }));
        }
        match run.next.transpose().map(|next| next.and_then(|next| completer.fetch_next(next))) {
            None => assert!(run.answered == budget && !full),
            Some(result) => {
                assert!(run.answered < budget || full || budget == 0);
                assert!(!result.as_ref().is_ok_and(|fetched| fetched.op == Op::NOP), "it could answer that");
                self.fetch(result, depth);
            }
        }
    }

    fn complete<W: Words>(&mut self, completer: &mut Completer<W>, n: usize, status: u16, value: u64) {
        if self.in_flight.is_empty() {
            return;
        }
        let call = self.in_flight.swap_remove(n % self.in_flight.len());
        assert!(completer.complete(self.ids[call], Status(status), value));
        assert!(!completer.complete(self.ids[call], Status(status), value), "completed twice");
        let value = if status == 0 { value } else { 0 };
        self.written.push_back((call, Outcome { status: Status(status), value }));
    }

    fn poll(&mut self, call: usize) -> Option<Outcome> {
        while self.fates[call] == Fate::Waited && self.reap() {}
        let Fate::Arrived(outcome) = self.fates[call] else { return None };
        self.fates[call] = Fate::Over;
        Some(outcome)
    }
}

/// On plain memory and on a mapping, which has loads and stores of its own.
fn run<const D: usize>(seed: u32, start: u32, steps: Vec<Step>) {
    let (submissions, completions) = (memory(8 * D), memory(2 * D));
    on::<_, D>(&submissions[..], &completions[..], seed, start, steps.clone());
    let (submissions, completions) = (memory(8 * D), memory(2 * D));
    on::<_, D>(mapping(&submissions), mapping(&completions), seed, start, steps);
}

fn on<W: Words, const D: usize>(submissions: W, completions: W, seed: u32, start: u32, steps: Vec<Step>) {
    let depth = u32::try_from(D).unwrap();
    let mut queue = Queue::new(Parts::bare(submissions, completions).unwrap(), seed, depth).unwrap();
    let mut submitter = queue.submitter_at::<D>(start).unwrap();
    let mut completer = queue.completer_at(CompleterState::at(start)).unwrap();
    assert_eq!(completer.depth(), depth);
    let mut reference = Reference::default();
    let mut tickets: Vec<(Ticket, usize)> = Vec::new();

    // In the end everything is fetched, completed and taken.
    let total = 2 * steps.len() + 2;
    let end = (0..total).flat_map(|n| [Step::Fetch, Step::Complete(n, 0, 5), Step::Poll(0), Step::Reap]);
    for step in steps.into_iter().chain(end) {
        match step {
            Step::Submit(arguments) => match submitter.submit(submission(arguments)) {
                Ok(ticket) => {
                    assert!(reference.unfinished() < D, "more than the depth");
                    let call = reference.ids.len();
                    reference.ids.push(UNKNOWN);
                    reference.arguments.push(arguments);
                    reference.fates.push(Fate::Waited);
                    reference.name(call, ticket.id());
                    tickets.push((ticket, call));
                }
                Err(error) => assert_eq!((error, reference.unfinished()), (Error::Full, D)),
            },
            Step::Poll(n) if !tickets.is_empty() => {
                let (ticket, call) = tickets.swap_remove(n % tickets.len());
                let expected = reference.poll(call);
                match submitter.poll(ticket).unwrap() {
                    Ok(outcome) => assert_eq!(Some(outcome), expected),
                    Err(ticket) => {
                        assert_eq!(expected, None, "a result was lost");
                        tickets.push((ticket, call));
                    }
                }
            }
            Step::Claim(n) if !tickets.is_empty() => {
                let (ticket, call) = tickets.swap_remove(n % tickets.len());
                match (submitter.claim(ticket), reference.fates[call]) {
                    (Ok(outcome), Fate::Arrived(expected)) => {
                        assert_eq!(outcome, expected);
                        reference.fates[call] = Fate::Over;
                    }
                    (Err(ticket), fate) => {
                        assert_eq!(fate, Fate::Waited, "it is in the table");
                        tickets.push((ticket, call));
                    }
                    (Ok(_), fate) => panic!("{fate:?}: a result from nowhere"),
                }
            }
            Step::Abandon(n) if !tickets.is_empty() => {
                let (ticket, call) = tickets.swap_remove(n % tickets.len());
                submitter.abandon(ticket);
                let arrived = matches!(reference.fates[call], Fate::Arrived(_));
                reference.fates[call] = if arrived { Fate::Over } else { Fate::Abandoned };
            }
            Step::Reap => {
                assert_eq!(submitter.is_ready(), !reference.written.is_empty());
                assert_eq!(submitter.reap().unwrap(), reference.reap());
            }
            Step::Fetch => reference.fetch(completer.fetch(), D),
            Step::Answer(budget) => reference.answer(&mut completer, budget, D),
            Step::Call(arguments, at_once) => {
                let (before, call) = (reference.unfinished(), reference.ids.len());
                if before < D {
                    reference.ids.push(UNKNOWN);
                    reference.arguments.push(arguments);
                    reference.fates.push(Fate::Waited);
                }
                let reaped = submitter.reaped();
                let result =
                    submitter.call(&submission(arguments), || reference.answer(&mut completer, at_once, D));
                if before == D {
                    assert_eq!(result, Err(Error::Full));
                    continue;
                }
                for _ in 0..submitter.reaped().wrapping_sub(reaped) {
                    assert!(reference.reap(), "a completion from nowhere");
                }
                match result.unwrap() {
                    Ok(outcome) => {
                        assert_eq!(reference.fates[call], Fate::Arrived(outcome));
                        reference.fates[call] = Fate::Over;
                    }
                    Err(ticket) => {
                        assert_eq!(reference.fates[call], Fate::Waited, "a result was lost");
                        reference.name(call, ticket.id());
                        tickets.push((ticket, call));
                    }
                }
            }
            Step::Exchange(count, at_once, late, status) => {
                let before = reference.unfinished();
                let first = reference.ids.len();
                let mut results = vec![Err(Status::OK); count];
                // Some are answered at once, then one that is not.
                let arguments = |n: usize| [n + 1, n, 7, 8, 9, 10].map(|word| u64::try_from(word).unwrap());
                if before + count <= D {
                    for n in 0..count {
                        reference.ids.push(UNKNOWN);
                        reference.arguments.push(arguments(n));
                        reference.fates.push(Fate::Waited);
                    }
                }
                let reaped = submitter.reaped();
                let host = RefCell::new((&mut completer, &mut reference));
                let mut late = 0..late;
                let mut patient = true;
                let result = submitter.exchange(
                    &mut results,
                    |n| submission(arguments(n)),
                    || {
                        let (completer, reference) = &mut *host.borrow_mut();
                        reference.answer(completer, at_once, D);
                    },
                    || {
                        assert!(patient, "asked again after it was over");
                        patient = late.next().is_some();
                        if !patient {
                            return false;
                        }
                        let (completer, reference) = &mut *host.borrow_mut();
                        reference.fetch(completer.fetch(), D);
                        // The youngest first, so that results come out of order.
                        reference.complete(completer, usize::MAX, status, 11);
                        true
                    },
                );
                if before + count > D {
                    assert_eq!((result, submitter.in_flight()), (Err(Error::Full), before));
                    continue;
                }
                for _ in 0..submitter.reaped().wrapping_sub(reaped) {
                    assert!(reference.reap(), "a completion from nowhere");
                }
                for (call, found) in (first..).zip(&results) {
                    let expected = match reference.fates[call] {
                        Fate::Arrived(outcome) if outcome.status == Status::OK => Ok(outcome.value),
                        Fate::Arrived(outcome) => Err(outcome.status),
                        _ => Err(Status::INDETERMINATE),
                    };
                    assert_eq!(*found, expected, "result {}", call - first);
                    let arrived = matches!(reference.fates[call], Fate::Arrived(_));
                    reference.fates[call] = if arrived { Fate::Over } else { Fate::Abandoned };
                }
                let given_up = results.contains(&Err(Status::INDETERMINATE));
                assert_eq!(result, if given_up { Err(Error::Empty) } else { Ok(()) });
                assert_eq!(given_up, !patient, "its patience decides, and nothing else");
            }
            Step::Complete(n, status, value) => reference.complete(&mut completer, n, status, value),
            Step::Poll(_) | Step::Claim(_) | Step::Abandon(_) => {}
        }
        let abandoned = reference.fates.iter().filter(|fate| **fate == Fate::Abandoned).count();
        assert_eq!(submitter.in_flight(), reference.unfinished());
        assert_eq!(submitter.quarantined(), abandoned);
        assert_eq!(usize::try_from(completer.in_flight()).unwrap(), reference.in_flight.len());
    }
    assert!(tickets.is_empty() && reference.unfinished() == 0, "a call never ended");
}

proptest! {
    #[test]
    fn any_history_is_that_of_a_list(
        depth in 0usize..5,
        start in prop_oneof![any::<u32>(), u32::MAX - 20..=u32::MAX],
        // From the first lap's last non-zero turn on, zero is a turn like any other.
        lead in prop_oneof![100u32..u32::MAX, 17u32..40],
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let seed = seed_for(0u32.wrapping_sub(lead), start);
        match depth {
            0 => run::<1>(seed, start, steps),
            1 => run::<2>(seed, start, steps),
            2 => run::<4>(seed, start, steps),
            3 => run::<8>(seed, start, steps),
            _ => run::<16>(seed, start, steps),
        }
    }
}

/// CALL-17: a ticket of another queue does not confuse this one.
#[test]
fn a_strange_ticket_changes_nothing() {
    let (submissions, completions) = (memory(16), memory(4));
    let queue = || crate::submitter::<_, 2>(&submissions[..], &completions[..], 7, 0);
    let (mut ours, mut other) = (queue(), queue());
    let strange = other.submit(Submission::new(Op::NOP, [0; 6])).unwrap();
    ours.abandon(strange);
    assert_eq!((ours.in_flight(), ours.quarantined()), (0, 0));
    let strange = other.submit(Submission::new(Op::NOP, [0; 6])).unwrap();
    assert!(ours.poll(strange).unwrap().is_err());
}

/// CALL-6: the largest queue, full, completed backwards: every id has a place of its own.
#[test]
fn the_largest_queue_holds_as_many_as_it_says() {
    const D: usize = 4096;
    let (submissions, completions) = (memory(8 * D), memory(2 * D));
    let mut submitter = crate::submitter::<_, D>(&submissions[..], &completions[..], 7, 0);
    let mut completer = crate::completer(&submissions[..], &completions[..], 7, 4096, 0);
    let submission = Submission::new(Op::NOP, [0; 6]);
    let tickets: Vec<Ticket> = (0..D).map(|_| submitter.submit(submission).unwrap()).collect();
    assert_eq!(submitter.submit(submission), Err(Error::Full));
    let ids: Vec<u16> = (0..D).map(|_| completer.fetch().unwrap().id).collect();
    assert_eq!(completer.fetch().err(), Some(Error::Full));
    for id in ids.into_iter().rev() {
        assert!(completer.is_in_flight(id));
        let bits = completer.state().in_flight[usize::from(id / 64)];
        assert_eq!(bits >> (id % 64), 1, "bit {id} of the whole, and none above");
        assert!(completer.complete(id, Status::OK, u64::from(id)));
        assert!(!completer.is_in_flight(id));
    }
    for ticket in tickets {
        let id = ticket.id();
        assert_eq!(submitter.poll(ticket).unwrap().unwrap().value, u64::from(id));
    }
    assert_eq!((submitter.in_flight(), completer.in_flight()), (0, 0));
}

/// CALL-1: sizes that do not fit are refused.
#[test]
fn a_bad_size_is_refused() {
    let (submissions, completions) = (memory(8 * 8192), memory(2 * 8192));
    let words = |depth: usize, missing: usize| {
        (&submissions[..(8 * depth).saturating_sub(missing)], &completions[..2 * depth])
    };
    let queue = |submissions, completions, depth| {
        Queue::new(Parts::bare(submissions, completions).unwrap(), 7, depth).map(|_| ())
    };
    for depth in [0u32, 3, 4095, 8192] {
        let (submissions, completions) = words(8192, 0);
        assert_eq!(queue(submissions, completions, depth), Err(Error::BadSize), "{depth}");
    }
    for depth in [4, 1 << 31, u32::MAX] {
        let (submissions, completions) = words(2, 0);
        assert_eq!(queue(submissions, completions, depth), Err(Error::BadSize), "{depth}");
    }
    let (submissions, completions) = words(2, 0);
    assert!(queue(submissions, completions, 2).is_ok());
    assert!(queue(submissions, &completions[..3], 2).is_err());
    assert!(queue(words(2, 1).0, completions, 2).is_err());
    let mut queue = Queue::new(Parts::bare(submissions, completions).unwrap(), 7, 2).unwrap();
    assert_eq!(queue.submitter::<4>().err(), Some(Error::BadSize));
}

/// Each end is given out once.
#[test]
fn an_end_that_is_asked_for_twice_is_refused() {
    let (submissions, completions) = (memory(16), memory(4));
    let mut queue = Queue::new(Parts::bare(&submissions[..], &completions[..]).unwrap(), 7, 2).unwrap();
    assert!(queue.submitter::<2>().is_ok() && queue.completer().is_ok());
    assert_eq!(queue.submitter::<2>().err(), Some(Error::Taken));
    assert_eq!(queue.completer().err(), Some(Error::Taken));
}
