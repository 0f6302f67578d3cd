// SPDX-License-Identifier: MIT OR Apache-2.0
//! STR-4 to STR-12: arbitrary histories of records, against a list of them; and the memory under the tests of
//! both kinds of ring.
#![allow(unsafe_code, reason = "a test says who has which side")]

use crate::mapping::mapping;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use tenon_rings::stream::{Bell, Consumer, Producer, Span};
use tenon_rings::{Error, Mapping, RingMemory, Words};

/// Words of a line, and of what keeps two lines apart.
pub(crate) const LINE: usize = 8;

/// Cleared memory from a cache line on.
pub(crate) struct Memory {
    words: Vec<AtomicU64>,
    first: usize,
    len: usize,
}

impl Memory {
    pub(crate) fn new(len: usize) -> Self {
        let words = crate::memory(len + LINE);
        let first = words.as_ptr().align_offset(64);
        assert!(first <= LINE);
        Self { words, first, len }
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        &self.words[self.first..][..self.len]
    }
}

/// A ring with `words` of data over such memory: the producer's line, the consumer's, the data.
pub(crate) fn ring<W: Words>(memory: W) -> RingMemory<W> {
    let part = |first, len| memory.slice(first, len).unwrap();
    // SAFETY: each test takes each side once.
    unsafe {
        RingMemory::from_parts(part(0, LINE), part(LINE, LINE), part(2 * LINE, memory.len() - 2 * LINE))
    }
    .unwrap()
}

/// Counts how often it is rung.
pub(crate) fn bell(count: &Rc<Cell<u32>>) -> impl Bell + use<> {
    let count = Rc::clone(count);
    move || count.set(count.get() + 1)
}

/// One side's wish to be woken, and what is known of its bell.
#[derive(Default)]
pub(crate) struct Sleeper {
    pub(crate) bell: Rc<Cell<u32>>,
    /// How often it has armed.
    arms: u32,
    /// The count of units done by the other side from which it is to be woken, and its bell's count when it
    /// armed.
    waits: Option<(u64, u32)>,
}

impl Sleeper {
    /// It armed for when the other side has done `from` units; the other side has shown `shown` of them.
    pub(crate) fn armed(&mut self, from: u64, shown: u64, may_sleep: bool) {
        self.arms += 1;
        assert_eq!(may_sleep, shown < from, "armed for {from} at {shown}");
        self.waits = may_sleep.then(|| (from, self.bell.get()));
    }

    /// The other side has settled at `shown`: it owes the wake by now.
    pub(crate) fn settled(&mut self, shown: u64) {
        assert!(self.bell.get() <= self.arms, "more wakes than arms");
        if let Some((from, rung)) = self.waits
            && shown >= from
        {
            assert!(self.bell.get() > rung, "a wake was lost");
            self.waits = None;
        }
    }

    /// Nothing that was asked for has come: so nobody rang.
    pub(crate) fn quiet(&self, shown: u64) {
        if let Some((from, rung)) = self.waits {
            assert!(shown >= from || self.bell.get() == rung, "a wake before its time");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A record of that many bytes (of the longest, in 64ths), in that many parts.
    Write(usize, usize),
    Words,
    /// So many records of a word, or of three.
    WriteAll(u64, bool),
    TooLong,
    Flush,
    Read(u8),
    Drain(usize),
    DrainWords(usize, bool),
    Release,
    ArmProducer(usize),
    ArmConsumer(u32),
    /// Somebody else goes on where a side stands: the producer, or the consumer.
    GoOn(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0usize..=64, 0usize..5).prop_map(|(len, parts)| Step::Write(len, parts)),
        2 => Just(Step::Words),
        3 => (0u64..20, any::<bool>()).prop_map(|(count, long)| Step::WriteAll(count, long)),
        1 => Just(Step::TooLong),
        1 => Just(Step::Flush),
        6 => any::<u8>().prop_map(Step::Read),
        2 => (0usize..6).prop_map(Step::Drain),
        3 => (0usize..20, any::<bool>()).prop_map(|(most, long)| Step::DrainWords(most, long)),
        1 => Just(Step::Release),
        1 => (0usize..=64).prop_map(Step::ArmProducer),
        2 => (0u32..200).prop_map(Step::ArmConsumer),
        2 => any::<bool>().prop_map(Step::GoOn),
    ]
}

fn bytes(n: u64, len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((n * 37 + u64::try_from(at).unwrap() * 11) % 251).unwrap()).collect()
}

fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    std::array::from_fn(|at| u64::from_le_bytes(bytes[8 * at..][..8].try_into().unwrap()))
}

/// Looks at a record in one of several ways; each gives all of it.
fn look<W: Words>(span: &Span<'_, W>, way: u8) -> Vec<u8> {
    let mut out = vec![0xee; span.len() + 1];
    let len = span.len();
    assert_eq!(span.is_empty(), len == 0);
    match way % 4 {
        0 => assert_eq!(span.copy_into(&mut out).unwrap().len(), len),
        1 => {
            let middle = len / 3;
            assert!(span.copy_to(0, &mut out[..middle]) && span.copy_to(middle, &mut out[middle..len]));
        }
        2 => out[..len].iter_mut().enumerate().for_each(|(at, byte)| *byte = span.read_u8(at).unwrap()),
        _ => {
            let whole = len & !7;
            for at in (0..whole).step_by(8) {
                out[at..][..8].copy_from_slice(&span.read_u64(at).unwrap().to_le_bytes());
            }
            assert!(span.copy_to(whole, &mut out[whole..len]));
        }
    }
    assert_eq!(out[len], 0xee, "more than the record was copied");
    // What is not in the record is not there.
    assert!(!span.copy_to(len, &mut out[..1]) && !span.copy_to(usize::MAX, &mut out[..1]));
    assert_eq!(
        (span.read_u8(len), span.read_u64(len.wrapping_sub(7)), span.read_u32(usize::MAX)),
        (None, None, None)
    );
    assert_eq!(span.read_u16(0).is_some(), len >= 2);
    assert_eq!(span.words::<1>(), span.read_u64(0).map(|word| [word]));
    assert_eq!(span.words::<3>().map(|words| words[2]), span.read_u64(16));
    assert!(span.copy_into(&mut vec![0; len.saturating_sub(1)]).is_none() || len == 0);
    out.truncate(len);
    out
}

/// Both ends, and what is known of them, in units since the start.
struct Ends<W, P, C> {
    producer: Producer<W, P>,
    consumer: Consumer<W, C>,
    units: u64,
    records: VecDeque<Vec<u8>>,
    /// Where the records in the list end.
    ends: VecDeque<u64>,
    seed: u64,
    written: u64,
    taken: u64,
    /// What is certainly published, or released.
    flushed: u64,
    released: u64,
    count: u64,
}

impl<W: Words, P: Bell, C: Bell> Ends<W, P, C> {
    /// Units that a record takes where the producer is, and how many of them are skipped.
    fn cost(&self, len: usize) -> (u64, u64) {
        let need = u64::try_from(1 + len.div_ceil(8)).unwrap();
        let to_end = self.units - (self.seed + self.written) % self.units;
        if need > to_end { (need + to_end, to_end) } else { (need, 0) }
    }

    /// The next record of that length was written.
    fn wrote(&mut self, len: usize) {
        self.written += self.cost(len).0;
        assert!(self.written - self.taken <= self.units, "written over what is not taken");
        self.records.push_back(bytes(self.count, len));
        self.ends.push_back(self.written);
        self.count += 1;
        // What is not published is less than an eighth.
        self.flushed = self.flushed.max((self.written + 1).saturating_sub((self.units / 8).max(1)));
    }

    fn refused(&mut self, len: usize, error: Error) {
        assert_eq!(error, Error::Full);
        assert!(self.written + self.cost(len).0 - self.released > self.units, "full though there is room");
        self.flushed = self.written;
    }

    fn write_all<const N: usize>(&mut self, count: u64) {
        let records: Vec<[u64; N]> =
            (self.count..self.count + count).map(|n| words(&bytes(n, 8 * N))).collect();
        let long = 8 * N > usize::try_from(self.producer.max_record()).unwrap();
        match self.producer.write_all(&records) {
            Ok(written) => {
                assert!(written <= records.len() && (written > 0 || records.is_empty()));
                (0..written).for_each(|_| self.wrote(8 * N));
            }
            Err(Error::TooLong) => assert!(long),
            Err(error) => self.refused(8 * N, error),
        }
    }

