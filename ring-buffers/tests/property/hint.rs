// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who writes into a large ring says where it will write soon, 16 cache lines ahead; in a small one, where
//! the peer may still be reading there, nobody does.
#![allow(unsafe_code, reason = "a ring's memory is promised to it")]

use crate::memory;
use std::cell::RefCell;
use std::sync::atomic::AtomicU64;
use tenon_abi::{Op, Status, Submission};
use tenon_rings::{RingMemory, Site, Words};

const LINE: usize = 8;
const AHEAD: usize = 16 * LINE;
const SEED: u32 = 7;

/// Memory that notes what it is told.
#[derive(Clone)]
struct Told<'a> {
    words: &'a [AtomicU64],
    hints: &'a RefCell<Vec<usize>>,
}

impl Words for Told<'_> {
    fn len(&self) -> usize {
        self.words.len()
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        (&self.words).load(index, site)
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        (&self.words).store(index, value, site);
    }

    fn will_store(&self, index: usize) {
        self.hints.borrow_mut().push(index);
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        Some(Self { words: self.words.get(first..first + len)?, ..self.clone() })
    }
}

/// Hints of `calls` submissions from `start` on to a queue of depth `D`, one by one and as one batch.
fn of_submissions<const D: usize>(start: u32, calls: usize) -> (Vec<usize>, Vec<usize>) {
    let hints = [RefCell::default(), RefCell::default()];
    for (batch, hints) in hints.iter().enumerate() {
        let (submissions, completions) = (memory(8 * D), memory(2 * D));
        let told = |words| Told { words, hints };
        let mut submitter = crate::submitter::<_, D>(told(&submissions), told(&completions), SEED, start);
        let nop = Submission::new(Op::NOP, [0; 6]);
        if batch == 0 {
            (0..calls).for_each(|_| drop(submitter.submit(nop).unwrap()));
        } else {
            let mut results = vec![Err(Status::OK); calls];
            submitter.exchange(&mut results, |_| nop, || (), || false).unwrap_err();
        }
    }
    hints.map(RefCell::into_inner).into()
}

#[test]
fn a_deep_queue_names_the_slots_to_come() {
    let (each, batch) = of_submissions::<128>(110, 4);
    assert_eq!(each, [126 * LINE, 127 * LINE, 0, LINE], "and goes on at the start");
    assert_eq!(batch, each);
}

#[test]
fn a_shallow_queue_names_none() {
    assert_eq!(of_submissions::<64>(0, 4), (vec![], vec![]));
}

/// Hints of records of so many words, in a ring of so many.
fn of_records(ring: usize, records: &[usize]) -> Vec<usize> {
    let (lines, data, hints) = (memory(2 * LINE), memory(ring), RefCell::default());
    let told = |words| Told { words, hints: &hints };
    // SAFETY: each side is taken once.
    let memory =
        unsafe { RingMemory::from_parts(told(&lines[..LINE]), told(&lines[LINE..]), told(&data)) }.unwrap();
    let mut producer = memory.split().0.records(ring * 8, 0, ()).unwrap();
    for &len in records {
        producer.write(&vec![0; len * 8]).unwrap();
    }
    producer.write_all(&[[0; 7]; 2]).unwrap();
    producer.write_words(&[0; 7]).unwrap();
    hints.into_inner()
}

#[test]
fn a_record_names_as_many_lines_as_it_fills() {
    let behind = |first: usize, lines: usize| (0..lines).map(move |line| first + AHEAD + line * LINE);
    // Of 6 and of 126 words, header and padding included: less than a line, and all but 16 of them.
    let wanted: Vec<_> =
        behind(6, 16).chain(behind(132, 1)).chain(behind(140, 1)).chain(behind(148, 1)).collect();
    assert_eq!(of_records(1024, &[5, 125]), wanted);
}

#[test]
fn a_long_record_and_a_small_ring_name_none() {
    let wanted: Vec<_> = (0..3).map(|record| 128 + record * LINE + AHEAD).collect();
    assert_eq!(of_records(1024, &[127]), wanted, "only the short ones behind it");
    assert_eq!(of_records(512, &[5, 20]), []);
}
