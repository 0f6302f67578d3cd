// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tenon's data rings, by each of their interfaces: the typed channel, and the stream of records.
#![allow(unsafe_code, reason = "a ring's memory is promised to it")]

use std::ops::Range;
use std::sync::Arc;

use tenon_rings::stream::{Consumer, ConsumerSide, Producer, ProducerSide, channel};
use tenon_rings::{Error, Mapping, RingMemory};

use super::memory::Pages;
use super::message::{Channel, Message};
use super::pair::rest;

/// Control pages, and the number of the session.
const GRANULE: usize = 4096;
const SHIFT: u32 = 12;
const SEED: u32 = 1;

/// An end, and the pages that it lies in.
pub struct End<T> {
    ring: T,
    _pages: Arc<Pages>,
}

/// The two sides of a ring over fresh memory.
fn sides(bytes: usize) -> (End<ProducerSide<Mapping>>, End<ConsumerSide<Mapping>>) {
    let len = 2 * GRANULE + bytes;
    let pages = Pages::new(len);
    // SAFETY: the pages were just made for this ring alone.
    let memory = unsafe { RingMemory::new(pages.mapping(0, len), SHIFT) }.expect("whole pages");
    let (producer, consumer) = memory.split();
    (End { ring: producer, _pages: Arc::clone(&pages) }, End { ring: consumer, _pages: pages })
}

impl<T> End<T> {
    fn become_role<R, E: std::fmt::Debug>(self, role: impl FnOnce(T) -> Result<R, E>) -> End<R> {
        End { ring: role(self.ring).expect("memory for the ring"), _pages: self._pages }
    }
}

/// Tries until there is something, or room.
#[inline(always)]
fn retry<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> T {
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(Error::Empty | Error::Full) => rest(),
            Err(error) => panic!("an honest peer: {error:?}"),
        }
    }
}

/// The typed channel, one message at a time.
pub struct ChannelEach<const W: usize>;

/// The typed channel, as many messages as there are or as fit.
pub struct ChannelAll<const W: usize>;

type Sender<const W: usize> = End<channel::Producer<Mapping, [u64; W]>>;
type Receiver<const W: usize> = End<channel::Consumer<Mapping, [u64; W]>>;

fn typed<const W: usize>(slots: usize) -> (Sender<W>, Receiver<W>) {
    let (producer, consumer) = sides(slots * W * 8);
    let count = u32::try_from(slots).expect("a few slots");
    (
        producer.become_role(|side| side.messages(count, SEED, ())),
        consumer.become_role(|side| side.messages(count, SEED, ())),
    )
}

/// The message of a number as the channel takes it.
#[inline(always)]
fn words<const N: usize, const W: usize>(message: &mut Message<N>, number: u64) -> [u64; W] {
    to_words(message.number(number))
}

#[inline(always)]
fn to_words<const N: usize, const W: usize>(bytes: &[u8; N]) -> [u64; W] {
    const { assert!(N == 8 * W, "whole words") };
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|index| u64::from_ne_bytes(words[index]))
}

/// Puts what was received into the private message.
#[inline(always)]
fn put<const N: usize, const W: usize>(message: &mut Message<N>, words: [u64; W]) {
    let (places, _) = message.0.as_chunks_mut::<8>();
    for (place, word) in places.iter_mut().zip(words) {
        *place = word.to_ne_bytes();
    }
}

impl<const N: usize, const W: usize> Channel<N> for ChannelEach<W> {
    type Tx = Sender<W>;
    type Rx = Receiver<W>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        typed(slots)
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, numbers: Range<u64>) {
        let mut message = Message::<N>::new();
        for number in numbers {
            let words = words(&mut message, number);
            retry(|| tx.ring.push(words));
        }
        tx.ring.flush().expect("an honest peer");
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        let (mut message, mut sum) = (Message::<N>::new(), 0u64);
        for _ in 0..count {
            put(&mut message, retry(|| rx.ring.pop()));
            sum = sum.wrapping_add(message.sum());
        }
        sum
    }
}

impl<const N: usize, const W: usize> Channel<N> for ChannelAll<W> {
    type Tx = Sender<W>;
    type Rx = Receiver<W>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        typed(slots)
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, numbers: Range<u64>) {
        let mut message = Message::<N>::new();
        let mut left = numbers.end - numbers.start;
        let mut messages = numbers.map(|number| words(&mut message, number));
        while left > 0 {
            left -= retry(|| tx.ring.push_all(&mut messages)) as u64;
        }
        tx.ring.flush().expect("an honest peer");
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        let (mut message, mut sum, mut left) = (Message::<N>::new(), 0u64, count);
        while left > 0 {
            let taken = retry(|| {
                rx.ring.drain(usize::MAX, |words| {
                    put(&mut message, words);
                    sum = sum.wrapping_add(message.sum());
                })
            });
            left -= taken as u64;
        }
        sum
    }
}

/// The typed channel, slices of an eighth of the ring, or what is there or fits.
pub struct ChannelSlices<const W: usize>;

