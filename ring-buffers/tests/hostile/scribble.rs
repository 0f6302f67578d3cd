// SPDX-License-Identifier: MIT OR Apache-2.0
//! A second thread that writes over all that is the peer's, as fast as it can, while an honest end works on mapped memory.
#![allow(unsafe_code, reason = "mapped memory is made from a pointer")]

use crate::area::{AREA, MAX_PORTS, armed, hints, taken};
use crate::noise::{Noise, effort};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tenon_abi::call::{pack, unpack};
use tenon_abi::{Entry, Op, Status, Submission, Tail, turn};
use tenon_rings::event::RaiserState;
use tenon_rings::{Completer, Error, Mapping, Raiser, Submitter, Taker, Ticket};

/// What one race costs, whichever is used up first.
const STEPS: u64 = 300_000;
const TIME: Duration = Duration::from_millis(800);
/// What it may cost on a machine so busy that the two threads have not met by then.
const LAST: Duration = Duration::from_secs(10);
/// Results, and breaches, after which they have met.
const MET: u64 = 100;
/// Sessions, and steps of one: a corrupt ring does nothing more.
const STEPS_OF_A_SESSION: u64 = 300;

/// What stands before and behind the memory, and has to stay.
const GUARD: [u64; 8] = [0xdead_beef_0bad_cafe; 8];

/// Mapped memory between guards.
struct Shared(Box<[AtomicU64]>);

impl Shared {
    fn new(words: usize) -> Self {
        let guard = || GUARD.into_iter().map(AtomicU64::new);
        Self(guard().chain((0..words).map(|_| AtomicU64::new(0))).chain(guard()).collect())
    }

    fn words(&self) -> &[AtomicU64] {
        &self.0[GUARD.len()..self.0.len() - GUARD.len()]
    }

    fn mapping(&self, words: Range<usize>) -> Mapping {
        let words = &self.words()[words];
        // SAFETY: the words live as long as `self`, which every race outlives, and are only referenced as atomics.
        unsafe { Mapping::new(words.as_ptr().cast_mut().cast(), size_of_val(words)) }.unwrap()
    }

    fn check(&self) {
        let (before, rest) = self.0.split_at(GUARD.len());
        let behind = &rest[rest.len() - GUARD.len()..];
        let values =
            |words: &[AtomicU64]| words.iter().map(|w| w.load(Ordering::Relaxed)).collect::<Vec<_>>();
        assert_eq!((&values(before)[..], &values(behind)[..]), (&GUARD[..], &GUARD[..]), "out of bounds");
    }
}

/// An end at work.
trait End {
    /// Whether there is anything that its peer can break.
    const CAN_BREAK: bool = true;
    /// Does something. `false`: it is corrupt.
    fn step(&mut self, noise: &mut Noise) -> bool;
    /// The position that it expects next of its peer, and the number of results that it had.
    fn stands(&self) -> (u32, u64);
}

