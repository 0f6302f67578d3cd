// SPDX-License-Identifier: MIT OR Apache-2.0
//! A second thread that writes over all that is the peer's, as fast as it can, while an honest end works on
//! mapped memory.
#![allow(unsafe_code, reason = "mapped memory is made from a pointer")]

mod event;
mod payload;
mod queue;
mod ring;

use crate::noise::{Noise, effort};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tenon_abi::call::{pack, unpack};
use tenon_rings::Mapping;

/// What one race costs, whichever is used up first.
const STEPS: u64 = 300_000;
const TIME: Duration = Duration::from_millis(300);
/// What it may cost on a machine so busy that the two threads have not met by then.
const LAST: Duration = Duration::from_secs(5);
/// Results, and breaches, after which they have met.
const MET: u64 = 20;
/// Sessions, and steps of one: a corrupt ring does nothing more.
const STEPS_OF_A_SESSION: u64 = 300;

/// What stands before and behind the memory, and has to stay.
const GUARD: u64 = 0xdead_beef_0bad_cafe;
const GUARDS: usize = 16;

/// Mapped memory that begins on a cache line, between guards.
struct Shared {
    all: Box<[AtomicU64]>,
    own: Range<usize>,
}

impl Shared {
    fn new(words: usize) -> Self {
        let all: Box<[AtomicU64]> = (0..GUARDS + words + GUARDS).map(|_| AtomicU64::new(GUARD)).collect();
        let first = (8..GUARDS).find(|at| (&raw const all[*at]).addr().is_multiple_of(64)).unwrap();
        let own = first..first + words;
        all[own.clone()].iter().for_each(|word| word.store(0, Ordering::Relaxed));
        Self { all, own }
    }

    fn words(&self) -> &[AtomicU64] {
        &self.all[self.own.clone()]
    }

    fn mapping(&self, words: Range<usize>) -> Mapping {
        let words = &self.words()[words];
        // SAFETY: the words live as long as `self`, which every race outlives, and are only referenced as
        // atomics.
        unsafe { Mapping::new(words.as_ptr().cast_mut().cast(), size_of_val(words)) }.unwrap()
    }

    fn check(&self) {
        let outside = self.all[..self.own.start].iter().chain(&self.all[self.own.end..]);
        assert!(outside.map(|word| word.load(Ordering::Relaxed)).all(|word| word == GUARD), "out of bounds");
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

/// Races an end against a scribbler that knows everything: where the end stands, and what it would like to
/// see there.
fn race<E: End>(
    name: &str,
    shared: &Shared,
    mut make: impl FnMut(u32) -> Option<E>,
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
            let Some(mut end) = make(seed) else { continue };
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
