// SPDX-License-Identifier: MIT OR Apache-2.0
//! GEN-7, CALL-6, CALL-8, CALL-15: the host's end of a queue under a guest that lies.

use crate::ground::{Access, Ground, Strike, View};
use crate::noise::{Noise, effort};
use crate::story::{Count, PLAIN, START, Said, Told, exhaust, seed, slots, strikes, tails};
use std::collections::{BTreeMap, VecDeque};
use tenon_abi::{Op, Reason, Status, Submission, Tail, turn};
use tenon_rings::call::{CompleterState, Fetched, Parts, Queue};
use tenon_rings::{Completer, Corrupt, Error, Site, Submitter, Ticket};

/// Accesses of a call: a submission is 8 loads, a completion 2 stores.
const FETCH: usize = 8;
const COMPLETE: usize = 2;
const fn answer(budget: u32) -> usize {
    (FETCH + COMPLETE) * budget as usize + FETCH
}

/// What a completer has to make of the words that it was seen to load.
struct Truth {
    depth: u32,
    seed: u32,
    fetched: u32,
    completed: u32,
    /// By id: the words as they were loaded.
    in_flight: BTreeMap<u16, [u64; 8]>,
    corrupt: Option<Corrupt>,
    /// Ids of the last call: taken, and completed.
    took: Vec<u16>,
    gave: Vec<u16>,
}

impl Truth {
    fn new(depth: u32, seed: u32, position: u32) -> Self {
        Self {
            depth,
            seed,
            fetched: position,
            completed: position,
            in_flight: BTreeMap::new(),
            corrupt: None,
            took: Vec::new(),
            gave: Vec::new(),
        }
    }

