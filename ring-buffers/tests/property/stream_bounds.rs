// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the roles of a data ring say of themselves, and each way to read against the same breach.

use crate::scribble;
use crate::stream::{LINE, Memory, ring};
use std::sync::atomic::Ordering;
use tenon_abi::status::StateWord;
use tenon_abi::{QueueState, Reason, RingPosition, call::pack, turn};
use tenon_rings::Error;

const SEED: u32 = u32::MAX - 2;

/// The number that each side counts with is a lower bound, and exact when it has just looked.
#[test]
fn room_and_what_is_there_are_counted() {
    let memory = Memory::new(2 * LINE + 8);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.messages::<[u64; 1], _>(8, SEED, ()).unwrap();
    let mut consumer = far.messages::<[u64; 1], _>(8, SEED, ()).unwrap();
    assert_eq!((producer.room(), consumer.available()), (8, 0));
    for n in 1..=8 {
        producer.push([u64::from(n)]).unwrap();
        assert_eq!(producer.room(), 8 - n);
    }
    assert_eq!(producer.push([9]), Err(Error::Full));
    for n in 1..=8 {
        assert_eq!(consumer.pop(), Ok([u64::from(n)]));
        assert_eq!(consumer.available(), 8 - n);
    }
    assert_eq!(consumer.pop(), Err(Error::Empty));
    assert_eq!(producer.arm(1), Ok(false));
    assert_eq!(producer.room(), 8);
}

/// STR-9: a breach at the first record is said at once, by whichever method comes upon it.
#[test]
fn each_way_to_read_says_the_first_breach() {
    for way in 0..4 {
        let memory = Memory::new(2 * LINE + 16);
        let (near, far) = ring(memory.words()).split();
        // Its position 0 is at the start of the data.
        let mut producer = near.records(128, 0, ()).unwrap();
        let mut consumer = far.records(128, 0, ()).unwrap();
        producer.write(&[1; 8]).unwrap();
        producer.flush().unwrap();
        scribble(memory.words(), 2 * LINE, u64::MAX << 8);
        let found = match way {
            0 => consumer.read(|_| ()).err(),
            1 => consumer.drain(3, |_| ()).err(),
            2 => consumer.drain_words::<1>(3, |_| ()).err(),
            _ => consumer.drain_words::<2>(3, |_| ()).err(),
        };
        let Some(Error::Corrupt(corrupt)) = found else { panic!("{way}: {found:?}") };
        assert_eq!((corrupt.reason, corrupt.position), (Reason::BAD_RECORD, 0), "{way}");
        assert_eq!(consumer.corrupt(), Some(corrupt));
    }
}

/// Records before a breach are given out; the breach is said next time, and not in their place.
#[test]
fn records_before_a_breach_are_counted() {
    let memory = Memory::new(2 * LINE + 16);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.records(128, 0, ()).unwrap();
    let mut consumer = far.records(128, 0, ()).unwrap();
    (0..3).for_each(|n| producer.write_words(&[n]).unwrap());
    producer.flush().unwrap();
    scribble(memory.words(), 2 * LINE + 4, u64::MAX << 8);
    let mut seen = vec![];
    assert_eq!(consumer.drain_words::<1>(9, |[word]| seen.push(word)), Ok(2));
    assert_eq!(seen, [0, 1]);
    assert!(matches!(consumer.drain_words::<1>(9, |_| ()), Err(Error::Corrupt(_))));
}

/// The other side's line is looked at when what is known of it is used up, and not before: that is what it
/// costs.
#[test]
fn nobody_looks_sooner_than_needed() {
    let no_position = 0x1234_5678;
    let memory = Memory::new(2 * LINE + 16);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.records(128, 0, ()).unwrap();
    let mut consumer = far.records(128, 0, ()).unwrap();
    (0..3).for_each(|n| producer.write_words(&[n]).unwrap());
    producer.flush().unwrap();
    assert_eq!(consumer.read(|span| span.read_u64(0)), Ok(Some(0)));
    assert_eq!(producer.arm(0), Ok(false));
    // Twelve units are left, as far as each knows; each record takes two.
    scribble(memory.words(), 0, no_position);
    assert_eq!(consumer.read(|span| span.read_u64(0)), Ok(Some(1)));
    assert_eq!(consumer.drain(9, |_| ()), Ok(1));
    assert!(matches!(consumer.read(|_| ()), Err(Error::Corrupt(_))));
    scribble(memory.words(), LINE, no_position);
    producer.write_words(&[3]).unwrap();
    assert_eq!((producer.write_all(&[[4]; 9]), producer.corrupt()), (Ok(5), None));
    assert!(matches!(producer.write_words(&[0]), Err(Error::Corrupt(_))));

    let memory = Memory::new(2 * LINE + 8);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.messages::<[u64; 1], _>(8, 0, ()).unwrap();
    let mut consumer = far.messages::<[u64; 1], _>(8, 0, ()).unwrap();
    (0..3).for_each(|n| producer.push([n]).unwrap());
    producer.flush().unwrap();
    assert_eq!(consumer.pop(), Ok([0]));
    assert_eq!(producer.arm(1), Ok(false));
    scribble(memory.words(), 0, no_position);
    assert_eq!((consumer.pop(), consumer.pop()), (Ok([1]), Ok([2])));
    assert!(matches!(consumer.pop(), Err(Error::Corrupt(_))));
    scribble(memory.words(), LINE, no_position);
    producer.push([3]).unwrap();
    assert_eq!((producer.push_slice(&[[4]; 9]), producer.corrupt()), (Ok(5), None));
    assert!(matches!(producer.push([5]), Err(Error::Corrupt(_))));
}

