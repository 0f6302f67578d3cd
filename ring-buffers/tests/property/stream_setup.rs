// SPDX-License-Identifier: MIT OR Apache-2.0
//! STR-1, STR-2, STR-3, STR-13: what cannot be a ring is refused by name; who comes, leaves, and comes again.
#![allow(unsafe_code, reason = "a test says who has which side")]

use crate::stream::{LINE, Memory, bell, ring};
use std::rc::Rc;
use tenon_abi::{QueueState, Reason};
use tenon_rings::stream::EndState;
use tenon_rings::{Error, RingMemory, SetupError, Words};

/// Both sides' answer to a size, which is the same.
fn records(words: usize, size: usize) -> Option<SetupError> {
    let memory = Memory::new(2 * LINE + words);
    let (near, far) = ring(memory.words()).split();
    let found = [near.records(size, 7, ()).err(), far.records(size, 7, ()).err()];
    assert_eq!(found[0], found[1]);
    found[0]
}

fn messages<const N: usize>(words: usize, slots: u32) -> Option<SetupError> {
    let memory = Memory::new(2 * LINE + words);
    let (near, far) = ring(memory.words()).split();
    let found =
        [near.messages::<[u64; N], _>(slots, 7, ()).err(), far.messages::<[u64; N], _>(slots, 7, ()).err()];
    assert_eq!(found[0], found[1]);
    found[0]
}

#[test]
fn a_bad_size_is_named() {
    for (size, error) in [
        (0, SetupError::Zero),
        (1, SetupError::OutOfRange),
        (3, SetupError::NotPowerOfTwo),
        (8, SetupError::OutOfRange),
        (32, SetupError::OutOfRange),
        (63, SetupError::NotPowerOfTwo),
        (96, SetupError::NotPowerOfTwo),
        (128, SetupError::TooSmall),
        (1 << 33, SetupError::TooSmall),
        (1 << 34, SetupError::OutOfRange),
        (1 << 63, SetupError::OutOfRange),
        (usize::MAX, SetupError::NotPowerOfTwo),
    ] {
        assert_eq!(records(8, size), Some(error), "{size}");
    }
    assert_eq!(
        (records(8, 64), records(15, 128), records(16, 128)),
        (None, Some(SetupError::TooSmall), None)
    );
    for (slots, error) in [
        (0, SetupError::Zero),
        (3, SetupError::NotPowerOfTwo),
        (u32::MAX, SetupError::NotPowerOfTwo),
        (8, SetupError::TooSmall),
        (1 << 30, SetupError::TooSmall),
        (1 << 31, SetupError::OutOfRange),
    ] {
        assert_eq!(messages::<2>(15, slots), Some(error), "{slots}");
    }
    assert_eq!((messages::<1>(1, 1), messages::<2>(16, 8), messages::<512>(512, 1)), (None, None, None));
    assert_eq!(messages::<0>(8, 8), Some(SetupError::Zero));
    assert_eq!(messages::<513>(1024, 1), Some(SetupError::OutOfRange));
}

#[test]
fn bad_memory_is_named() {
    let mut memory = crate::memory(3 * 512 + 16);
    let first = memory.as_ptr().align_offset(64);
    let words = &mut memory[first..];
    for shift in [0, 11, 13, 15, 17, 64] {
        assert_eq!(RingMemory::from_mut(words, shift).err(), Some(SetupError::BadGranule), "{shift}");
    }
    assert_eq!(RingMemory::from_mut(&mut words[1..], 12).err(), Some(SetupError::Misaligned));
    assert_eq!(RingMemory::from_mut(&mut words[..1023], 12).err(), Some(SetupError::TooSmall));
    assert_eq!(RingMemory::from_mut(words, 14).err(), Some(SetupError::TooSmall));
    assert!(RingMemory::from_mut(&mut words[..1024], 12).is_ok());
    let words = &*words;
    let parts = |a: &'static str| {
        let at = |first: usize, len| words.slice(first, len).unwrap();
        let short = |which: &str| if a == which { 7 } else { 8 };
        // SAFETY: nobody takes a side.
        unsafe {
            RingMemory::from_parts(
                at(0, short("producer")),
                at(8, short("consumer")),
                at(if a == "data" { 17 } else { 16 }, 8),
            )
        }
        .err()
    };
    assert_eq!(
        ["producer", "consumer", "none"].map(parts),
        [Some(SetupError::TooSmall), Some(SetupError::TooSmall), None]
    );
    assert_eq!(parts("data"), Some(SetupError::Misaligned));
}

