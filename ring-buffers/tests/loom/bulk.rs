// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of the methods that move many at once, while the other side is at it.

use crate::run;
use crate::stream::{Ring, SEED};
use loom::thread;
use tenon_rings::Error;

/// Messages of two words: one that is half there is a stale one.
type Message = [u64; 2];

fn message(n: u64) -> Message {
    [n + 0x100, n + 0x200]
}

/// What `count` says, of `Full` and `Empty` zero.
fn counted(count: Result<usize, Error>, none: Error) -> usize {
    count.unwrap_or_else(|error| {
        assert_eq!(error, none, "one was lost");
        0
    })
}

/// STR-4, STR-6, STR-10, STR-14: slices of messages both ways; nobody sees a word before it is published, nor
/// stores over one before it is given back.
#[test]
fn slices_of_messages() {
    run::holds("slices_of_messages", || {
        let ring = Ring::settled(2 * size_of::<Message>() / 8, None);
        let mut producer = ring.producer().messages::<Message, _>(2, SEED, ()).unwrap();
        let mut consumer = ring.consumer().messages::<Message, _>(2, SEED, ()).unwrap();
        let all: Vec<Message> = (0..3).map(message).collect();
        let other = thread::spawn(move || {
            let mut seen = vec![[0; 2]; 3];
            let mut done = 0;
            for _ in 0..2 {
                done += counted(consumer.pop_slice(&mut seen[done..]), Error::Empty);
            }
            (consumer, seen, done)
        });
        let mut sent = counted(producer.push_slice(&all), Error::Full);
        sent += counted(producer.push_slice(&all[sent..]), Error::Full);
        let (mut consumer, mut seen, mut done) = other.join().unwrap();
        while done < all.len() {
            sent += counted(producer.push_slice(&all[sent..]), Error::Full);
            done += counted(consumer.pop_slice(&mut seen[done..]), Error::Empty);
        }
        assert_eq!(seen, all, "a stale message");
    });
}

/// STR-6, STR-7, STR-8, STR-10: the same with runs of records of one length.
#[test]
fn runs_of_records() {
    run::holds("runs_of_records", || {
        let ring = Ring::settled(8, None);
        // The seed is a position too: the first record lies at the start.
        let mut producer = ring.producer().records(64, 0, ()).unwrap();
        let mut consumer = ring.consumer().records(64, 0, ()).unwrap();
        let all: Vec<[u64; 1]> = (0..5).map(|n| [n + 0x100]).collect();
        let other = thread::spawn(move || {
            let mut seen = vec![];
            for _ in 0..2 {
                counted(consumer.drain_words::<1>(3, |record| seen.push(record)), Error::Empty);
            }
            (consumer, seen)
        });
        let mut sent = counted(producer.write_all(&all), Error::Full);
        sent += counted(producer.write_all(&all[sent..]), Error::Full);
        let (mut consumer, mut seen) = other.join().unwrap();
        while seen.len() < all.len() {
            sent += counted(producer.write_all(&all[sent..]), Error::Full);
            counted(consumer.drain_words::<1>(9, |record| seen.push(record)), Error::Empty);
        }
        assert_eq!(seen, all, "a stale record");
    });
}