/// The scribbler stops, whatever happens to the end.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Gives the other thread time to strike, if it does not run just now.
fn meet(struck: &AtomicU64, seen: u64) -> u64 {
    for round in 0..2000 {
        let now = struck.load(Ordering::Relaxed);
        if now != seen {
            return now;
        }
        if round < 1000 { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
    seen
}

/// Races an end against a scribbler that knows everything: where the end stands, and what it would like to see there.
fn race<E: End>(
    name: &str,
    shared: &Shared,
    mut make: impl FnMut(u32) -> E,
    scribble: impl Fn(&mut Noise, u32, u32) -> (usize, u64) + Sync,
) {
    static ALONE: Mutex<()> = Mutex::new(());
    // Two threads, for two processors: races do not race each other.
    let _alone = ALONE.lock();
    let (hint, struck, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (mut steps, mut sessions, mut breaches, mut results) = (0, 0, 0, 0);
    let mut noise = Noise::new(name);
    let strikes = std::thread::scope(|scope| {
        let mut theirs = noise.clone();
        let (hint, struck, stop, scribble) = (&hint, &struck, &stop, &scribble);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let (seed, stood) = unpack(hint.load(Ordering::Relaxed));
                let (word, value) = scribble(&mut theirs, seed, stood);
                shared.words()[word].store(value, Ordering::Relaxed);
                struck.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _over = Over(stop);
        let mut seen = meet(struck, 0);
        let begin = Instant::now();
        let wanted = |steps, met| match begin.elapsed() {
            spent if met => steps < STEPS * effort() && spent < TIME * effort() as u32,
            spent => spent < LAST,
        };
        while wanted(steps, results >= MET && (breaches >= MET || !E::CAN_BREAK)) {
            let seed = (noise.word() as u32) | 1;
            let mut end = make(seed);
            for _ in 0..STEPS_OF_A_SESSION {
                hint.store(pack(seed, end.stands().0), Ordering::Relaxed);
                steps += 1;
                if noise.below(4) == 0 {
                    seen = meet(struck, seen);
                }
                if !end.step(&mut noise) {
                    breaches += 1;
                    break;
                }
            }
            sessions += 1;
            results += end.stands().1;
        }
        struck.load(Ordering::Relaxed)
    });
    shared.check();
    println!(
        "hostile: {name} under a scribbling thread: {steps} steps, {sessions} sessions, {results} results, {breaches} breaches found, {strikes} strikes"
    );
    assert!(results > 0 && (breaches > 0) == E::CAN_BREAK && strikes > 0, "{name}: nobody met anybody");
}

/// Depth of the queues.
const D: usize = 8;

struct Guest {
    end: Submitter<Mapping, D>,
    tickets: VecDeque<Ticket>,
    results: u64,
}

impl End for Guest {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let call = Submission::new(Op::NOP, [noise.word(); 6]);
        let result = match noise.below(8) {
            0..=2 => self.end.submit(call).map(|ticket| {
                assert!(usize::from(ticket.id()) < D, "an id out of range");
                assert!(self.tickets.iter().all(|held| held.id() != ticket.id()), "an id twice");
                self.tickets.push_back(ticket);
            }),
            3 | 4 => match self.tickets.pop_front() {
                Some(ticket) => self.poll(|end| end.poll(ticket)),
                None => self.end.reap().map(drop),
            },
            5 => {
                if let Some(ticket) = self.tickets.pop_back() {
                    self.end.abandon(ticket);
                }
                Ok(())
            }
            6 => self.poll(|end| end.call(call, std::thread::yield_now)),
            _ => {
                let mut results = [Ok(0); 2];
                let mut patience = 0..20;
                let done = self.end.exchange(&mut results, |_| call, || {}, || patience.next().is_some());
                self.results +=
                    results.iter().filter(|result| **result != Err(Status::INDETERMINATE)).count() as u64;
                done
            }
        };
        assert!(self.end.in_flight() <= D);
        match result {
            Err(Error::Corrupt(corrupt)) => {
                assert_eq!(self.end.corrupt(), Some(corrupt));
                assert_eq!(self.end.submit(call), Err(Error::Corrupt(corrupt)), "not latched");
                false
            }
            _ => true,
        }
    }

    fn stands(&self) -> (u32, u64) {
        (self.end.reaped(), self.results)
    }
}

impl Guest {
    fn poll(
        &mut self,
        poll: impl FnOnce(&mut Submitter<Mapping, D>) -> Result<Result<tenon_rings::call::Outcome, Ticket>, Error>,
    ) -> Result<(), Error> {
        match poll(&mut self.end)? {
            Ok(_) => self.results += 1,
            Err(ticket) => self.tickets.push_front(ticket),
        }
        Ok(())
    }
}

/// Mostly what a host could say there, at the right moment or nearly.
fn tail(noise: &mut Noise, depth: usize, seed: u32, position: u32) -> u64 {
    let (code, id) = (noise.pick(&[0, 0, Op::NOP.0, 7, u16::MAX]), noise.below(depth) as u16);
    let id = if noise.below(64) == 0 { noise.word() as u16 } else { id };
    let late = if noise.below(8) == 0 { noise.below(3) as u32 } else { 0 };
    Tail { code, id, turn: turn(seed, position.wrapping_sub(late)) }.to_word()
}

#[test]
fn a_submitter() {
    let shared = Shared::new(10 * D);
    let make = |seed| Guest {
        end: Submitter::new(shared.mapping(0..8 * D), shared.mapping(8 * D..10 * D), seed).unwrap(),
        tickets: VecDeque::new(),
        results: 0,
    };
    race("submitter", &shared, make, |noise, seed, stood| {
        let position = stood.wrapping_add(noise.below(3) as u32);
        let slot = 8 * D + position as usize % D * 2;
        match noise.below(4) {
            0 => (8 * D + noise.below(2 * D), noise.word()),
            1 => (slot, noise.word()),
            _ => (slot + 1, tail(noise, D, seed, position)),
        }
    });
}

struct Host {
    end: Completer<Mapping>,
    fetched: VecDeque<u16>,
    results: u64,
}

impl End for Host {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let result = match noise.below(6) {
            0..=2 => self.end.fetch(),
            3 => {
                let budget = noise.below(3) as u32;
                let run = self.end.answer(budget, Op::NOP, |submission| {
                    assert!(usize::from(submission.id()) < D, "an id out of range");
                    Ok(submission.args[0].get())
                });
                assert!(run.answered <= budget, "beyond its budget");
                self.results += u64::from(run.answered);
                run.next.unwrap_or(Err(Error::Empty))
            }
            _ => {
                if let Some(id) = self.fetched.pop_front() {
                    assert!(self.end.complete(id, Status::OK, 1));
                }
                return true;
            }
        };
        match result {
            Ok(fetched) => {
                assert!(usize::from(fetched.id) < D && !self.fetched.contains(&fetched.id), "an id twice");
                assert_eq!((fetched.submission.id(), fetched.submission.op()), (fetched.id, fetched.op));
                self.fetched.push_back(fetched.id);
                self.results += 1;
            }
            Err(Error::Corrupt(corrupt)) => {
                assert_eq!(self.end.fetch().err(), Some(Error::Corrupt(corrupt)), "not latched");
                // What was fetched is completed, breach or not.
                assert!(self.fetched.drain(..).all(|id| self.end.complete(id, Status::OK, 1)));
                return false;
            }
            Err(_) => {}
        }
        assert_eq!(self.end.in_flight() as usize, self.fetched.len());
        true
    }

    fn stands(&self) -> (u32, u64) {
        (self.end.state().fetched, self.results)
    }
}

#[test]
fn a_completer() {
    let shared = Shared::new(10 * D);
    let make = |seed| Host {
        end: Completer::new(shared.mapping(0..8 * D), shared.mapping(8 * D..10 * D), seed, D as u32).unwrap(),
        fetched: VecDeque::new(),
        results: 0,
    };
    race("completer", &shared, make, |noise, seed, stood| {
        let position = stood.wrapping_add(noise.below(3) as u32);
        match noise.below(3) {
            0 => (noise.below(8 * D), noise.word()),
            _ => (position as usize % D * 8 + 7, tail(noise, D, seed, position)),
        }
    });
}

/// Entries of the event rings.
const E: usize = 8;

struct Taking(Taker<Mapping>, u64);

impl End for Taking {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let mut out = [u32::MAX; 4];
        match noise.below(4) {
            0 => _ = self.0.arm(),
            1 => self.0.disarm(),
            _ => match self.0.take(&mut out[..2]) {
                Ok(count) => {
                    self.1 += count as u64;
                    assert!(out[..count].iter().all(|port| *port < MAX_PORTS), "a port out of range");
                    assert!(out[count..].iter().all(|port| *port == u32::MAX));
                }
                Err(error) => {
                    assert_eq!(self.0.take(&mut out), Err(error), "not latched");
                    assert!(self.0.arm(), "its vCPU may halt");
                    return false;
                }
            },
        }
        true
    }

    fn stands(&self) -> (u32, u64) {
        (self.0.taken(), self.1)
    }
}