    fn drain_words<const N: usize>(&mut self, most: usize) {
        let mut found = vec![];
        match self.consumer.drain_words::<N>(most, |words| found.push(words)) {
            Ok(count) => {
                assert!(count == found.len() && count <= most);
                let other = self.records.iter().position(|record| record.len() != 8 * N);
                assert!(other.is_none_or(|other| count <= other), "a record of another length");
                assert!(count > 0 || most == 0 || other == Some(0), "none though there is one");
            }
            Err(error) => self.empty(error),
        }
        found.iter().for_each(|found| self.took(found.iter().flat_map(|word| word.to_le_bytes()).collect()));
    }

    fn write(&mut self, len: usize, write: impl FnOnce(&mut Producer<W, P>, &[u8]) -> Result<(), Error>) {
        let record = bytes(self.count, len);
        match write(&mut self.producer, &record) {
            Ok(()) => self.wrote(len),
            Err(error) => self.refused(len, error),
        }
    }

    fn took(&mut self, record: Vec<u8>) {
        assert_eq!(Some(record), self.records.pop_front(), "another record");
        self.taken = self.ends.pop_front().unwrap();
        self.released = self.released.max((self.taken + 1).saturating_sub((self.units / 8).max(1)));
    }

    fn empty(&mut self, error: Error) {
        assert_eq!(error, Error::Empty);
        assert!(self.flushed <= self.taken, "empty though records are published");
        self.released = self.taken;
    }
}

fn run<W: Words>(memory: W, seed: u32, steps: &[Step]) {
    let size = (memory.len() - 2 * LINE) * 8;
    let (mut waking_producer, mut waking_consumer) = (Sleeper::default(), Sleeper::default());
    let (near, far) = ring(memory.clone()).split();
    let producer = near.records(size, seed, bell(&waking_consumer.bell)).unwrap();
    let consumer = far.records(size, seed, bell(&waking_producer.bell)).unwrap();
    let max = usize::try_from(producer.max_record()).unwrap();
    assert_eq!((max, producer.max_record()), (size / 4 - 8, consumer.max_record()));
    let mut ends = Ends {
        producer,
        consumer,
        units: u64::try_from(size / 8).unwrap(),
        records: VecDeque::new(),
        ends: VecDeque::new(),
        seed: u64::from(seed),
        written: 0,
        taken: 0,
        flushed: 0,
        released: 0,
        count: 0,
    };
    for step in steps {
        match *step {
            Step::Write(len, 0) => ends.write(len * max / 64, |producer, record| producer.write(record)),
            Step::Write(len, parts) => ends.write(len * max / 64, |producer, record| {
                let mut all: Vec<&[u8]> = record.chunks(record.len() / parts + 1).collect();
                all.insert(all.len() / 2, &[]);
                producer.write_vectored(&all)
            }),
            Step::Words => ends.write(8, |producer, record| producer.write_words(&words::<1>(record))),
            Step::WriteAll(count, false) => ends.write_all::<1>(count),
            Step::WriteAll(count, true) => ends.write_all::<3>(count),
            Step::DrainWords(most, false) => ends.drain_words::<1>(most),
            Step::DrainWords(most, true) => ends.drain_words::<3>(most),
            Step::TooLong => {
                assert_eq!(ends.producer.write(&vec![1; max + 1]), Err(Error::TooLong));
                assert_eq!(ends.producer.write_vectored(&[&vec![1; max], &[1]]), Err(Error::TooLong));
            }
            Step::Flush => {
                ends.producer.flush().unwrap();
                ends.flushed = ends.written;
                waking_consumer.settled(ends.written);
            }
            Step::Read(way) => match ends.consumer.read(|span| look(&span, way)) {
                Ok(record) => ends.took(record),
                Err(error) => ends.empty(error),
            },
            Step::Drain(most) => {
                let mut records = vec![];
                match ends.consumer.drain(most, |span| records.push(look(&span, 0))) {
                    Ok(count) => assert!(count == records.len() && count <= most && (count > 0 || most == 0)),
                    Err(error) => ends.empty(error),
                }
                records.into_iter().for_each(|record| ends.took(record));
            }
            Step::Release => {
                ends.consumer.release().unwrap();
                ends.released = ends.taken;
                waking_producer.settled(ends.taken);
            }
            Step::ArmProducer(len) => {
                let len = len * max / 64;
                let (cost, _) = ends.cost(len);
                let shown = ends.producer.arm(u32::try_from(len).unwrap()).unwrap();
                ends.flushed = ends.written;
                waking_consumer.settled(ends.written);
                // Where the consumer has not shown all that it took, either answer is right.
                let from = (ends.written + cost).saturating_sub(ends.units);
                if shown == (ends.taken < from) || ends.released == ends.taken {
                    waking_producer.armed(from, ends.taken, shown);
                } else {
                    waking_producer.armed(from, ends.released, shown);
                }
            }
            Step::GoOn(true) => {
                let (near, state) = (ring(memory.clone()).split().0, ends.producer.state());
                ends.producer = near.records_at(size, seed, bell(&waking_consumer.bell), state).unwrap();
                assert_eq!(ends.producer.state(), state);
            }
            Step::GoOn(false) => {
                let (far, state) = (ring(memory.clone()).split().1, ends.consumer.state());
                ends.consumer = far.records_at(size, seed, bell(&waking_producer.bell), state).unwrap();
                assert_eq!(ends.consumer.state(), state);
            }
            Step::ArmConsumer(wanted) => {
                let shown = ends.consumer.arm(wanted).unwrap();
                ends.released = ends.taken;
                waking_producer.settled(ends.taken);
                let wanted = u64::from(wanted.div_ceil(8)).clamp(1, ends.units / 2);
                let from = ends.taken + wanted;
                if shown == (ends.written < from) || ends.flushed == ends.written {
                    waking_consumer.armed(from, ends.written, shown);
                } else {
                    waking_consumer.armed(from, ends.flushed, shown);
                }
            }
        }
        waking_consumer.quiet(ends.written);
        waking_producer.quiet(ends.taken);
    }
    ends.producer.flush().unwrap();
    waking_consumer.settled(ends.written);
    while let Ok(record) = ends.consumer.read(|span| look(&span, 1)) {
        ends.took(record);
    }
    waking_producer.settled(ends.taken);
    assert!(ends.records.is_empty(), "a record was lost");
}

