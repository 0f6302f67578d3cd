// SPDX-License-Identifier: MIT OR Apache-2.0
//! The channels that people use today: rtrb by each of its interfaces, crossbeam's array queue, the standard
//! library's bounded channel.
#![allow(unsafe_code, reason = "rtrb's fastest interface leaves it to the caller to write every slot")]

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crossbeam_queue::ArrayQueue;
use rtrb::{Consumer, Producer, RingBuffer};

use super::message::{Channel, Message, write};
use super::pair::rest;

/// Sends one message after the other with something that may be full.
#[inline(always)]
fn send_each<const N: usize>(numbers: Range<u64>, mut push: impl FnMut(&[u8; N]) -> bool) {
    let mut message = Message::<N>::new();
    for number in numbers {
        let message = message.number(number);
        while !push(message) {
            rest();
        }
    }
}

/// Receives one message after the other with something that may be empty.
#[inline(always)]
fn receive_each<const N: usize>(count: u64, mut pop: impl FnMut(&mut [u8; N]) -> bool) -> u64 {
    let (mut message, mut sum) = (Message::<N>::new(), 0u64);
    for _ in 0..count {
        while !pop(&mut message.0) {
            rest();
        }
        sum = sum.wrapping_add(message.sum());
    }
    sum
}

/// rtrb, one message at a time.
pub struct RtrbEach;

impl<const N: usize> Channel<N> for RtrbEach {
    type Tx = Producer<[u8; N]>;
    type Rx = Consumer<[u8; N]>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        RingBuffer::new(slots)
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, numbers: Range<u64>) {
        send_each(numbers, |message| tx.push(*message).is_ok());
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        receive_each(count, |message| rx.pop().map(|taken| *message = taken).is_ok())
    }
}

/// rtrb, up to an eighth of the ring at a time, written in place.
pub struct RtrbChunks;

impl<const N: usize> Channel<N> for RtrbChunks {
    type Tx = Producer<[u8; N]>;
    type Rx = Consumer<[u8; N]>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        RingBuffer::new(slots)
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, mut numbers: Range<u64>) {
        let mut message = Message::<N>::new();
        let most = tx.buffer().capacity() / 8;
        while !numbers.is_empty() {
            let count = tx.slots().min(most).min((numbers.end - numbers.start) as usize);
            if count == 0 {
                rest();
                continue;
            }
            let mut chunk = tx.write_chunk_uninit(count).expect("as many slots");
            let (first, second) = chunk.as_mut_slices();
            for (slot, number) in first.iter_mut().chain(second).zip(numbers.by_ref()) {
                slot.write(*message.number(number));
            }
            // SAFETY: there were at least as many numbers as slots, so each was written.
            unsafe { chunk.commit_all() };
        }
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        let (mut message, mut sum, mut left) = (Message::<N>::new(), 0u64, count);
        let most = rx.buffer().capacity() / 8;
        while left > 0 {
            let count = rx.slots().min(most);
            if count == 0 {
                rest();
                continue;
            }
            let chunk = rx.read_chunk(count).expect("as many messages");
            let (first, second) = chunk.as_slices();
            for taken in first.iter().chain(second) {
                message.0 = *taken;
                sum = sum.wrapping_add(message.sum());
            }
            chunk.commit_all();
            left -= count as u64;
        }
        sum
    }
}

/// rtrb, whole slices of messages at a time: an eighth of the ring, or what fits.
pub struct RtrbSlices;

/// An end with private messages to copy from or to.
pub struct Batched<T, const N: usize> {
    end: T,
    batch: Vec<[u8; N]>,
}

impl<const N: usize> Channel<N> for RtrbSlices {
    type Tx = Batched<Producer<[u8; N]>, N>;
    type Rx = Batched<Consumer<[u8; N]>, N>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        let (tx, rx) = RingBuffer::new(slots);
        let batch = vec![Message::<N>::new().0; slots / 8];
        (Batched { end: tx, batch: batch.clone() }, Batched { end: rx, batch })
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, mut numbers: Range<u64>) {
        while !numbers.is_empty() {
            let mut count = 0;
            // The places first: a number that finds none would be lost.
            for (place, number) in tx.batch.iter_mut().zip(numbers.by_ref()) {
                write(place, number);
                count += 1;
            }
            let mut unsent = &tx.batch[..count];
            while !unsent.is_empty() {
                (_, unsent) = tx.end.push_partial_slice(unsent);
                if !unsent.is_empty() {
                    rest();
                }
            }
        }
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        let (mut message, mut sum, mut left) = (Message::<N>::new(), 0u64, count);
        while left > 0 {
            let (taken, _) = rx.end.pop_partial_slice(&mut rx.batch);
            if taken.is_empty() {
                rest();
            }
            left -= taken.len() as u64;
            for taken in taken {
                message.0 = *taken;
                sum = sum.wrapping_add(message.sum());
            }
        }
        sum
    }
}

/// rtrb as a ring of bytes, a message a slice.
pub struct RtrbBytes;

impl<const N: usize> Channel<N> for RtrbBytes {
    type Tx = Producer<u8>;
    type Rx = Consumer<u8>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        RingBuffer::new(slots * N)
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, numbers: Range<u64>) {
        send_each::<N>(numbers, |message| tx.push_entire_slice(message).is_ok());
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        receive_each::<N>(count, |message| rx.pop_entire_slice(message).is_ok())
    }
}

/// crossbeam's array queue.
pub struct Crossbeam;

impl<const N: usize> Channel<N> for Crossbeam {
    type Tx = Arc<ArrayQueue<[u8; N]>>;
    type Rx = Arc<ArrayQueue<[u8; N]>>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        let queue = Arc::new(ArrayQueue::new(slots));
        (Arc::clone(&queue), queue)
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, numbers: Range<u64>) {
        send_each(numbers, |message| tx.push(*message).is_ok());
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        receive_each(count, |message| rx.pop().map(|taken| *message = taken).is_some())
    }
}

/// The standard library's bounded channel.
pub struct Std;

impl<const N: usize> Channel<N> for Std {
    type Tx = SyncSender<[u8; N]>;
    type Rx = Receiver<[u8; N]>;

    fn make(slots: usize) -> (Self::Tx, Self::Rx) {
        sync_channel(slots)
    }

    #[inline(always)]
    fn send(tx: &mut Self::Tx, numbers: Range<u64>) {
        send_each(numbers, |message| tx.try_send(*message).is_ok());
    }

    #[inline(always)]
    fn receive(rx: &mut Self::Rx, count: u64) -> u64 {
        receive_each(count, |message| rx.try_recv().map(|taken| *message = taken).is_ok())
    }
}
