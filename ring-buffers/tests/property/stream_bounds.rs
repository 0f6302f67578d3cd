// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the roles of a data ring say of themselves, and each way to read against the same breach.

use crate::scribble;
use crate::stream::{LINE, Memory, ring};
use tenon_abi::Reason;
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