/// STR-3: a role asked for twice, and a ring in which another session lives.
#[test]
fn a_side_comes_once_a_session() {
    let memory = Memory::new(2 * LINE + 8);
    // A session may draw any seed, that of cleared memory too.
    for seed in [0, 7, u32::MAX] {
        ring(memory.words()).clear();
        let come = |seed| ring(memory.words()).split().0.records(64, seed, ());
        let producer = come(seed).unwrap();
        assert_eq!(come(seed).err(), Some(SetupError::Taken), "twice in a session");
        assert_eq!(come(seed ^ 1).err(), Some(SetupError::Alive), "the session before lives");
        let far = || ring(memory.words()).split().1;
        assert_eq!(far().records(64, seed ^ 1, ()).err(), Some(SetupError::Alive), "the other side's lives");
        let consumer = far().records(64, seed, ()).unwrap();
        assert_eq!(consumer.peer().state, QueueState::RUNNING);
        producer.close();
        assert_eq!((consumer.peer().state, consumer.corrupt()), (QueueState::UNBOUND, None));
        assert_eq!(come(seed).err(), Some(SetupError::Taken), "again in a session");
        assert_eq!(come(seed ^ 1).err(), Some(SetupError::Alive), "the consumer lives");
        consumer.close();
        let (near, far) = ring(memory.words()).split();
        let mut producer = near.records(64, seed ^ 1, ()).unwrap();
        let mut consumer = far.records(64, seed ^ 1, ()).unwrap();
        producer.write(b"next").unwrap();
        producer.flush().unwrap();
        assert_eq!(consumer.read(|span| span.len()), Ok(4));
    }
}

/// STR-4: what a session before left is no position of this one, and nothing is read or waited for because of
/// it.
#[test]
fn what_a_session_left_is_not_there() {
    let memory = Memory::new(2 * LINE + 8);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.records(64, 8, ()).unwrap();
    let mut consumer = far.records(64, 8, ()).unwrap();
    for _ in 0..3 {
        producer.write(&[1; 8]).unwrap();
    }
    assert_eq!(consumer.arm(1), Ok(false));
    producer.close();
    // Sessions come one by one: the producer's line is still the old one's when the consumer comes.
    consumer.close();
    let (near, far) = ring(memory.words()).split();
    let mut consumer = far.records(64, 9, ()).unwrap();
    assert_eq!(consumer.read(|_| ()), Err(Error::Empty), "the producer has not come");
    assert_eq!(consumer.peer().state, QueueState::UNBOUND);
    assert_eq!(consumer.arm(1), Ok(true));
    let rung = Rc::default();
    let mut producer = near.records(64, 9, bell(&rung)).unwrap();
    assert_eq!(consumer.read(|_| ()), Err(Error::Empty));
    producer.write(&[2; 8]).unwrap();
    producer.flush().unwrap();
    assert_eq!(consumer.read(|span| span.read_u8(7)), Ok(Some(2)));
    assert_eq!(rung.get(), 1);
}

/// STR-3: two sides that mean different rings find that out when they meet, and say so.
#[test]
fn different_shapes_are_a_breach() {
    let memory = Memory::new(2 * LINE + 16);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.records(64, 7, ()).unwrap();
    let mut consumer = far.records(128, 7, ()).unwrap();
    let Err(Error::Corrupt(corrupt)) = consumer.read(|_| ()) else { panic!("another size") };
    assert_eq!((corrupt.reason, corrupt.position), (Reason::BAD_SHAPE, 7));
    assert_eq!((producer.peer().state, producer.peer().reason), (QueueState::CORRUPT, Reason::BAD_SHAPE));
    assert!(matches!(producer.arm(1), Err(Error::Corrupt(found)) if found.reason == Reason::BAD_SHAPE));

    ring(memory.words()).clear();
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.messages::<[u64; 1], _>(8, 7, ()).unwrap();
    let mut consumer = far.records(64, 7, ()).unwrap();
    producer.push([1]).unwrap();
    assert!(matches!(consumer.read(|_| ()), Err(Error::Corrupt(found)) if found.reason == Reason::BAD_SHAPE));
}