/// STR-13: each role says that it has left, after what it has done.
#[test]
fn who_leaves_says_so() {
    let memory = Memory::new(2 * LINE + 16);
    let (near, far) = ring(memory.words()).split();
    let (mut producer, consumer) =
        (near.messages::<[u64; 1], _>(16, 5, ()).unwrap(), far.messages::<[u64; 1], _>(16, 5, ()).unwrap());
    // Half of what would be published by itself.
    producer.push([1]).unwrap();
    let running = |state: StateWord| state.state == QueueState::RUNNING;
    assert!(running(producer.peer()) && running(consumer.peer()));
    consumer.close();
    assert_eq!(producer.peer(), StateWord::from_word(0));
    producer.close();
    // Its position shows the message.
    assert_eq!(memory.words()[0].load(Ordering::Relaxed), RingPosition { position: 6, seed: 5 }.to_word());
    assert_eq!(StateWord::from_word(memory.words()[3].load(Ordering::Relaxed)).state, QueueState::UNBOUND);

    let memory = Memory::new(2 * LINE + 16);
    let (near, far) = ring(memory.words()).split();
    let (mut producer, consumer) = (near.records(128, 5, ()).unwrap(), far.records(128, 5, ()).unwrap());
    producer.write(&[]).unwrap();
    assert!(running(producer.peer()) && running(consumer.peer()));
    producer.close();
    assert_eq!(consumer.peer(), StateWord::from_word(0));
    assert_eq!(memory.words()[0].load(Ordering::Relaxed), RingPosition { position: 6, seed: 5 }.to_word());
    consumer.close();
    assert_eq!(
        StateWord::from_word(memory.words()[LINE + 3].load(Ordering::Relaxed)).state,
        QueueState::UNBOUND
    );
}

/// STR-9: a header like the last one's, of a record that is not published to its end.
#[test]
fn a_record_of_the_same_length_may_be_cut_short() {
    let memory = Memory::new(2 * LINE + 16);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.records(128, 0, ()).unwrap();
    let mut consumer = far.records(128, 0, ()).unwrap();
    producer.write_words(&[1]).unwrap();
    producer.flush().unwrap();
    assert_eq!(consumer.read(|span| span.len()), Ok(8));
    scribble(memory.words(), 2 * LINE + 2, pack(8, turn(0, 2)));
    scribble(memory.words(), 0, RingPosition { position: 3, seed: 0 }.to_word());
    let found = consumer.read(|span| span.len());
    assert!(
        matches!(found, Err(Error::Corrupt(corrupt)) if corrupt.reason == Reason::BAD_RECORD),
        "{found:?}"
    );
}

/// STR-8: a skip that is published without a record behind it is itself the breach.
#[test]
fn a_skip_alone_is_the_breach() {
    let memory = Memory::new(2 * LINE + 16);
    let (near, far) = ring(memory.words()).split();
    let _producer = near.records(128, 15, ()).unwrap();
    let mut consumer = far.records(128, 15, ()).unwrap();
    scribble(memory.words(), 2 * LINE + 15, pack(u32::MAX, turn(15, 15)));
    scribble(memory.words(), 2 * LINE, pack(0, turn(15, 16)));
    scribble(memory.words(), 0, RingPosition { position: 16, seed: 15 }.to_word());
    assert!(consumer.read(|_| ()).is_err());
    assert_eq!(consumer.corrupt().map(|corrupt| corrupt.position), Some(15));
}

/// STR-7: numbers are little-endian, at any offset that they fit behind.
#[test]
fn numbers_are_read_at_any_offset() {
    let memory = Memory::new(2 * LINE + 16);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.records(128, 0, ()).unwrap();
    let mut consumer = far.records(128, 0, ()).unwrap();
    producer.write(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).unwrap();
    producer.flush().unwrap();
    let read = consumer.read(|span| {
        assert_eq!((span.read_u8(9), span.read_u8(10)), (Some(10), None));
        assert_eq!((span.read_u16(8), span.read_u16(9)), (Some(0x0a09), None));
        assert_eq!(
            (span.read_u32(3), span.read_u32(6), span.read_u32(7)),
            (Some(0x0706_0504), Some(0x0a09_0807), None)
        );
        assert_eq!((span.read_u64(1), span.read_u64(3)), (Some(0x0908_0706_0504_0302), None));
    });
    assert_eq!(read, Ok(()));
}

/// STR-13: each role of a channel says why its ring is corrupt.
#[test]
fn a_channel_says_why_it_is_corrupt() {
    let memory = Memory::new(2 * LINE + 16);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.messages::<[u64; 1], _>(16, 5, ()).unwrap();
    let mut consumer = far.messages::<[u64; 1], _>(16, 5, ()).unwrap();
    assert_eq!((producer.corrupt(), consumer.corrupt()), (None, None));
    // Neither can be so far ahead.
    let far_ahead = RingPosition { position: 100, seed: 5 }.to_word();
    scribble(memory.words(), 0, far_ahead);
    scribble(memory.words(), LINE, far_ahead);
    let Err(Error::Corrupt(why)) = consumer.pop() else { panic!("taken") };
    assert_eq!(consumer.corrupt(), Some(why));
    let Err(Error::Corrupt(why)) = producer.arm(16) else { panic!("taken") };
    assert_eq!(producer.corrupt(), Some(why));
}
