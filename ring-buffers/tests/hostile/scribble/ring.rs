// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both sides of a data ring, of messages and of records. Payload of records is copied as in `payload`.

use super::{End, Shared, race};
use crate::noise::Noise;
use std::sync::atomic::Ordering;
use tenon_abi::call::pack;
use tenon_abi::stream::{LINE_WORDS, RecordLength};
use tenon_abi::{QueueState, RingPosition, RingShape, turn};
use tenon_rings::stream::{Consumer, Producer, channel};
use tenon_rings::{Error, Mapping, RingMemory};

/// Units of the rings.
const U: u32 = 16;
/// Words of a message.
const M: usize = 4;
/// Where the data begins.
const DATA: usize = 2 * LINE_WORDS;

type Message = [u64; M];

const MESSAGES: RingShape = RingShape { units: U, message: M as u32 };
const RECORDS: RingShape = RingShape { units: U, message: 0 };

/// The memory, as the side at `own` finds it when it comes: cleared, and the other side, at `other`, has come
/// already.
fn memory(shared: &Shared, shape: RingShape, other: usize, seed: u32) -> RingMemory<Mapping> {
    let words = shared.words();
    words[..DATA].iter().for_each(|word| word.store(0, Ordering::Relaxed));
    let start = RingPosition { position: seed, seed }.to_word();
    for (word, value) in [(0, start), (1, start), (2, shape.to_word()), (3, QueueState::RUNNING.0.into())] {
        words[other + word].store(value, Ordering::Relaxed);
    }
    let part = |first: usize, len: usize| shared.mapping(first..first + len);
    let data = part(DATA, words.len() - DATA);
    // SAFETY: every access is atomic or a copy that says that it races; nothing here depends on who else
    // writes.
    unsafe { RingMemory::from_parts(part(0, LINE_WORDS), part(LINE_WORDS, LINE_WORDS), data) }.unwrap()
}

/// `false` once corrupt.
fn goes_on<T>(result: Result<T, Error>, again: impl FnOnce() -> Option<Error>) -> bool {
    let Err(error @ Error::Corrupt(_)) = result else { return true };
    assert_eq!(again(), Some(error), "not latched");
    false
}

struct Sending {
    end: channel::Producer<Mapping, Message, fn()>,
    at: u32,
    results: u64,
}

impl End for Sending {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let result = match noise.below(6) {
            0..=2 => self.end.push([noise.word(); M]).map(|()| 1),
            3 => self.end.push_all(&mut (0..5).map(|n| [n; M])),
            4 => self.end.arm(3).map(|_| 0),
            _ => self.end.flush().map(|()| 0),
        };
        let sent = *result.as_ref().unwrap_or(&0);
        assert!(self.end.room() <= U && sent <= 5, "more room than the ring has");
        self.at = self.at.wrapping_add(sent as u32);
        self.results += sent as u64;
        goes_on(result, || self.end.push([0; M]).err())
    }

    fn stands(&self) -> (u32, u64) {
        (self.at, self.results)
    }
}

/// What a side that lies says of itself: mostly something that could be.
fn position(noise: &mut Noise, seed: u32, around: u32) -> u64 {
    match noise.below(128) {
        0 => noise.word(),
        1 => RingPosition { position: around, seed: noise.word() as u32 }.to_word(),
        _ => RingPosition { position: around, seed }.to_word(),
    }
}

/// A consumer that lies about a ring whose producer stands at `stood`.
fn consumes(noise: &mut Noise, seed: u32, stood: u32) -> (usize, u64) {
    let word = noise.pick(&[0, 0, 0, 0, 1, 1, 3]);
    let behind = noise.below(4) as u32;
    let value = if word == 3 { noise.word() } else { position(noise, seed, stood.wrapping_sub(behind)) };
    (LINE_WORDS + word, value)
}

#[test]
fn a_producer_of_messages() {
    let shared = Shared::new(DATA + U as usize * M);
    race(
        "producer of messages",
        &shared,
        |seed| {
            let (side, _) = memory(&shared, MESSAGES, LINE_WORDS, seed).split();
            // A scribbler may have made a mess of the lines: then as often as it takes.
            let end = side.messages(U, seed, (|| {}) as fn()).ok()?;
            Some(Sending { end, at: seed, results: 0 })
        },
        consumes,
    );
}

struct Receiving {
    end: channel::Consumer<Mapping, Message, fn()>,
    at: u32,
    results: u64,
}

