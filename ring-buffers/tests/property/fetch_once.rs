// SPDX-License-Identifier: MIT OR Apache-2.0
//! GEN-6: memory that answers each load with another value still gets only one look a word.

use std::cell::RefCell;
use tenon_abi::vcpu::guest;
use tenon_abi::{Op, Status, Submission};
use tenon_rings::{Site, Words};

/// Memory that counts its loads, or a part of it of no length.
#[derive(Clone)]
struct Counted<'a> {
    words: &'a RefCell<Vec<(u64, usize)>>,
    empty: bool,
}

impl<'a> Counted<'a> {
    fn of(words: &'a RefCell<Vec<(u64, usize)>>) -> Self {
        Self { words, empty: false }
    }
}

impl Words for Counted<'_> {
    fn len(&self) -> usize {
        if self.empty { 0 } else { self.words.borrow().len() }
    }

    fn load(&self, index: usize, _: Site) -> u64 {
        if self.empty {
            return 0;
        }
        let word = &mut self.words.borrow_mut()[index];
        word.1 += 1;
        word.0
    }

    fn store(&self, index: usize, value: u64, _: Site) {
        self.words.borrow_mut()[index].0 = value;
    }

    fn slice(&self, _: usize, len: usize) -> Option<Self> {
        (len == 0).then_some(Self { words: self.words, empty: true })
    }
}

/// The number of words loaded since the last time; fails if one was loaded twice.
fn loaded(memory: &RefCell<Vec<(u64, usize)>>) -> usize {
    let loads: Vec<usize> = memory.borrow_mut().iter_mut().map(|word| std::mem::take(&mut word.1)).collect();
    assert!(loads.iter().all(|count| *count <= 1), "a word was loaded twice: {loads:?}");
    loads.iter().sum()
}

fn memory(words: usize) -> RefCell<Vec<(u64, usize)>> {
    RefCell::new(vec![(0, 0); words])
}

#[test]
fn a_slot_is_copied_once() {
    let (submissions, completions) = (memory(16), memory(4));
    let (s, c) = (Counted::of(&submissions), Counted::of(&completions));
    let mut submitter = crate::submitter::<_, 2>(s.clone(), c.clone(), 7, 0);
    let mut completer = crate::completer(s, c, 7, 2, 0);
    let ticket = submitter.submit(Submission::new(Op::NOP, [1; 6])).unwrap();
    assert_eq!((loaded(&submissions), loaded(&completions)), (0, 0));
    let id = completer.fetch().unwrap().id;
    assert_eq!((loaded(&submissions), loaded(&completions)), (8, 0));
    assert!(completer.complete(id, Status::OK, 3));
    assert_eq!((loaded(&submissions), loaded(&completions)), (0, 0));
    assert_eq!(submitter.poll(ticket).unwrap().unwrap().value, 3);
    assert_eq!((loaded(&submissions), loaded(&completions)), (0, 2));
}

#[test]
fn many_slots_are_copied_once() {
    let (submissions, completions) = (memory(32), memory(8));
    let (s, c) = (Counted::of(&submissions), Counted::of(&completions));
    let mut submitter = crate::submitter::<_, 4>(s.clone(), c.clone(), 7, 0);
    let mut completer = crate::completer(s, c, 7, 4, 0);
    let mut results = [Err(Status::OK); 4];
    let make = |n| Submission::new(if n < 2 { Op::NOP } else { Op::PROBE }, [1; 6]);
    let kick = || {
        let run = completer.answer(4, Op::NOP, |_| Ok(3));
        let third = completer.fetch_next(run.next.unwrap().unwrap()).unwrap().id;
        assert_eq!((run.answered, loaded(&submissions)), (2, 24));
        let fourth = completer.fetch().unwrap().id;
        // The results come at once, at once, and out of order.
        assert!(completer.complete(fourth, Status::OK, 4) && completer.complete(third, Status::OK, 5));
    };
    assert_eq!(submitter.exchange(&mut results, make, kick, || false), Ok(()));
    assert_eq!(results, [Ok(3), Ok(3), Ok(5), Ok(4)]);
    assert_eq!((loaded(&submissions), loaded(&completions)), (8, 8));
}

#[test]
fn a_control_word_is_looked_at_once() {
    let (area, entries) = (memory(48), memory(2));
    let (a, e) = (Counted::of(&area), Counted::of(&entries));
    let mut raiser = crate::raiser(a.clone(), e.clone(), 0, 7, 0);
    let mut taker = crate::taker(a, e, 0, 7, 4, 0);
    raiser.reserve().unwrap();
    assert_eq!((loaded(&area), loaded(&entries)), (1, 0));
    let mut last = None;
    raiser.raise(1, &mut last).unwrap();
    // The hint, `taken` and `ARMED`.
    assert_eq!((loaded(&area), loaded(&entries)), (3, 0));
    assert_eq!(taker.take(&mut [0; 1]), Ok(1));
    assert_eq!((loaded(&area), loaded(&entries)), (0, 1));
    assert!(taker.arm());
    assert_eq!((loaded(&area), loaded(&entries)), (0, 1));
    assert!(!raiser.release(last));
    assert_eq!((loaded(&area), loaded(&entries)), (1, 0));
    assert_eq!(area.borrow()[usize::try_from(guest::TAKEN0 / 8).unwrap()].0, 1);
}