/// An end with private messages to copy from or to.
pub struct Batched<T, const W: usize> {
    end: T,
    batch: Vec<[u64; W]>,
}

/// Writes the messages of the next numbers, as many as there are or as fit.
#[inline(always)]
fn fill<'a, const W: usize>(batch: &'a mut [[u64; W]], numbers: &mut Range<u64>) -> &'a [[u64; W]] {
    let mut count = 0;
    // The places first: a number that finds none would be lost.
    for (place, number) in batch.iter_mut().zip(numbers) {
        *place = std::array::from_fn(|word| number + word as u64);
        count += 1;
    }
    &batch[..count]
}

impl<const N: usize, const W: usize> Channel<N> for ChannelSlices<W> {
    type Tx = Batched<Sender<W>, W>;
    type Rx = Batched<Receiver<W>, W>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        let (tx, rx) = typed(slots);
        let batch = vec![[0; W]; slots / 8];
        (Batched { end: tx, batch: batch.clone() }, Batched { end: rx, batch })
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, mut numbers: Range<u64>) {
        let ring = &mut tx.end.ring;
        while !numbers.is_empty() {
            let mut unsent = fill(&mut tx.batch, &mut numbers);
            while !unsent.is_empty() {
                unsent = &unsent[retry(|| ring.push_slice(unsent))..];
            }
        }
        ring.flush().expect("an honest peer");
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        let (mut message, mut sum, mut left) = (Message::<N>::new(), 0u64, count);
        while left > 0 {
            let taken = retry(|| rx.end.ring.pop_slice(&mut rx.batch));
            for words in &rx.batch[..taken] {
                put(&mut message, *words);
                sum = sum.wrapping_add(message.sum());
            }
            left -= taken as u64;
        }
        sum
    }
}

/// The stream, one record at a time, as bytes.
pub struct StreamEach;

/// The stream: records of whole words, all that are there.
pub struct StreamWords<const W: usize>;

fn records(bytes: usize) -> (End<Producer<Mapping>>, End<Consumer<Mapping>>) {
    let (producer, consumer) = sides(bytes);
    (
        producer.become_role(|side| side.records(bytes, SEED, ())),
        consumer.become_role(|side| side.records(bytes, SEED, ())),
    )
}

impl<const N: usize> Channel<N> for StreamEach {
    type Tx = End<Producer<Mapping>>;
    type Rx = End<Consumer<Mapping>>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        records((slots * N).next_power_of_two())
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, numbers: Range<u64>) {
        let mut message = Message::<N>::new();
        for number in numbers {
            let record = message.number(number);
            retry(|| tx.ring.write(record));
        }
        tx.ring.flush().expect("an honest peer");
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        let (mut message, mut sum, mut left) = (Message::<N>::new(), 0u64, count);
        while left > 0 {
            let taken = retry(|| {
                rx.ring.drain(usize::MAX, |record| {
                    assert!(record.copy_to(0, &mut message.0), "a whole record");
                    sum = sum.wrapping_add(message.sum());
                })
            });
            left -= taken as u64;
        }
        sum
    }
}

impl<const N: usize, const W: usize> Channel<N> for StreamWords<W> {
    type Tx = End<Producer<Mapping>>;
    type Rx = End<Consumer<Mapping>>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        records((slots * N).next_power_of_two())
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, numbers: Range<u64>) {
        let mut message = Message::<N>::new();
        for number in numbers {
            let record = words::<N, W>(&mut message, number);
            retry(|| tx.ring.write_words(&record));
        }
        tx.ring.flush().expect("an honest peer");
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        let (mut message, mut sum, mut left) = (Message::<N>::new(), 0u64, count);
        while left > 0 {
            let taken = retry(|| {
                rx.ring.drain(usize::MAX, |record| {
                    put(&mut message, record.words::<W>().expect("a whole record"));
                    sum = sum.wrapping_add(message.sum());
                })
            });
            left -= taken as u64;
        }
        sum
    }
}

/// The stream: slices of records of whole words.
pub struct StreamSlices<const W: usize>;

impl<const N: usize, const W: usize> Channel<N> for StreamSlices<W> {
    type Tx = Batched<End<Producer<Mapping>>, W>;
    type Rx = End<Consumer<Mapping>>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        let (tx, rx) = records((slots * N).next_power_of_two());
        (Batched { end: tx, batch: vec![[0; W]; slots / 8] }, rx)
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, mut numbers: Range<u64>) {
        let ring = &mut tx.end.ring;
        while !numbers.is_empty() {
            let mut unsent = fill(&mut tx.batch, &mut numbers);
            while !unsent.is_empty() {
                unsent = &unsent[retry(|| ring.write_all(unsent))..];
            }
        }
        ring.flush().expect("an honest peer");
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        let (mut message, mut sum, mut left) = (Message::<N>::new(), 0u64, count);
        while left > 0 {
            let taken = retry(|| {
                rx.ring.drain_words::<W>(usize::MAX, |words| {
                    put(&mut message, words);
                    sum = sum.wrapping_add(message.sum());
                })
            });
            left -= taken as u64;
        }
        sum
    }
}