#[test]
fn errors_say_what_they_are() {
    let all = [
        SetupError::BadGranule,
        SetupError::Misaligned,
        SetupError::Zero,
        SetupError::NotPowerOfTwo,
        SetupError::OutOfRange,
        SetupError::TooSmall,
        SetupError::Taken,
        SetupError::Alive,
    ];
    let texts: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), all.len());
    assert!(texts.iter().all(|text| text.len() > 15));
}

/// A saved state is another's word: one in which no side can stand is refused by name, each on its own side.
#[test]
fn a_state_that_cannot_be_is_named() {
    let memory = Memory::new(2 * LINE + 64);
    let sides = || ring(memory.words()).split();
    let (near, far) = sides();
    let producer = near.records(512, 7, ()).unwrap();
    let consumer = far.records(512, 7, ()).unwrap();
    let (fresh, taker) = (producer.state(), consumer.state());
    assert_eq!(fresh, taker);
    let producer_at = |state| sides().0.records_at(512, 7, (), state).err();
    let consumer_at = |state| sides().1.records_at(512, 7, (), state).err();
    let bad = Some(SetupError::BadState);
    let full = EndState { at: 7 + 64, shown: 7 + 64, settled: 7 + 64, ..fresh };
    assert_eq!((producer_at(fresh), producer_at(full)), (None, None));
    assert_eq!((consumer_at(fresh), consumer_at(EndState { seen: 7 + 64, ..fresh })), (None, None));
    for (state, producer, consumer) in [
        // Beyond the ring.
        (EndState { at: 8 + 64, shown: 8 + 64, settled: 7, ..fresh }, bad, bad),
        (EndState { seen: 8 + 64, ..fresh }, bad, bad),
        // Ahead of itself, and ahead of the other side.
        (EndState { shown: 8, ..fresh }, bad, bad),
        (EndState { settled: 8, ..fresh }, bad, bad),
        (EndState { at: 8, ..fresh }, None, bad),
        (EndState { seen: 8, ..fresh }, bad, None),
        (EndState { seen: 6, ..fresh }, None, bad),
        // An eighth of the ring is written and not shown (STR-6), or taken and not shown (STR-10).
        (EndState { at: 7 + 7, ..fresh }, None, bad),
        (EndState { at: 7 + 8, ..fresh }, bad, bad),
        (EndState { at: 7 + 7, seen: 7 + 8, ..fresh }, bad, None),
        (EndState { at: 7 + 8, seen: 7 + 8, ..fresh }, bad, bad),
    ] {
        assert_eq!((producer_at(state), consumer_at(state)), (producer, consumer), "{state:?}");
    }
    assert_eq!(sides().0.records_at(96, 7, (), fresh).err(), Some(SetupError::NotPowerOfTwo));
    assert_eq!(sides().1.records_at(1024, 7, (), fresh).err(), Some(SetupError::TooSmall));
}

/// What was found corrupt stays so for whoever goes on.
#[test]
fn corruption_goes_on() {
    let memory = Memory::new(2 * LINE + 64);
    let (near, far) = ring(memory.words()).split();
    let mut consumer = far.records(512, 7, ()).unwrap();
    let _producer = near.records(512, 7, ()).unwrap();
    memory.words()[0].store((7 << 32) | (7 + 65), std::sync::atomic::Ordering::Relaxed);
    let error = consumer.read(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Corrupt(corrupt) if corrupt.reason == Reason::BAD_POSITION));
    let next = ring(memory.words()).split().1.records_at(512, 7, (), consumer.state());
    assert_eq!(next.unwrap().read(|_| ()), Err(error));
}
