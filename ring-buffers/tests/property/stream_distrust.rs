// SPDX-License-Identifier: MIT OR Apache-2.0
//! STR-5, STR-9, STR-13, GEN-6: what a peer's words can do to a data ring, each at its boundary; and how
//! often each is looked at.
#![allow(unsafe_code, reason = "a test says who has which side")]

use crate::scribble;
use crate::stream::{LINE, Memory, ring};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::{QueueState, Reason, RingPosition, call::pack, turn};
use tenon_rings::stream::{Consumer, Producer};
use tenon_rings::{Error, RingMemory, Site, Words};

const SEED: u32 = u32::MAX - 2;
const WORDS: usize = 16;

type Ends<'a> = (Producer<&'a [AtomicU64]>, Consumer<&'a [AtomicU64]>);

/// Both ends that have met, with a record of one word taken: each position is SEED + 2.
fn ends(memory: &Memory) -> Ends<'_> {
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.records(WORDS * 8, SEED, ()).unwrap();
    let mut consumer = far.records(WORDS * 8, SEED, ()).unwrap();
    producer.write(&[7; 8]).unwrap();
    producer.flush().unwrap();
    assert_eq!(consumer.read(|span| span.read_u8(0)), Ok(Some(7)));
    consumer.release().unwrap();
    assert_eq!(producer.arm(0), Ok(false));
    (producer, consumer)
}

fn position(ahead: u32, seed: u32) -> u64 {
    RingPosition { position: SEED.wrapping_add(ahead), seed }.to_word()
}

fn reason<T>(result: Result<T, Error>) -> Option<Reason> {
    match result {
        Err(Error::Corrupt(corrupt)) => Some(corrupt.reason),
        _ => None,
    }
}

/// STR-5: a consumer's view of the producer's position.
#[test]
fn a_producers_position_has_its_bounds() {
    for (ahead, seed, breach) in [
        (2, SEED, false),
        (3, SEED, false),
        (18, SEED, false),
        (19, SEED, true),
        (1, SEED, true),
        (0, SEED, true),
        (2 + (1 << 31), SEED, true),
        (3, SEED ^ 1, true),
        (2, 0, true),
    ] {
        let memory = Memory::new(2 * LINE + WORDS);
        let (_, mut consumer) = ends(&memory);
        scribble(memory.words(), 0, position(ahead, seed));
        let found = consumer.arm(1);
        assert_eq!(reason(found), breach.then_some(Reason::BAD_POSITION), "{ahead} {seed:#x}");
        if breach {
            // Latched, whatever comes later, and said.
            scribble(memory.words(), 0, position(3, SEED));
            let again = consumer.read(|_| ());
            assert_eq!(again, Err(Error::Corrupt(consumer.corrupt().unwrap())));
            assert_eq!((consumer.release(), consumer.arm(1).err()), (again, again.err()));
            assert_eq!(consumer.drain(9, |_| ()).err(), again.err());
            let state = memory.words()[LINE + 3].load(Ordering::Relaxed);
            assert_eq!(state, consumer.corrupt().unwrap().to_word());
            assert_eq!(consumer.corrupt().unwrap().position, SEED.wrapping_add(2));
        }
    }
}

/// STR-5: a producer's view of the consumer's position: it may have taken what is published, and nothing
/// else.
#[test]
fn a_consumers_position_has_its_bounds() {
    for (ahead, seed, breach) in [
        (2, SEED, false),
        (5, SEED, false),
        (6, SEED, true),
        (1, SEED, true),
        (2 + (1 << 31), SEED, true),
        (2, 1, true),
    ] {
        let memory = Memory::new(2 * LINE + WORDS);
        let (mut producer, _) = ends(&memory);
        producer.write(&[1; 8]).unwrap();
        producer.flush().unwrap();
        scribble(memory.words(), LINE, position(ahead, seed));
        assert_eq!(reason(producer.arm(0)), breach.then_some(Reason::BAD_POSITION), "{ahead} {seed:#x}");
        if breach {
            let again = producer.write(&[]);
            assert_eq!(again, Err(Error::Corrupt(producer.corrupt().unwrap())));
            assert_eq!((producer.flush(), producer.write_words(&[1])), (again, again));
            let state = memory.words()[3].load(Ordering::Relaxed);
            assert_eq!(state, producer.corrupt().unwrap().to_word());
            producer.close();
            assert_eq!(
                memory.words()[3].load(Ordering::Relaxed),
                state,
                "who leaves a corrupt ring leaves that too"
            );
        }
    }
}

