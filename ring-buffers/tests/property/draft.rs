// SPDX-License-Identifier: MIT OR Apache-2.0
//! STR-7: a record that a closure writes is like one that was written from bytes, whatever memory it is; and
//! CALL-7: completions that are taken by their ids.

use crate::mapping::mapping;
use crate::memory;
use crate::stream::{Memory, ring};
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::{Op, Reason, Status, Submission};
use tenon_rings::call::{Parts, Queue};
use tenon_rings::{Completer, Corrupt, Error, Submitter, Words};

const SEED: u32 = 0xffff_fff0;

/// Records of all lengths up to 80 bytes, in two parts, the second one first.
fn drafts<W: Words>(memory: W) {
    let (near, far) = ring(memory).split();
    let mut producer = near.records(512, SEED, ()).unwrap();
    let mut consumer = far.records(512, SEED, ()).unwrap();
    for len in 0..=80usize {
        let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at + len).unwrap()).collect();
        let cut = len / 3;
        // What lay there before is not zero, and shows where nothing is written.
        producer.write(&[0xee; 80]).unwrap();
        let told = producer.write_with(len, |draft| {
            assert_eq!((draft.len(), draft.is_empty()), (len, len == 0));
            assert!(!draft.write(len, b"x") && !draft.write(usize::MAX, b"x"), "that is not in the record");
            assert!(
                draft.write(len, b"") && draft.write(cut, &bytes[cut..]) && draft.write(0, &bytes[..cut])
            );
            if let Some(mut behind) = draft.behind_words::<2>() {
                assert!(!behind.write(len - 16, b"x"), "that is behind it too");
                assert!(behind.write(0, &bytes[16..]));
                assert_eq!((behind.len(), behind.is_empty()), (len - 16, len == 16));
            } else {
                assert!(len < 16);
            }
            len
        });
        assert_eq!(told, Ok(len));
        producer.flush().unwrap();
        consumer.read(|_| ()).unwrap();
        consumer
            .read(|record| {
                let mut seen = [0; 80];
                assert_eq!(record.copy_into(&mut seen).as_deref(), Some(bytes.as_slice()));
                let behind = record.behind_words::<2>();
                assert_eq!(behind.as_ref().map(|span| span.len()), len.checked_sub(16));
                if let Some(first) = behind.and_then(|span| span.read_u8(0)) {
                    assert_eq!(first, bytes[16]);
                }
            })
            .unwrap();
    }
    let never = |_: &mut tenon_rings::stream::Draft<'_, W>| panic!("there is no room for it");
    assert_eq!(producer.write_with(1000, never), Err(Error::TooLong));
    while producer.write(&[0; 100]).is_ok() {}
    assert_eq!(producer.write_with(100, never), Err(Error::Full));
}

#[test]
fn a_record_by_closure_is_like_one_of_bytes() {
    let plain = Memory::new(16 + 64);
    drafts(plain.words());
    let mapped = Memory::new(16 + 64);
    drafts(mapping(mapped.words()));
}

#[test]
fn the_last_word_of_a_draft_ends_with_zeros() {
    let memory = Memory::new(16 + 64);
    memory.words()[16..].iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
    let (near, _far) = ring(memory.words()).split();
    let mut producer = near.records(512, SEED, ()).unwrap();
    producer.write_with(11, |draft| assert!(draft.write(0, &[7; 11]))).unwrap();
    let first = 16 + usize::try_from(SEED % 64).unwrap();
    let word = |at: usize| memory.words()[first + at].load(Ordering::Relaxed).to_le_bytes();
    assert_eq!((word(1), word(2)), ([7; 8], [7, 7, 7, 0, 0, 0, 0, 0]));
    assert_eq!(word(3), [0xff; 8]);
}

#[test]
fn bytes_are_stored_where_they_belong_and_nowhere_else() {
    for len in 0..40 {
        for offset in 0..24 {
            let (plain, mapped) = (memory(8), memory(8));
            let background = |words: &[AtomicU64]| {
                words.iter().for_each(|word| word.store(0x1122_3344_5566_7788, Ordering::Relaxed));
            };
            [&plain, &mapped].into_iter().for_each(|words| background(words));
            let bytes: Vec<u8> = (0..len).map(|at| at + 1).collect();
            (&plain[..]).store_part(offset, &bytes, tenon_rings::Site::RingBody);
            mapping(&mapped).store_part(offset, &bytes, tenon_rings::Site::RingBody);
            let seen = |words: &[AtomicU64]| -> Vec<u8> {
                words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect()
            };
            let mut expected = 0x1122_3344_5566_7788_u64.to_ne_bytes().repeat(8);
            expected[offset..offset + bytes.len()].copy_from_slice(&bytes);
            assert_eq!((seen(&plain), seen(&mapped)), (expected.clone(), expected), "{len} at {offset}");
        }
    }
    // Behind the end: nothing of it, or what fits.
    let mapped = memory(2);
    mapping(&mapped).store_part(15, &[1, 2], tenon_rings::Site::RingBody);
    assert!(mapped.iter().all(|word| word.load(Ordering::Relaxed) == 0));
}

#[test]
fn completions_are_taken_by_their_ids() {
    let (submissions, completions) = (memory(32), memory(8));
    let parts = Parts::bare(&submissions[..], &completions[..]).unwrap();
    let mut queue = Queue::new(parts, SEED, 4).unwrap();
    let (mut guest, mut host): (Submitter<_, 4>, Completer<_>) =
        (queue.submitter().unwrap(), queue.completer().unwrap());
    assert_eq!(guest.take_next(), Ok(None));
    for round in 0..5u64 {
        let tickets: Vec<_> =
            (0..4).map(|_| guest.submit(Submission::new(Op::NOP, [0; 6])).unwrap()).collect();
        assert_eq!(guest.submit(Submission::new(Op::NOP, [0; 6])), Err(Error::Full));
        let ids: Vec<u16> = tickets.iter().map(tenon_rings::Ticket::id).collect();
        // The second one is given up: nobody is told of it.
        guest.abandon(tickets.into_iter().nth(1).unwrap());
        (0..4).for_each(|_| assert!(host.fetch().is_ok()));
        for at in [3, 1, 0, 2] {
            assert!(host.complete(ids[at], Status::OK, round * 10 + at as u64));
        }
        for at in [3, 0, 2] {
            let (id, outcome) = guest.take_next().unwrap().expect("it is there");
            assert_eq!((id, outcome.value), (ids[at], round * 10 + at as u64));
        }
        assert_eq!((guest.take_next(), guest.in_flight()), (Ok(None), 0));
    }
    // What was not in flight is a breach, for ever.
    let turn = tenon_abi::turn(SEED, 20);
    let tail = tenon_abi::Tail { code: 0, id: 2, turn }.to_word();
    completions[1].store(tail, Ordering::Relaxed);
    let corrupt = Err(Error::Corrupt(Corrupt { reason: Reason::UNKNOWN_ID, position: 20 }));
    assert_eq!((guest.take_next(), guest.take_next()), (corrupt, corrupt));
}