    fn hear(&mut self, log: &[Access]) {
        self.took.clear();
        self.gave.clear();
        let mut log = log.iter().copied().peekable();
        while let Some(access) = log.next() {
            match access {
                Access::Load { index, value, site: Site::SubmissionTake } => {
                    assert_eq!(self.corrupt, None, "a look at a corrupt queue");
                    assert!(
                        self.in_flight.len() < self.depth as usize,
                        "no completion slot is left (CALL-8)"
                    );
                    let first = self.slot(self.fetched) * 8;
                    assert_eq!(index, first + 7, "a look at another slot (CALL-1)");
                    let mut body = Vec::new();
                    while let Some(Access::Load { index, value, .. }) =
                        log.next_if(|next| matches!(next, Access::Load { site: Site::SubmissionBody, .. }))
                    {
                        assert_eq!(index, first + body.len(), "words out of order");
                        body.push(value);
                    }
                    self.arrive(value, &body);
                }
                Access::Store { index, value, site: Site::CompletionPublish } => {
                    let tail = Tail::from_word(value);
                    assert_eq!(index, self.completion() + 1, "a completion in another slot (CALL-1)");
                    assert_eq!(tail.turn, turn(self.seed, self.completed), "another turn (CALL-4)");
                    assert!(self.in_flight.remove(&tail.id).is_some(), "not in flight (CALL-7)");
                    self.gave.push(tail.id);
                    self.completed = self.completed.wrapping_add(1);
                }
                Access::Store { index, site: Site::CompletionBody, .. } => {
                    assert_eq!(index, self.completion(), "a completion in another slot (CALL-1)");
                }
                Access::Load { value, site: Site::ArmedRead, .. } if value >> 32 != 0 => {
                    // What was latched first stands (CALL-15).
                    let seen = Corrupt { reason: Reason::BAD_ARMED, position: self.fetched };
                    self.corrupt.get_or_insert(seen);
                }
                Access::Load { site: Site::ArmedRead, .. } => {}
                Access::Store { value, site: Site::KickPublish, .. } => {
                    assert_eq!(
                        value,
                        (1 << 32) | u64::from(self.fetched),
                        "a kick from elsewhere on (CALL-25)"
                    );
                    // The look behind it takes nothing.
                    log.next_if(|next| matches!(next, Access::Load { site: Site::SubmissionTake, .. }));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn arrive(&mut self, word: u64, body: &[u64]) {
        let tail = Tail::from_word(word);
        if tail.turn != turn(self.seed, self.fetched) {
            assert!(body.is_empty(), "a slot was copied before its turn");
            return;
        }
        let taken = self.in_flight.contains_key(&tail.id);
        if taken || u32::from(tail.id) >= self.depth {
            let reason = if taken { Reason::DUPLICATE_ID } else { Reason::BAD_ID };
            self.corrupt = Some(Corrupt { reason, position: self.fetched });
            return;
        }
        let mut all = [word; 8];
        all[..7].copy_from_slice(body);
        self.in_flight.insert(tail.id, all);
        self.took.push(tail.id);
        self.fetched = self.fetched.wrapping_add(1);
    }

    const fn slot(&self, position: u32) -> usize {
        (position & (self.depth - 1)) as usize
    }

    fn completion(&self) -> usize {
        self.depth as usize * 8 + self.slot(self.completed) * 2
    }
}

/// The tested completer, an honest submitter, and the truth.
struct Story<'a, const D: usize> {
    ground: &'a Ground,
    completer: Completer<View<'a>>,
    submitter: Submitter<View<'a>, D>,
    truth: Truth,
    tickets: VecDeque<Ticket>,
    fetched: VecDeque<u16>,
    stood: Vec<u32>,
}

impl<'a, const D: usize> Story<'a, D> {
    fn begin(ground: &'a Ground, seed: u32, position: u32) -> Self {
        let depth = D as u32;
        let (theirs, ours) = (ground.theirs(0, 8 * D), ground.ours(8 * D, 2 * D));
        let peer = (ground.peer(0, 8 * D), ground.peer(8 * D, 2 * D));
        // Behind the slots the guest's word, then the host's.
        let (armed, kick) = (ground.theirs(10 * D, 1), ground.ours(10 * D + 1, 1));
        let parts = Parts { submissions: theirs, completions: ours, armed, kick };
        let completer = Queue::new(parts, seed, depth).unwrap().completer_at(CompleterState::at(position));
        Self {
            ground,
            completer: completer.unwrap(),
            submitter: crate::ends::submitter(peer.0, peer.1, seed, position),
            truth: Truth::new(depth, seed, position),
            tickets: VecDeque::new(),
            fetched: VecDeque::new(),
            stood: Vec::new(),
        }
    }

    fn call<T>(&mut self, most: usize, call: impl FnOnce(&mut Completer<View<'a>>) -> T) -> T {
        let stood = self.truth.fetched;
        let (result, log) = self.ground.call(most, || call(&mut self.completer));
        self.truth.hear(&log);
        self.stood.resize(self.ground.loads(), stood);
        result
    }

    fn step(&mut self, step: u8) {
        let was = self.truth.corrupt;
        match step {
            b's' => self.tickets.extend(self.submitter.submit(Submission::new(Op::NOP, [3; 6]))),
            b'e' => self.tickets.extend(self.submitter.submit(Submission::new(Op::PROBE, [7; 6]))),
            b'p' => {
                if let Some(Ok(Err(ticket))) =
                    self.tickets.pop_front().map(|ticket| self.submitter.poll(ticket))
                {
                    self.tickets.push_front(ticket);
                }
            }
            b'f' => {
                let result = self.call(FETCH, Completer::fetch);
                self.took(result);
            }
            b'l' => {
                let result = self.call(1, Completer::owes_upcall);
                assert!(
                    result.is_ok() || result == Err(Error::Corrupt(self.truth.corrupt.expect("a breach")))
                );
            }
            b'r' => {
                let ready = self.call(2, |end| !end.rest());
                let tail = self.ground.peek(self.truth.slot(self.truth.fetched) * 8 + 7);
                let there = Tail::from_word(tail).turn == turn(self.truth.seed, self.truth.fetched);
                let room = self.truth.in_flight.len() < D;
                assert_eq!(
                    ready,
                    there && room && self.truth.corrupt.is_none(),
                    "it sleeps beside a submission"
                );
            }
            b'a' | b'A' => self.answer(if step == b'a' { 1 } else { 3 }),
            _ => {
                let id = if step == b'c' { self.fetched.pop_front() } else { self.fetched.pop_back() };
                // Of ids that are not in flight nothing is written (CALL-7).
                let absent = (0..=u16::MAX).find(|id| !self.truth.in_flight.contains_key(id));
                for id in absent.into_iter().chain([D as u16, u16::MAX]).chain(id) {
                    let known = self.truth.in_flight.contains_key(&id);
                    let done = self.call(COMPLETE, |end| end.complete(id, Status::OK, 4));
                    assert_eq!((done, self.truth.gave.len()), (known, usize::from(known)));
                }
            }
        }
        assert!(was.is_none() || was == self.truth.corrupt, "a breach was forgotten");
        let state = self.completer.state();
        assert_eq!(state.corrupt, self.truth.corrupt, "not the breach that the words show");
        assert_eq!((state.fetched, state.completed), (self.truth.fetched, self.truth.completed));
        assert_eq!(self.completer.in_flight() as usize, self.truth.in_flight.len(), "the books are wrong");
        assert!(self.truth.in_flight.keys().all(|id| self.completer.is_in_flight(*id)));
    }

    fn took(&mut self, result: Result<Fetched, Error>) {
        match result {
            Ok(fetched) => {
                let words = self.truth.in_flight[&fetched.id];
                assert_eq!(self.truth.took.last(), Some(&fetched.id));
                assert_eq!(fetched.submission.to_words(), words, "not the words that were loaded");
                assert_eq!(fetched.op.0, Tail::from_word(words[7]).code);
                self.fetched.push_back(fetched.id);
            }
            Err(Error::Empty) => assert_eq!(self.truth.corrupt, None),
            Err(Error::Full) => assert_eq!((self.truth.in_flight.len(), self.truth.corrupt), (D, None)),
            Err(error) => {
                assert_eq!(Some(error), self.truth.corrupt.map(Error::Corrupt), "another breach");
            }
        }
    }

    fn answer(&mut self, budget: u32) {
        let stood = self.truth.fetched;
        let (asked, ground) = (std::cell::RefCell::new(Vec::new()), self.ground);
        let ((run, fetched), log) = ground.call(answer(budget), || {
            let run = self.completer.answer(budget, Op::NOP, |submission| {
                asked.borrow_mut().push(submission.to_words()[7]);
                if submission.id() == 1 { Err(Status::DENIED) } else { Ok(submission.args[0].get()) }
            });
            let next = run.next.transpose();
            (run, next.map(|next| next.and_then(|next| self.completer.fetch_next(next))))
        });
        self.truth.hear(&log);
        self.stood.resize(ground.loads(), stood);
        assert!(run.answered <= budget, "beyond its budget");
        assert_eq!(run.answered as usize, self.truth.gave.len(), "what was answered is what was completed");
        let asked = asked.into_inner();
        assert!(asked.iter().all(|word| Tail::from_word(*word).code == Op::NOP.0), "of another operation");
        let ids: Vec<u16> = asked.iter().map(|word| Tail::from_word(*word).id).collect();
        assert_eq!(ids, self.truth.gave);
        match fetched {
            Some(fetched) => self.took(fetched),
            None => assert_eq!(run.answered, budget),
        }
    }
}

/// One history under strikes.
fn tell<const D: usize>(history: &[u8], strikes: &[Strike]) -> Told {
    let ground = Ground::new(10 * D + 2, strikes);
    let mut story = Story::<D>::begin(&ground, seed(D as u32), START);
    history.iter().for_each(|step| story.step(*step));
    let told = Told { corrupt: story.truth.corrupt, stood: std::mem::take(&mut story.stood) };
    if told.corrupt.is_some() {
        // What was fetched is completed, breach or not; else nothing cures it.
        ground.truce();
        (0..8 * D).chain([10 * D]).for_each(|word| ground.poke(word, 0));
        b"fAlcdcaf".iter().for_each(|step| story.step(*step));
        // A session of its own does (SES-1).
        let mut fresh = Story::<D>::begin(&ground, seed(D as u32).wrapping_add(0x1001), 0);
        b"sfcpsAp".iter().for_each(|step| fresh.step(*step));
        assert_eq!((fresh.truth.corrupt, fresh.truth.completed), (None, 2), "a fresh session does not work");
    }
    told
}

/// The peer dies before its store number `life`, in the middle of whatever it does: nothing but silence
/// follows, every wait ends, and a fresh session works over the memory that is left, as it is. `None`: it
/// lived longer.
fn outlive<const D: usize>(history: &[u8], life: usize) -> Option<()> {
    let ground = Ground::new(10 * D + 2, &[]);
    let mut story = Story::<D>::begin(&ground, seed(D as u32), START);
    ground.dies(life);
    history.iter().for_each(|step| story.step(*step));
    b"ffaAccccfa".iter().for_each(|step| story.step(*step));
    assert_eq!(story.truth.corrupt, None, "death was taken for a lie");
    if ground.life() > 0 {
        return None;
    }
    ground.dies(usize::MAX);
    let mut fresh = Story::<D>::begin(&ground, seed(D as u32).wrapping_add(0x1001), 0);
    // What lies there is of another session: nothing has arrived.
    b"faA".iter().for_each(|step| fresh.step(*step));
    assert_eq!(fresh.truth.fetched, 0, "a stale submission was taken");
    history.iter().for_each(|step| fresh.step(*step));
    assert_eq!(fresh.truth.corrupt, None, "what a dead peer left was taken for the living one's");
    Some(())
}

const HISTORIES: [&[u8]; 3] = [
    b"rsfclpssffccprpseafdAlpsaapscssffpcrpfcAsAl",
    b"sssserffffdsfdclfppspcAprppsA",
    b"esAsessAAfcdpppsesaAfcsppA",
];

/// What the guest writes, and what it may say there.
fn values<const D: usize>(word: usize, stood: u32) -> Vec<u64> {
    if word % 8 == 7 && word < 8 * D {
        return tails(D as u32, seed(D as u32), (word / 8) as u32, stood);
    }
    PLAIN[..if D < 4 { PLAIN.len() } else { 3 }].to_vec()
}

fn exhaustive<const D: usize>() -> Count {
    let mut count = Count::default();
    for history in HISTORIES {
        count += exhaust(0..8 * D, values::<D>, |strikes| tell::<D>(history, strikes));
        count += exhaust(10 * D..10 * D + 1, values::<D>, |strikes| tell::<D>(history, strikes));
    }
    count
}

#[test]
fn each_word_at_each_look() {
    let mut count = exhaustive::<1>();
    count += exhaustive::<2>();
    count += exhaustive::<4>();
    count.report("completer, depth 1, 2 and 4, each word before each look");
}

/// Several strikes a history, which is as random as they are.
fn random<const D: usize>(rounds: u64, noise: &mut Noise) -> Count {
    let mut count = Count::default();
    for _ in 0..rounds * effort() {
        let history: Vec<u8> = (0..40 + 6 * D.min(64)).map(|_| noise.pick(b"sssseffaAcdcppplr")).collect();
        let honest = tell::<D>(&history, &[]);
        let strikes = strikes(&honest.stood, noise, slots(0..8 * D, 8), values::<D>);
        let _said = Said(&strikes);
        count.add(&tell::<D>(&history, &strikes));
    }
    count
}

#[test]
fn several_words_at_random() {
    let mut noise = Noise::new("completer");
    let mut count = random::<2>(20_000, &mut noise);
    count += random::<64>(3_000, &mut noise);
    count += random::<4096>(50, &mut noise);
    count.report("completer, depth 2, 64 and 4096, at random");
}

#[test]
fn a_bad_armed_word_is_latched_but_the_first_breach_wins() {
    let armed = Strike { before: 0, word: 20, value: 1 << 32 };
    let story = |history: &[u8], strikes: &[Strike]| {
        tell::<2>(history, strikes).corrupt.map(|corrupt| corrupt.reason)
    };
    assert_eq!(story(b"sflcf", &[armed]), Some(Reason::BAD_ARMED));
    let value = Tail { code: 0, id: 2, turn: turn(seed(2), START) }.to_word();
    let bad_id = Strike { before: 0, word: 7, value };
    assert_eq!(story(b"flf", &[armed, bad_id]), Some(Reason::BAD_ID));
}

#[test]
fn a_peer_that_dies_at_each_store() {
    let mut deaths = 0;
    for history in HISTORIES {
        deaths += (0..).map_while(|life| outlive::<1>(history, life)).count();
        deaths += (0..).map_while(|life| outlive::<2>(history, life)).count();
        deaths += (0..).map_while(|life| outlive::<4>(history, life)).count();
    }
    println!("hostile: completer: its peer died {deaths} deaths");
    assert!(deaths > 300);
}