/// STR-3, GEN-5: the other side's line is looked at when it is met.
#[test]
fn a_bad_line_is_found_at_once() {
    for (word, value, expected) in [
        (2, 0, None),
        (2, 1, Some(Reason::BAD_SHAPE)),
        (2, u64::try_from(WORDS).unwrap() | 1 << 32, Some(Reason::BAD_SHAPE)),
        (2, u64::try_from(WORDS * 2).unwrap(), Some(Reason::BAD_SHAPE)),
        (4, 1, Some(Reason::NOT_ZERO)),
        (5, 1 << 63, Some(Reason::NOT_ZERO)),
        (6, u64::MAX, Some(Reason::NOT_ZERO)),
        (7, 1, Some(Reason::NOT_ZERO)),
        (3, u64::MAX, None),
        (1, u64::MAX, None),
    ] {
        let memory = Memory::new(2 * LINE + WORDS);
        let (near, far) = ring(memory.words()).split();
        let mut producer = near.records(WORDS * 8, SEED, ()).unwrap();
        let mut consumer = far.records(WORDS * 8, SEED, ()).unwrap();
        scribble(memory.words(), word, value);
        scribble(memory.words(), LINE + word, value);
        assert_eq!(reason(consumer.read(|_| ())), expected, "{word} {value:#x}");
        assert_eq!(reason(producer.arm(0)), expected, "{word} {value:#x}");
    }
}

/// STR-9: each way in which a header can be wrong, with the next one, and each at its edge.
#[test]
fn a_bad_header_is_a_breach() {
    // Position SEED + 2 is all ones: its unit is the last of the ring.
    let at = usize::try_from(SEED.wrapping_add(2)).unwrap() % WORDS;
    assert_eq!(at, WORDS - 1);
    let good = turn(SEED, SEED.wrapping_add(2));
    let behind = turn(SEED, SEED.wrapping_add(3));
    let skip = u32::MAX;
    for (head, next, published, expected) in [
        // An empty record fits before the end; one of a byte does not.
        (pack(0, good), 0, 3, Ok(0)),
        (pack(1, good), 0, 4, Err(())),
        (pack(0, good ^ 1), 0, 3, Err(())),
        (pack(0, 0), 0, 3, Err(())),
        (pack(0, good.wrapping_sub(16)), 0, 3, Err(())),
        // A skip needs a record behind it that is published with it.
        (pack(skip, good), pack(24, behind), 7, Ok(24)),
        (pack(skip, good), pack(17, behind), 7, Ok(17)),
        (pack(skip, good), pack(25, behind), 18, Err(())),
        (pack(skip, good), pack(24, behind), 6, Err(())),
        (pack(skip, good), pack(24, good), 7, Err(())),
        (pack(skip, good), pack(skip, behind), 18, Err(())),
        (pack(skip, good), pack(0, behind), 3, Err(())),
        (pack(skip, good), pack(0, behind), 4, Ok(0)),
        (pack(skip, good ^ 1), pack(0, behind), 4, Err(())),
        (pack(skip - 1, good), pack(0, behind), 4, Err(())),
        (pack(1 << 31, good), pack(0, behind), 4, Err(())),
    ] {
        let memory = Memory::new(2 * LINE + WORDS);
        let (_, mut consumer) = ends(&memory);
        scribble(memory.words(), 2 * LINE + at, head);
        scribble(memory.words(), 2 * LINE, next);
        scribble(memory.words(), 0, position(published, SEED));
        let found = consumer.read(|span| span.len());
        match expected {
            Ok(len) => assert_eq!(found, Ok(len), "{head:#x} {next:#x}"),
            Err(()) => {
                assert_eq!(reason(found), Some(Reason::BAD_RECORD), "{head:#x} {next:#x} {published}");
                assert_eq!(consumer.drain(1, |_| ()).err(), found.err(), "latched");
            }
        }
    }
}

/// The same header as the last one's is not believed either.
#[test]
fn a_length_seen_before_is_checked_again() {
    let memory = Memory::new(2 * LINE + WORDS);
    let (_, mut consumer) = ends(&memory);
    // Eight bytes again, of which one unit is published, and then at the end of the ring.
    let at = usize::try_from(SEED.wrapping_add(2)).unwrap() % WORDS;
    scribble(memory.words(), 2 * LINE + at, pack(8, turn(SEED, SEED.wrapping_add(2))));
    scribble(memory.words(), 0, position(8, SEED));
    assert_eq!(reason(consumer.read(|span| span.len())), Some(Reason::BAD_RECORD));
}

