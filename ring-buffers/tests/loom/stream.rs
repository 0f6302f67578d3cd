// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of the data ring that carries records, and the memory under both kinds.
#![allow(unsafe_code, reason = "a model says who has which side")]

use crate::memory::{Area, LoomWords, Side};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::stream::LINE_WORDS;
use tenon_rings::stream::{Bell, Consumer, ConsumerSide, Producer, ProducerSide};
use tenon_rings::{Error, RingMemory, Site, Words};

/// The first position too: it wraps with the next one.
pub(crate) const SEED: u32 = u32::MAX;
/// Words of a ring of records: the smallest, in which a record has at most one word.
const UNITS: usize = 8;

/// What a line holds that changes only when its side attaches; loom need not watch it once both have.
type Settled = Arc<[AtomicU64]>;
/// The first such word: before it lie the position and the armed position.
const SETTLED: usize = 2;

/// One side's view of one part. Whether a side is free is read in its own line, before it is taken (STR-3):
/// that is not against GEN-2.
#[derive(Clone)]
pub(crate) struct View {
    words: LoomWords,
    /// The same words for loads by the side that writes them.
    own: Option<LoomWords>,
    settled: Option<Settled>,
}

impl Words for View {
    fn len(&self) -> usize {
        self.words.len()
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        match (&self.settled, &self.own) {
            (Some(settled), _) if index >= SETTLED => settled[index].load(Ordering::Relaxed),
            (_, Some(own)) if site == Site::Status => own.load(index, site),
            _ => self.words.load(index, site),
        }
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        match &self.settled {
            Some(settled) if index >= SETTLED => settled[index].store(value, Ordering::Relaxed),
            _ => self.words.store(index, value, site),
        }
    }

    fn fence(&self, site: Site) {
        self.words.fence(site);
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        Some(Self { words: self.words.slice(first, len)?, ..self.clone() })
    }
}

/// The three parts of a ring: the guest produces, the host consumes.
pub(crate) struct Ring {
    lines: [(Area, Option<Settled>); 2],
    data: Area,
}

impl Ring {
    /// Cleared memory whose sides attach before the model begins.
    pub(crate) fn settled(words: usize, weak: Option<Site>) -> Self {
        let line = |side| {
            let settled: Settled = (0..LINE_WORDS).map(|_| AtomicU64::new(0)).collect();
            (Area::sparse(side, LINE_WORDS, &[(0, 0), (1, 0)], weak), Some(settled))
        };
        Self { lines: [line(Side::Guest), line(Side::Host)], data: Area::zeroed(Side::Guest, words, weak) }
    }

    /// Memory of a session before, with other shapes, whose sides have left.
    pub(crate) fn left(words: usize, weak: Option<Site>) -> Self {
        let old = [(0, 1), (1, 1), (2, 99), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0)];
        let line = |side| (Area::sparse(side, LINE_WORDS, &old, weak), None);
        Self { lines: [line(Side::Guest), line(Side::Host)], data: Area::zeroed(Side::Guest, words, weak) }
    }

    fn memory(&self, holder: Side) -> RingMemory<View> {
        let other = if holder == Side::Guest { Side::Host } else { Side::Guest };
        let [producer, consumer] = [Side::Guest, Side::Host].map(|writer| {
            let (area, settled) = &self.lines[usize::from(writer == Side::Host)];
            let own = (writer == holder).then(|| area.of(other));
            View { words: area.of(holder), own, settled: settled.clone() }
        });
        let data = View { words: self.data.of(holder), own: None, settled: None };
        // SAFETY: each model takes each side once.
        unsafe { RingMemory::from_parts(producer, consumer, data) }.unwrap()
    }

    pub(crate) fn producer(&self) -> ProducerSide<View> {
        self.memory(Side::Guest).split().0
    }

    pub(crate) fn consumer(&self) -> ConsumerSide<View> {
        self.memory(Side::Host).split().1
    }
}

/// Record `n`: empty, or a word that is different from those of all others and from cleared memory.
fn record(n: u64) -> [u8; 8] {
    (n + 0x100).to_le_bytes()
}

/// Writes record `n`, if there is room.
fn write<B: Bell>(producer: &mut Producer<View, B>, n: &mut u64) {
    match producer.write(&record(*n)) {
        Ok(()) => *n += 1,
        Err(error) => assert_eq!(error, Error::Full),
    }
}

/// Reads the next record, if it is there, which has to be record `n`.
fn read<B: Bell>(consumer: &mut Consumer<View, B>, n: &mut u64) {
    match consumer.read(|span| (span.len(), span.words())) {
        Ok(found) => {
            assert_eq!(found, (8, Some([u64::from_le_bytes(record(*n))])), "a stale record");
            *n += 1;
        }
        Err(error) => assert_eq!(error, Error::Empty, "a record was lost"),
    }
}

/// STR-6, STR-7, STR-8, STR-10: `messages` records through the smallest ring, of which the first does not fit
/// before the end; `ahead` of them are written before the consumer starts, and then each side tries `tries`
/// times.
pub(crate) fn records(weak: Option<Site>, messages: u64, ahead: u64, tries: u64) {
    let ring = Ring::settled(UNITS, weak);
    let mut producer = ring.producer().records(8 * UNITS, SEED, ()).unwrap();
    let mut consumer = ring.consumer().records(8 * UNITS, SEED, ()).unwrap();
    let (mut sent, mut done) = (0, 0);
    for _ in 0..ahead {
        write(&mut producer, &mut sent);
    }
    let other = thread::spawn(move || {
        for _ in 0..tries {
            read(&mut consumer, &mut done);
        }
        (consumer, done)
    });
    for _ in 0..tries {
        if sent < messages {
            write(&mut producer, &mut sent);
        }
    }
    let (mut consumer, mut done) = other.join().unwrap();
    // Alone now: each round takes at least one record further.
    for _ in 0..2 * messages {
        if sent < messages {
            write(&mut producer, &mut sent);
        }
        read(&mut consumer, &mut done);
    }
    assert_eq!((sent, done), (messages, messages), "a record was lost");
}