impl End for Receiving {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let result = match noise.below(6) {
            0..=2 => self.end.pop().map(|_| 1),
            3 => {
                let mut seen = 0;
                let result = self.end.drain(5, |_| seen += 1);
                assert_eq!(*result.as_ref().unwrap_or(&0), seen);
                result
            }
            4 => self.end.arm(3).map(|_| 0),
            _ => self.end.release().map(|()| 0),
        };
        let taken = *result.as_ref().unwrap_or(&0);
        assert!(self.end.available() <= U && taken <= 5, "more than the ring has");
        self.at = self.at.wrapping_add(taken as u32);
        self.results += taken as u64;
        goes_on(result, || self.end.pop().err())
    }

    fn stands(&self) -> (u32, u64) {
        (self.at, self.results)
    }
}

#[test]
fn a_consumer_of_messages() {
    let shared = Shared::new(DATA + U as usize * M);
    race(
        "consumer of messages",
        &shared,
        |seed| {
            let (_, side) = memory(&shared, MESSAGES, 0, seed).split();
            let end = side.messages(U, seed, (|| {}) as fn()).ok()?;
            Some(Receiving { end, at: seed, results: 0 })
        },
        |noise, seed, stood| match noise.below(4) {
            0 => (DATA + noise.below(U as usize * M), noise.word()),
            1 => (1, noise.word()),
            _ => {
                let ahead = noise.below(5) as u32;
                (0, position(noise, seed, stood.wrapping_add(ahead)))
            }
        },
    );
}

struct Writing {
    end: Producer<Mapping, fn()>,
    at: u32,
    results: u64,
}

impl End for Writing {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let bytes = [0x5a; 24];
        let len = noise.below(25);
        let result = match noise.below(6) {
            0..=3 => self.end.write(&bytes[..len]).map(|()| 1),
            4 => self.end.arm(24).map(|_| 0),
            _ => self.end.flush().map(|()| 0),
        };
        self.results += *result.as_ref().unwrap_or(&0);
        goes_on(result, || self.end.write(&[]).err())
    }

    fn stands(&self) -> (u32, u64) {
        (self.at, self.results)
    }
}

#[test]
fn a_producer_of_payload() {
    let shared = Shared::new(DATA + U as usize);
    race(
        "producer of records",
        &shared,
        |seed| {
            let (side, _) = memory(&shared, RECORDS, LINE_WORDS, seed).split();
            let end = side.records(U as usize * 8, seed, (|| {}) as fn()).ok()?;
            Some(Writing { end, at: seed, results: 0 })
        },
        |noise, seed, stood| {
            // Where it stands the producer itself shows.
            let shown = RingPosition::from_word(shared.words()[0].load(Ordering::Relaxed)).position;
            let here = if noise.below(16) == 0 { stood } else { shown };
            consumes(noise, seed, here)
        },
    );
}

struct Reading {
    end: Consumer<Mapping, fn()>,
    at: u32,
    results: u64,
}

impl End for Reading {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let mut bytes = [0x5a; 32];
        let result = match noise.below(6) {
            0..=3 => self.end.read(|record| {
                let len = record.len();
                assert!(len <= 24, "longer than any record");
                assert!(record.copy_into(&mut bytes).is_some());
                assert!(bytes[len..].iter().all(|byte| *byte == 0x5a), "copied beyond its length");
                assert_eq!(record.read_u64(len), None);
                1
            }),
            4 => self.end.arm(64).map(|_| 0),
            _ => self.end.release().map(|()| 0),
        };
        self.results += *result.as_ref().unwrap_or(&0);
        goes_on(result, || self.end.read(|_| ()).err())
    }

    fn stands(&self) -> (u32, u64) {
        (self.at, self.results)
    }
}

#[test]
fn a_consumer_of_payload() {
    let shared = Shared::new(DATA + U as usize);
    race(
        "consumer of records",
        &shared,
        |seed| {
            let (_, side) = memory(&shared, RECORDS, 0, seed).split();
            let end = side.records(U as usize * 8, seed, (|| {}) as fn()).ok()?;
            Some(Reading { end, at: seed, results: 0 })
        },
        |noise, seed, stood| {
            // Where it stands the consumer itself shows.
            let shown = RingPosition::from_word(shared.words()[LINE_WORDS].load(Ordering::Relaxed)).position;
            let here = (if noise.below(64) == 0 { stood } else { shown }).wrapping_add(noise.below(4) as u32);
            match noise.below(4) {
                0 => (0, position(noise, seed, here)),
                1 => (DATA + noise.below(U as usize), noise.word()),
                _ => {
                    let len = noise.pick(&[0, 1, 8, 15, 16, 24, 25, RecordLength::SKIP.0]);
                    (DATA + (here & (U - 1)) as usize, pack(len, turn(seed, here)))
                }
            }
        },
    );
}