/// What lies before a breach is given out first.
#[test]
fn records_before_a_breach_are_not_lost() {
    let memory = Memory::new(2 * LINE + WORDS);
    let (mut producer, mut consumer) = ends(&memory);
    for n in 0..3 {
        producer.write(&[n]).unwrap();
    }
    producer.flush().unwrap();
    // A skip at SEED + 2, records at units 0, 2 and 4.
    scribble(memory.words(), 2 * LINE + 4, 0);
    let mut seen = vec![];
    assert_eq!(consumer.drain(9, |span| seen.push(span.read_u8(0).unwrap())), Ok(2));
    assert_eq!(seen, [0, 1]);
    assert_eq!(reason(consumer.drain(9, |_| ())), Some(Reason::BAD_RECORD));
    assert_eq!(consumer.corrupt().unwrap().position, SEED.wrapping_add(7));
    assert_eq!((producer.peer().state, producer.peer().reason), (QueueState::CORRUPT, Reason::BAD_RECORD));
}

/// Memory that counts its loads.
#[derive(Clone)]
struct Counted<'a> {
    words: &'a RefCell<Vec<(u64, usize)>>,
    first: usize,
    len: usize,
}

impl Words for Counted<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn load(&self, index: usize, _: Site) -> u64 {
        let word = &mut self.words.borrow_mut()[self.first + index];
        word.1 += 1;
        word.0
    }

    fn store(&self, index: usize, value: u64, _: Site) {
        self.words.borrow_mut()[self.first + index].0 = value;
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        Some(Self { first: self.first + first, len, ..self.clone() })
    }
}

/// GEN-6: each word of a record, and each control word, is looked at once.
#[test]
fn each_word_is_looked_at_once() {
    let words = RefCell::new(vec![(0, 0); 2 * LINE + WORDS]);
    let all = Counted { words: &words, first: 0, len: 2 * LINE + WORDS };
    let part = |first, len| all.slice(first, len).unwrap();
    // SAFETY: each side is taken once.
    let memory = unsafe { RingMemory::from_parts(part(0, LINE), part(LINE, LINE), part(2 * LINE, WORDS)) };
    let (near, far) = memory.unwrap().split();
    let mut producer = near.records(WORDS * 8, SEED, || ()).unwrap();
    let mut consumer = far.records(WORDS * 8, SEED, || ()).unwrap();
    let loaded = || -> Vec<usize> {
        let mut words = words.borrow_mut();
        let loaded = words.iter().enumerate().filter(|(_, word)| word.1 > 0).map(|(at, _)| at).collect();
        assert!(words.iter_mut().all(|word| std::mem::take(&mut word.1) <= 1), "a word was loaded twice");
        loaded
    };
    loaded_at_setup(&words);
    producer.write(&[1, 2, 3]).unwrap();
    assert_eq!(loaded(), [LINE + 1], "its batch is full: an eighth is two units");
    let mut out = [0; 3];
    assert_eq!(consumer.read(|span| span.copy_into(&mut out).is_some()), Ok(true));
    // The producer's line but for its state, then header and word, then whether the producer waits for room.
    let at = 2 * LINE + usize::try_from(SEED).unwrap() % WORDS;
    assert_eq!(loaded(), [0, 1, 2, 4, 5, 6, 7, at, at + 1]);
    assert_eq!((out, consumer.read(|_| ())), ([1, 2, 3], Err(Error::Empty)));
    assert_eq!(loaded(), [0, 1], "the position; and once more, behind a fence, whether it waits");
    assert_eq!(producer.arm(0), Ok(false));
    assert_eq!(loaded(), [LINE, LINE + 1, LINE + 2, LINE + 4, LINE + 5, LINE + 6, LINE + 7]);
}

/// What attaching looks at: both lines' states and positions, and the own shape.
fn loaded_at_setup(words: &RefCell<Vec<(u64, usize)>>) {
    for (at, word) in words.borrow_mut().iter_mut().enumerate() {
        let expected = if at < 2 * LINE { [2, 0, 1, 2, 0, 0, 0, 0][at % LINE] } else { 0 };
        assert_eq!(std::mem::take(&mut word.1), expected, "word {at}");
    }
}