#[test]
fn a_taker() {
    let shared = Shared::new(AREA + E);
    let make = |seed| {
        let (area, entries) = (shared.mapping(0..AREA), shared.mapping(AREA..AREA + E));
        Taking(Taker::new(area, entries, 0, seed, E as u32, MAX_PORTS).unwrap(), 0)
    };
    race("taker", &shared, make, |noise, seed, stood| {
        let position = stood.wrapping_add(noise.below(3) as u32);
        let port = if noise.below(64) == 0 { noise.word() as u32 } else { noise.below(4) as u32 };
        let entry = Entry { port, turn: turn(seed, position) }.to_word();
        let value = if noise.below(4) == 0 { noise.word() } else { entry };
        (AREA + position as usize % E, value)
    });
}

struct Raising<'a> {
    end: Raiser<Mapping>,
    shared: &'a Shared,
    seed: u32,
    last: [Option<u64>; E],
    results: u64,
}

impl End for Raising<'_> {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let at = noise.below(E);
        let before = *self.end.state();
        let result = match noise.below(8) {
            0 => self.end.reserve(),
            1 => {
                self.end.release(self.last[at].take());
                Ok(())
            }
            _ => self.end.raise(at as u32, &mut self.last[at]).map(drop),
        };
        let state = *self.end.state();
        let step = state.written - before.written;
        assert!(step <= 1 && state.taken <= state.written && before.taken <= state.taken);
        assert!(state.written - state.taken <= E as u64, "an entry over one that was not taken");
        if step == 1 {
            // Nobody but this end writes here.
            let position = before.written as u32;
            let word = self.shared.words()[AREA + position as usize % E].load(Ordering::Relaxed);
            assert_eq!(Entry::from_word(word), Entry { port: at as u32, turn: turn(self.seed, position) });
            self.results += 1;
        }
        match result {
            Err(error @ Error::Corrupt(_)) => {
                assert_eq!(self.end.raise(0, &mut None), Err(error), "not latched");
                false
            }
            _ => true,
        }
    }

    fn stands(&self) -> (u32, u64) {
        (self.end.state().written as u32, self.results)
    }
}

