// SPDX-License-Identifier: MIT OR Apache-2.0
//! CALL-1 to CALL-8: arbitrary histories of one queue. No result is lost, none comes twice, nothing overflows.

use crate::mapping::mapping;
use crate::{memory, seed_for};
use proptest::prelude::*;
use std::collections::VecDeque;
use tenon_abi::{Op, Status, Submission};
use tenon_rings::call::{CompleterState, Outcome};
use tenon_rings::{Completer, Error, Submitter, Ticket, Words};

#[derive(Clone, Debug)]
enum Step {
    Submit([u64; 6]),
    Poll(usize),
    Abandon(usize),
    Reap,
    Fetch,
    Complete(usize, u16, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<[u64; 6]>().prop_map(Step::Submit),
        3 => any::<usize>().prop_map(Step::Poll),
        1 => any::<usize>().prop_map(Step::Abandon),
        1 => Just(Step::Reap),
        4 => Just(Step::Fetch),
        4 => (any::<usize>(), 0u16..3, any::<u64>()).prop_map(|(n, status, value)| Step::Complete(n, status, value)),
    ]
}

/// What became of a call on the guest's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waited,
    Abandoned,
    Arrived(Outcome),
    Over,
}

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
    let mut submitter =
        Submitter::<_, D>::starting_at(submissions.clone(), completions.clone(), seed, start).unwrap();
    let state = CompleterState { fetched: start, completed: start, in_flight: [0; 64], corrupt: None };
    let depth = u32::try_from(D).unwrap();
    let mut completer = Completer::resume(submissions, completions, seed, depth, state).unwrap();
    let mut reference = Reference::default();
    let mut tickets: Vec<(Ticket, usize)> = Vec::new();

    // In the end everything is fetched, completed and taken.
    let total = 2 * steps.len() + 2;
    let end = (0..total).flat_map(|n| [Step::Fetch, Step::Complete(n, 0, 5), Step::Poll(0), Step::Reap]);
    for step in steps.into_iter().chain(end) {
        match step {
            Step::Submit(arguments) => match submitter.submit(Submission::new(Op::NOP, arguments)) {
                Ok(ticket) => {
                    assert!(reference.unfinished() < D, "more than the depth");
                    for (id, fate) in reference.ids.iter().zip(&reference.fates) {
                        assert!(*id != ticket.id() || *fate == Fate::Over, "an id is used twice");
                    }
                    tickets.push((ticket, reference.ids.len()));
                    reference.ids.push(tickets.last().unwrap().0.id());
                    reference.arguments.push(arguments);
                    reference.fates.push(Fate::Waited);
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
            Step::Fetch => match completer.fetch() {
                Ok(fetched) => {
                    let call = reference.fetched;
                    assert_eq!(fetched.id, reference.ids[call]);
                    assert_eq!(fetched.submission.args.map(|word| word.get()), reference.arguments[call]);
                    reference.fetched += 1;
                    reference.in_flight.push(call);
                }
                Err(error) if reference.in_flight.len() == D => assert_eq!(error, Error::Full),
                Err(error) => assert_eq!((error, reference.fetched), (Error::Empty, reference.ids.len())),
            },
            Step::Complete(n, status, value) if !reference.in_flight.is_empty() => {
                let call = reference.in_flight.swap_remove(n % reference.in_flight.len());
                assert!(completer.complete(reference.ids[call], Status(status), value));
                assert!(!completer.complete(reference.ids[call], Status(status), value), "completed twice");
                let value = if status == 0 { value } else { 0 };
                reference.written.push_back((call, Outcome { status: Status(status), value }));
            }
            Step::Poll(_) | Step::Abandon(_) | Step::Complete(..) => {}
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
    let queue = || Submitter::<_, 2>::new(&submissions[..], &completions[..], 7).unwrap();
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
    let mut submitter = Submitter::<_, D>::new(&submissions[..], &completions[..], 7).unwrap();
    let mut completer = Completer::new(&submissions[..], &completions[..], 7, 4096).unwrap();
    let submission = Submission::new(Op::NOP, [0; 6]);
    let tickets: Vec<Ticket> = (0..D).map(|_| submitter.submit(submission).unwrap()).collect();
    assert_eq!(submitter.submit(submission), Err(Error::Full));
    let ids: Vec<u16> = (0..D).map(|_| completer.fetch().unwrap().id).collect();
    assert_eq!(completer.fetch().err(), Some(Error::Full));
    for id in ids.into_iter().rev() {
        assert!(completer.is_in_flight(id));
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
    for depth in [0u32, 3, 4095, 8192] {
        let (submissions, completions) = words(8192, 0);
        let completer = Completer::new(submissions, completions, 7, depth);
        assert_eq!(completer.err(), Some(Error::BadSize), "{depth}");
    }
    for depth in [4, 1 << 31, u32::MAX] {
        let (submissions, completions) = words(2, 0);
        assert!(Completer::new(submissions, completions, 7, depth).is_err(), "{depth}");
    }
    let (submissions, completions) = words(2, 0);
    assert!(Completer::new(submissions, completions, 7, 2).is_ok());
    assert!(Completer::new(submissions, &completions[..3], 7, 2).is_err());
    assert!(Submitter::<_, 4>::new(submissions, completions, 7).is_err());
    assert!(Completer::new(words(2, 1).0, completions, 7, 2).is_err());
}
