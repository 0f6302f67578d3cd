// SPDX-License-Identifier: MIT OR Apache-2.0
//! GEN-8, CALL-7, CALL-17: the guest's end of a queue under a host that lies.

use crate::ground::{Access, Ground, Strike, View};
use crate::noise::{Noise, effort};
use crate::story::{Count, PLAIN, START, Said, Told, exhaust, seed, slots, strikes, tails};
use std::collections::VecDeque;
use tenon_abi::call::KICK_AT;
use tenon_abi::{Op, Reason, Status, Submission, Tail, turn};
use tenon_rings::call::{Outcome, Parts, Queue};
use tenon_rings::{Completer, Corrupt, Error, Site, Submitter, Ticket};

/// Accesses of a call. A submission is 8 stores, a completion 2 loads; at most `depth` completions can be
/// owed, and one look more finds nothing.
const SUBMIT: usize = 8;
/// Looks at the host's wish for kicks: one without a fence, one behind it.
const KICK: usize = 2;
const fn poll(depth: usize) -> usize {
    2 * (depth + 1)
}

/// What the wire said of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    Free,
    InFlight,
    Abandoned,
    Done(Outcome),
}

/// What a submitter has to make of the words that it was seen to load.
struct Truth {
    depth: u32,
    seed: u32,
    next: u32,
    reaped: u32,
    ids: Vec<Id>,
    corrupt: Option<Corrupt>,
    /// Ids of the submissions of the last call.
    sent: Vec<u16>,
}

impl Truth {
    fn new(depth: u32, seed: u32, position: u32) -> Self {
        let ids = vec![Id::Free; depth as usize];
        Self { depth, seed, next: position, reaped: position, ids, corrupt: None, sent: Vec::new() }
    }