#[test]
fn a_raiser() {
    let shared = Shared::new(AREA + E);
    let make = |seed| {
        let (area, entries) = (shared.mapping(0..AREA), shared.mapping(AREA..AREA + E));
        shared.words()[taken(1)].store(0, Ordering::Relaxed);
        let end = Raiser::new(area, entries, 1, seed, E as u32, RaiserState::default()).unwrap();
        Raising { end, shared: &shared, seed, last: [None; E], results: 0 }
    };
    race("raiser", &shared, make, |noise, _, stood| match noise.below(256) {
        0 => (noise.below(AREA), noise.word()),
        1 => (taken(1), u64::from(stood.wrapping_sub(noise.below(4) as u32))),
        2..20 => (armed(1), u64::from(stood.wrapping_add(noise.below(5) as u32).wrapping_sub(2))),
        20..40 => (hints().start, noise.word()),
        _ => (taken(1), u64::from(stood)),
    });
}

/// Payload, while somebody writes over it.
struct Copying {
    mapping: Mapping,
    results: u64,
}

const PAYLOAD: usize = 512;

impl End for Copying {
    const CAN_BREAK: bool = false;

    fn step(&mut self, noise: &mut Noise) -> bool {
        const LEN: usize = PAYLOAD * 8;
        let (offset, len) = (noise.below(LEN + 20), noise.below(1300));
        let mut bytes = vec![0x5a; len + 1];
        let inside = offset + len <= LEN;
        assert_eq!(self.mapping.read(offset, &mut bytes[..len]), inside);
        assert_eq!(bytes[len], 0x5a, "copied beyond its buffer");
        assert!(inside || bytes.iter().all(|byte| *byte == 0x5a), "a refused copy copies nothing");
        assert_eq!(self.mapping.write(offset, &bytes[..len]), inside);
        self.results += u64::from(inside);
        true
    }

    fn stands(&self) -> (u32, u64) {
        (0, self.results)
    }
}

#[test]
fn a_payload() {
    let shared = Shared::new(PAYLOAD);
    let make = |_| Copying { mapping: shared.mapping(0..PAYLOAD), results: 0 };
    race("payload", &shared, make, |noise, _, _| (noise.below(PAYLOAD), noise.word()));
}