/// Near the wrap of positions, near the ring's end, anywhere.
pub(crate) fn seeds() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), u32::MAX - 300..=u32::MAX, any::<u32>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn any_history_of_records_is_that_of_a_list(
        words in prop::sample::select(vec![8usize, 16, 32, 128, 512]),
        seed in seeds(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let memory = Memory::new(2 * LINE + words);
        run(memory.words(), seed, &steps);
        let memory = Memory::new(2 * LINE + words);
        run(mapping(memory.words()), seed, &steps);
    }
}

/// STR-7, STR-8: each length, from each place of the ring, comes out as it went in, over plain memory and
/// over mapped memory alike.
#[test]
fn each_length_from_each_place() {
    for seed in u32::MAX - 63..=u32::MAX {
        let memories = [Memory::new(2 * LINE + 64), Memory::new(2 * LINE + 64)];
        let (near, far) = ring(memories[0].words()).split();
        let mut plain = (near.records(512, seed, ()).unwrap(), far.records(512, seed, ()).unwrap());
        let (near, far) = ring(mapping(memories[1].words())).split();
        let mut mapped: (Producer<Mapping>, Consumer<Mapping>) =
            (near.records(512, seed, ()).unwrap(), far.records(512, seed, ()).unwrap());
        for len in 0..=120usize {
            let record = bytes(u64::try_from(len).unwrap() + 1, len);
            plain.0.write(&record).unwrap();
            mapped.0.write(&record).unwrap();
            plain.0.flush().unwrap();
            mapped.0.flush().unwrap();
            let words = |n: usize| {
                memories[n].words().iter().map(|word| word.load(std::sync::atomic::Ordering::Relaxed))
            };
            assert!(words(0).eq(words(1)), "{len} bytes lie otherwise in mapped memory");
            assert_eq!(plain.1.read(|span| look(&span, 0)), Ok(record.clone()));
            assert_eq!(mapped.1.read(|span| look(&span, 0)), Ok(record));
        }
    }
}
