// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meter under a host that lies about how much it wrote, and what.

use tenon_abi::Meter as Number;
use tenon_guest::Buffer;
use tenon_guest::meter::{Count, Meter};

use crate::lies::host;
use crate::time::Answers;

/// A buffer with these words at its front, and old rows behind them.
fn buffer(words: &[u64]) -> Buffer {
    let buffer = host().buffer();
    for at in (0..buffer.len()).step_by(16) {
        let _ = buffer.write(at + 8, &(1_000_000 + at as u64).to_le_bytes());
        let _ = buffer.write(at + 16, &77_u64.to_le_bytes());
    }
    for (index, word) in words.iter().enumerate() {
        assert!(buffer.write(index * 8, &word.to_le_bytes()));
    }
    buffer
}

fn rows(written: u64, first: u32, words: &[u64]) -> (u64, Vec<(u64, u64)>) {
    let (calls, buffer) = (Answers::new(), buffer(words));
    calls.clock.set(Ok(written));
    let reading = Meter::over(&calls).read(first, &buffer).expect("the host answers");
    (reading.epoch(), reading.map(|(number, count)| (number.0, count)).collect())
}

#[test]
fn no_row_is_taken_that_the_host_did_not_write() {
    let words = [5, 1, 10, 2, 20];
    assert_eq!(rows(40, 0, &words), (5, vec![(1, 10), (2, 20)]));
    assert_eq!(rows(24, 0, &words), (5, vec![(1, 10)]));
    // Half a row is none.
    for written in [8, 9, 23] {
        assert_eq!(rows(written, 0, &words), (5, vec![]));
    }
    for written in [0, 7] {
        assert_eq!(rows(written, 0, &words), (0, vec![]), "less than an epoch");
    }
    // A host that says that it wrote more than there is room for: what is there, and no more.
    let (_, all) = rows(u64::MAX, 0, &words);
    assert_eq!(all.len(), (buffer(&words).len() - 8) / 16);
}

/// A kernel that goes on from number to number comes to an end, whatever the host writes.
#[test]
fn rows_out_of_order_end_the_reading() {
    assert_eq!(rows(56, 0, &[5, 3, 30, 2, 20, 9, 90]).1, [(3, 30)]);
    assert_eq!(rows(56, 0, &[5, 3, 30, 3, 20, 9, 90]).1, [(3, 30)]);
    assert_eq!(rows(40, 4, &[5, 3, 30, 9, 90]).1, [], "a row below the first");
    let (calls, buffer) = (Answers::new(), buffer(&[5, 3, 30]));
    calls.clock.set(Ok(24));
    let mut reading = Meter::over(&calls).read(0, &buffer).expect("the host answers");
    assert_eq!(reading.next_first(), None, "nothing was taken");
    reading.by_ref().for_each(drop);
    assert_eq!(reading.next_first(), Some(4));
    let mut reading = Meter::over(&calls).read(4, &buffer).expect("the host answers");
    reading.by_ref().for_each(drop);
    assert_eq!(reading.next_first(), None, "the same row for ever");
}

#[test]
fn a_count_is_that_of_the_number_that_was_asked_for() {
    let calls = Answers::new();
    calls.clock.set(Ok(40));
    let get = |words: &[u64]| Meter::over(&calls).get(Number(7), &buffer(words)).expect("the host answers");
    assert_eq!(get(&[5, 7, 70, 9, 90]), Some(Count { epoch: 5, value: 70 }));
    // A host that does not count it begins with the next one.
    assert_eq!(get(&[5, 8, 80, 9, 90]), None);
    assert_eq!(Meter::over(&calls).get(Number(1 << 32), &buffer(&[5, 8, 80])), Ok(None));
}

#[test]
fn counts_of_two_epochs_are_not_compared() {
    let count = |epoch, value| Count { epoch, value };
    assert_eq!(count(5, 70).since(count(5, 60)), Some(10));
    assert_eq!(count(6, 70).since(count(5, 60)), None, "the host lost its counts");
    assert_eq!(count(5, 60).since(count(5, 70)), None, "a count that fell");
}