    fn hear(&mut self, log: &[Access]) {
        self.sent.clear();
        let mut log = log.iter().copied().peekable();
        while let Some(access) = log.next() {
            match access {
                Access::Store { index, value, site: Site::SubmissionPublish } => {
                    let tail = Tail::from_word(value);
                    assert_eq!(
                        index,
                        self.submission(self.next) + 7,
                        "a submission in another slot (CALL-1)"
                    );
                    assert_eq!(tail.turn, turn(self.seed, self.next), "another turn (CALL-4)");
                    let id = &mut self.ids[usize::from(tail.id)];
                    assert_eq!(*id, Id::Free, "an id that is in use (CALL-6)");
                    *id = Id::InFlight;
                    self.sent.push(tail.id);
                    self.next = self.next.wrapping_add(1);
                }
                Access::Store { index, site: Site::SubmissionBody, .. } => {
                    let first = self.submission(self.next);
                    assert!((first..first + 7).contains(&index), "a submission in another slot (CALL-1)");
                }
                Access::Load { index, value, site: Site::CompletionTake } => {
                    assert_eq!(self.corrupt, None, "a look at a corrupt queue");
                    assert_eq!(index, self.completion() + 1, "a look at another slot (CALL-1)");
                    if Tail::from_word(value).turn == turn(self.seed, self.reaped) {
                        let body = log.next_if(|next| {
                            matches!(next, Access::Load { site: Site::CompletionBody, index: body, .. } if body + 1 == index)
                        });
                        self.arrive(Tail::from_word(value), body);
                    }
                }
                Access::Load { site: Site::KickRead, .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn arrive(&mut self, tail: Tail, body: Option<Access>) {
        match self.ids.get_mut(usize::from(tail.id)) {
            Some(id @ Id::InFlight) => {
                let Some(Access::Load { value, .. }) = body else { panic!("a result without its value") };
                *id = Id::Done(Outcome { status: Status(tail.code), value });
            }
            Some(id @ Id::Abandoned) => *id = Id::Free,
            _ => {
                self.corrupt = Some(Corrupt { reason: Reason::UNKNOWN_ID, position: self.reaped });
                return;
            }
        }
        self.reaped = self.reaped.wrapping_add(1);
    }

    fn submission(&self, position: u32) -> usize {
        (position & (self.depth - 1)) as usize * 8
    }

    fn completion(&self) -> usize {
        let (depth, slot) = (self.depth as usize, (self.reaped & (self.depth - 1)) as usize);
        depth * 8 + slot * 2
    }

    fn used(&self) -> usize {
        self.ids.iter().filter(|id| **id != Id::Free).count()
    }
}

/// The tested submitter, an honest completer, and the truth.
struct Story<'a, const D: usize> {
    ground: &'a Ground,
    submitter: Submitter<View<'a>, D>,
    completer: Completer<View<'a>>,
    truth: Truth,
    tickets: VecDeque<Ticket>,
    fetched: VecDeque<u16>,
    /// Where the truth stood at each load.
    stood: Vec<u32>,
}

impl<'a, const D: usize> Story<'a, D> {
    fn begin(ground: &'a Ground, seed: u32, position: u32) -> Self {
        let depth = D as u32;
        let (submissions, completions) = ((0, 8 * D), (8 * D, 2 * D));
        let (ours, theirs) =
            (ground.ours(submissions.0, submissions.1), ground.theirs(completions.0, completions.1));
        let peer = (ground.peer(submissions.0, submissions.1), ground.peer(completions.0, completions.1));
        // Behind the slots the host's word; the guest does without its own.
        let (armed, kick) = (ground.ours(0, 0), ground.theirs(10 * D, 1));
        let parts = Parts { submissions: ours, completions: theirs, armed, kick };
        Self {
            ground,
            submitter: Queue::new(parts, seed, depth).unwrap().submitter_at(position).unwrap(),
            completer: crate::ends::completer(peer.0, peer.1, seed, depth, position),
            truth: Truth::new(depth, seed, position),
            tickets: VecDeque::new(),
            fetched: VecDeque::new(),
            stood: Vec::new(),
        }
    }

    /// A call of the submitter's; the truth hears what it loaded.
    fn call<T>(&mut self, most: usize, call: impl FnOnce(&mut Submitter<View<'a>, D>) -> T) -> T {
        let stood = self.truth.reaped;
        let (result, log) = self.ground.call(most, || call(&mut self.submitter));
        self.hear(&log, stood);
        result
    }

    fn hear(&mut self, log: &[Access], stood: u32) {
        self.truth.hear(log);
        self.stood.resize(self.ground.loads(), stood);
    }

    fn step(&mut self, step: u8) {
        let was = self.truth.corrupt;
        match step {
            b's' => {
                let result = self.call(SUBMIT, |end| end.submit(Submission::new(Op::NOP, [3; 6])));
                match result {
                    Ok(ticket) => {
                        assert_eq!(self.truth.sent, [ticket.id()]);
                        self.tickets.push_back(ticket);
                    }
                    Err(Error::Full) => assert_eq!((self.truth.used(), was), (D, None)),
                    Err(error) => self.broken(error),
                }
            }
            b'p' | b'q' => {
                let Some(ticket) =
                    (if step == b'p' { self.tickets.pop_front() } else { self.tickets.pop_back() })
                else {
                    return;
                };
                let id = ticket.id();
                let result = self.call(poll(D), |end| end.poll(ticket));
                self.polled(id, result);
            }
            b'r' => {
                let before = self.truth.reaped;
                match self.call(2, Submitter::reap) {
                    Ok(taken) => assert_eq!(taken, self.truth.reaped != before),
                    Err(error) => self.broken(error),
                }
            }
            b'l' => {
                // What was reaped, and nothing that was not.
                let Some(ticket) = self.tickets.pop_front() else { return };
                let id = ticket.id();
                let result = self.call(0, |end| end.claim(ticket));
                self.polled(id, Ok(result));
            }
            b'b' => {
                let Some(ticket) = self.tickets.pop_front() else { return };
                let id = usize::from(ticket.id());
                self.call(0, |end| end.abandon(ticket));
                let id = &mut self.truth.ids[id];
                *id = if *id == Id::InFlight { Id::Abandoned } else { Id::Free };
            }
            b'k' => self.at_once(),
            b'x' => self.exchange(),
            b'f' => self.fetched.extend(self.completer.fetch().map(|fetched| fetched.id)),
            b'a' => {
                self.completer.answer(2, Op::NOP, |submission| Ok(submission.args[0].get()));
            }
            _ => {
                if let Some(id) =
                    if step == b'c' { self.fetched.pop_back() } else { self.fetched.pop_front() }
                {
                    let status = if id == 1 { Status::DENIED } else { Status::OK };
                    assert!(self.completer.complete(id, status, 4));
                }
            }
        }
        assert!(was.is_none() || was == self.truth.corrupt, "a breach was forgotten");
        assert_eq!(self.submitter.corrupt(), self.truth.corrupt, "not the breach that the words show");
        if was.is_none() && self.truth.corrupt.is_none() {
            assert_eq!(self.submitter.in_flight(), self.truth.used(), "the books are wrong");
            let given_up = self.truth.ids.iter().filter(|id| **id == Id::Abandoned).count();
            assert_eq!(self.submitter.quarantined(), given_up, "the books are wrong");
            assert_eq!(self.submitter.reaped(), self.truth.reaped);
        }
    }

    fn broken(&self, error: Error) {
        let corrupt = self.truth.corrupt.map(Error::Corrupt);
        assert_eq!(Some(error), corrupt, "a breach that no word shows, or another one");
    }

    fn polled(&mut self, id: u16, result: Result<Result<Outcome, Ticket>, Error>) {
        let known = &mut self.truth.ids[usize::from(id)];
        match result {
            Ok(Ok(outcome)) => {
                assert_eq!(*known, Id::Done(outcome), "another result than was loaded");
                *known = Id::Free;
            }
            Ok(Err(ticket)) => {
                assert_eq!((*known, ticket.id()), (Id::InFlight, id));
                self.tickets.push_front(ticket);
            }
            Err(error) => self.broken(error),
        }
    }

    /// A call that the host answers in the kick.
    fn at_once(&mut self) {
        let Self { ground, submitter, completer, .. } = self;
        let stood = self.truth.reaped;
        let (result, log) = ground.call(SUBMIT + KICK + 3 + poll(D), || {
            submitter.call(&Submission::new(Op::NOP, [5; 6]), || {
                completer.answer(D as u32, Op::NOP, |submission| Ok(submission.args[0].get()));
            })
        });
        self.hear(&log, stood);
        match self.truth.sent.first().copied() {
            Some(id) => self.polled(id, result),
            None if result == Err(Error::Full) => assert_eq!(self.truth.used(), D),
            None => self.broken(result.expect_err("a result of nothing")),
        }
    }

    fn exchange(&mut self) {
        const PATIENCE: usize = 3;
        let Self { ground, submitter, completer, .. } = self;
        let completer = std::cell::RefCell::new(completer);
        let mut results = [Ok(0); D];
        let (stood, before) = (self.truth.reaped, self.truth.used());
        let wanted = &mut results[before..];
        // What arrives is loaded once; each result is asked for once, and once more each time that the waiter
        // was patient.
        let most = (SUBMIT + 1) * wanted.len() + KICK + poll(D) + PATIENCE + 3;
        let mut patience = 0..PATIENCE;
        let (result, log) = ground.call(most, || {
            submitter.exchange(
                wanted,
                |n| Submission::new(Op::NOP, [n as u64; 6]),
                || _ = completer.borrow_mut().answer(D as u32 - 1, Op::NOP, |_| Ok(4)),
                || {
                    completer.borrow_mut().answer(1, Op::NOP, |_| Err(Status::DENIED));
                    patience.next().is_some()
                },
            )
        });
        let (was, gave_up) = (self.truth.corrupt, patience.is_empty());
        self.hear(&log, stood);
        match result {
            Ok(()) | Err(Error::Empty) => {}
            Err(error) => self.broken(error),
        }
        if was.is_some() {
            assert!(wanted.iter().all(|left| *left == Ok(0)), "a result from a corrupt queue");
            return;
        }
        let mut missing = 0;
        for (id, found) in self.truth.sent.iter().zip(wanted.iter()) {
            let id = &mut self.truth.ids[usize::from(*id)];
            let Id::Done(outcome) = *id else {
                assert_eq!(*found, Err(Status::INDETERMINATE), "a result that was not loaded");
                missing += 1;
                *id = Id::Abandoned;
                continue;
            };
            if gave_up && *found == Err(Status::INDETERMINATE) && outcome.status != Status::INDETERMINATE {
                // It was given up, and came while others were asked for: too late, but its id is free
                // (CALL-17).
                missing += 1;
                *id = Id::Free;
                continue;
            }
            let told = if outcome.status == Status::OK { Ok(outcome.value) } else { Err(outcome.status) };
            assert_eq!(*found, told, "another result than was loaded");
            *id = Id::Free;
        }
        assert_eq!(missing > 0, result.is_err(), "{missing} results are missing, and yet {result:?}");
    }
}

/// One history under strikes.
pub(crate) fn tell<const D: usize>(history: &[u8], strikes: &[Strike]) -> Told {
    let ground = Ground::new(10 * D + 1, strikes);
    let mut story = Story::<D>::begin(&ground, seed(D as u32), START);
    history.iter().for_each(|step| story.step(*step));
    let told = Told { corrupt: story.truth.corrupt, stood: std::mem::take(&mut story.stood) };
    if told.corrupt.is_some() {
        // The peer's good behaviour cures nothing, cleared memory neither.
        ground.truce();
        (8 * D..10 * D).for_each(|word| ground.poke(word, 0));
        b"spkxr".iter().for_each(|step| story.step(*step));
        // A session of its own does (SES-1).
        let mut fresh = Story::<D>::begin(&ground, seed(D as u32).wrapping_add(0x1001), 0);
        b"sfcpkx".iter().for_each(|step| fresh.step(*step));
        assert_eq!((fresh.truth.corrupt, fresh.truth.used()), (None, 0), "a fresh session does not work");
    }
    told
}

/// The peer dies before its store number `life`, in the middle of whatever it does: nothing but silence
/// follows, every wait ends, and a fresh session works over the memory that is left, as it is. `None`: it
/// lived longer.
fn outlive<const D: usize>(history: &[u8], life: usize) -> Option<()> {
    let ground = Ground::new(10 * D + 1, &[]);
    let mut story = Story::<D>::begin(&ground, seed(D as u32), START);
    ground.dies(life);
    history.iter().for_each(|step| story.step(*step));
    b"ppprqkxpbbbbbx".iter().for_each(|step| story.step(*step));
    assert_eq!(story.truth.corrupt, None, "death was taken for a lie");
    if ground.life() > 0 {
        return None;
    }
    ground.dies(usize::MAX);
    let mut fresh = Story::<D>::begin(&ground, seed(D as u32).wrapping_add(0x1001), 0);
    // What lies there is of another session: nothing has arrived.
    b"srp".iter().for_each(|step| fresh.step(*step));
    assert_eq!((fresh.truth.reaped, fresh.truth.used()), (0, 1), "a stale completion was taken");
    history.iter().for_each(|step| fresh.step(*step));
    assert_eq!(fresh.truth.corrupt, None, "what a dead peer left was taken for the living one's");
    Some(())
}

const HISTORIES: [&[u8]; 3] = [
    b"sfclrlssffccppsspaaplsrlsxsapxsx",
    b"ssssffffdqcqccpqrrxsbfsdbsarrkskbak",
    b"xkxssaxppbsxfdkxsffcdrprkbx",
];

/// What the host writes, and what it may say there.
fn values<const D: usize>(word: usize, stood: u32) -> Vec<u64> {
    if word == 10 * D {
        let position = u64::from(stood);
        return vec![
            KICK_AT,
            KICK_AT | position,
            KICK_AT | (position + 1),
            KICK_AT - 1,
            2 * KICK_AT,
            u64::MAX,
        ];
    }
    let (slot, part) = ((word - 8 * D) / 2, word % 2);
    if part == 0 {
        return PLAIN.to_vec();
    }
    tails(D as u32, seed(D as u32), slot as u32, stood)
}

fn exhaustive<const D: usize>() -> Count {
    let mut count = Count::default();
    for history in HISTORIES {
        count += exhaust(8 * D..10 * D + 1, values::<D>, |strikes| tell::<D>(history, strikes));
    }
    count
}

#[test]
fn each_word_at_each_look() {
    let mut count = exhaustive::<1>();
    count += exhaustive::<2>();
    count += exhaustive::<4>();
    count.report("submitter, depth 1, 2 and 4, each word before each look");
}

/// Several strikes a history, which is as random as they are.
fn random<const D: usize>(rounds: u64, noise: &mut Noise) -> Count {
    let mut count = Count::default();
    for _ in 0..rounds * effort() {
        let history: Vec<u8> = (0..40 + 6 * D.min(64)).map(|_| noise.pick(b"sssffccdpppqrrlbkxa")).collect();
        let honest = tell::<D>(&history, &[]);
        let strikes = strikes(&honest.stood, noise, slots(8 * D..10 * D, 2), values::<D>);
        let _said = Said(&strikes);
        count.add(&tell::<D>(&history, &strikes));
    }
    count
}

#[test]
fn several_words_at_random() {
    let mut noise = Noise::new("submitter");
    let mut count = random::<2>(20_000, &mut noise);
    count += random::<64>(3_000, &mut noise);
    count += random::<4096>(50, &mut noise);
    count.report("submitter, depth 2, 64 and 4096, at random");
}

#[test]
fn a_peer_that_dies_at_each_store() {
    let mut deaths = 0;
    for history in HISTORIES {
        deaths += (0..).map_while(|life| outlive::<1>(history, life)).count();
        deaths += (0..).map_while(|life| outlive::<2>(history, life)).count();
        deaths += (0..).map_while(|life| outlive::<4>(history, life)).count();
    }
    println!("hostile: submitter: its peer died {deaths} deaths");
    assert!(deaths > 100);
}
