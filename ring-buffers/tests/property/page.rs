// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host pages against all moments at which a writer can die, and pages that cannot be; the largest value of a
//! clock.

use crate::memory;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use tenon_rings::page::{Kept, Latest, Reader, Writer};
use tenon_rings::{Error, Site, Words};

const N: usize = 3;
const COPIES: [usize; 2] = [2, 6];
const WORDS: usize = 10;

const fn copy(sequence: u64) -> [u64; N] {
    [sequence.wrapping_mul(3), !sequence, sequence]
}

/// Words whose holder may die: its stores have no effect after so many.
#[derive(Clone)]
struct Mortal<'a> {
    words: &'a [AtomicU64],
    stores: &'a Cell<u32>,
}

impl Words for Mortal<'_> {
    fn len(&self) -> usize {
        self.words.len()
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        self.words.load(index, site)
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        if let Some(left) = self.stores.get().checked_sub(1) {
            self.stores.set(left);
            self.words.store(index, value, site);
        }
    }

    fn slice(&self, _: usize, _: usize) -> Option<Self> {
        None
    }
}

#[test]
fn a_writer_that_dies_at_any_moment_leaves_a_valid_copy_and_so_does_its_successor() {
    // Sequences before the wrap too, where the parity goes on.
    for first in [0, 1, 2, u64::MAX - 1, u64::MAX] {
        for (stores, later) in (0..8_u32).flat_map(|stores| (0..8).map(move |later| (stores, later))) {
            let memory = memory(WORDS);
            let reader = Reader::<_, N>::new(memory.as_slice(), COPIES).unwrap();
            let alive = Cell::new(u32::MAX);
            let mortal = Mortal { words: &memory, stores: &alive };
            let mut writer = Writer::<_, N>::new(mortal.clone(), COPIES, first).unwrap();
            let mut last = writer.write(&copy(first.wrapping_add(1)));
            assert_eq!(last, first.wrapping_add(1));
            for stores in [stores, later, u32::MAX] {
                alive.set(stores);
                for _ in 0..2 {
                    let next = writer.sequence().wrapping_add(1);
                    assert_eq!(writer.write(&copy(next)), next);
                }
                let seen = reader.look(|copy| *copy).expect("nobody writes now");
                assert_eq!(seen, copy(seen[2]), "a torn copy: {stores} stores");
                assert!(seen[2].wrapping_sub(last) <= 2, "a copy from before: {} after {last}", seen[2]);
                last = seen[2];
                alive.set(u32::MAX);
                writer = Writer::succeed(mortal.clone(), COPIES).unwrap();
                assert_eq!(writer.sequence(), last, "it goes on from what stands there");
                assert_eq!(reader.look(|copy| *copy), Some(copy(last)), "to come changes nothing");
            }
        }
    }
}

#[test]
fn a_reader_drops_what_changed_and_gives_up() {
    let memory = memory(WORDS);
    let reader = Reader::<_, N>::new(memory.as_slice(), COPIES).unwrap();
    let writer = RefCell::new(Writer::<_, N>::new(memory.as_slice(), COPIES, 0).unwrap());
    let write = || {
        let next = writer.borrow().sequence() + 1;
        writer.borrow_mut().write(&copy(next));
    };
    write();
    // What came within a look belongs to another copy.
    assert_eq!(reader.look(|_| write()), None);
    let looks = Cell::new(0);
    let hasty = reader.read(5, |_| {
        looks.set(looks.get() + 1);
        write();
    });
    assert_eq!((hasty, looks.get()), (Err(Error::Empty), 5));
    looks.set(0);
    let quiet = reader.read(5, |copy| {
        looks.set(looks.get() + 1);
        if looks.get() < 3 {
            write();
        }
        *copy
    });
    assert_eq!((quiet, looks.get()), (Ok(copy(writer.borrow().sequence())), 3));
    assert_eq!(reader.read(0, |_| ()), Err(Error::Empty));
}

#[test]
fn a_page_that_does_not_fit_is_refused() {
    let memory = memory(WORDS);
    let words = memory.as_slice();
    for copies in [[0, 6], [6, 0], [2, 4], [4, 2], [2, 2], [2, 8], [8, 2], [2, usize::MAX], [usize::MAX, 2]] {
        assert_eq!(Reader::<_, N>::new(words, copies).err(), Some(Error::BadSize), "{copies:?}");
        assert_eq!(Writer::<_, N>::new(words, copies, 0).err(), Some(Error::BadSize), "{copies:?}");
    }
    assert!(Reader::<_, 0>::new(words, COPIES).is_err() && Reader::<_, 5>::new(words, COPIES).is_err());
    for copies in [COPIES, [6, 2], [1, 4], [7, 1]] {
        assert!(Reader::<_, N>::new(words, copies).is_ok(), "{copies:?}");
    }
}

/// Both ways to keep a value.
fn ways() -> [fn(&Latest, u64, u64) -> Kept; 2] {
    [
        |latest, value, slack| latest.keep(latest.before(), value, slack),
        |latest, value, slack| latest.keep_alone(latest.before(), value, slack),
    ]
}

#[test]
fn the_largest_value_stays_and_a_step_back_is_told_once() {
    for keep in ways() {
        let latest = Latest::new();
        let kept = |value, step_back| Kept { value, step_back };
        assert_eq!(keep(&latest, 100, 5), kept(100, None));
        assert_eq!(keep(&latest, 97, 5), kept(100, None), "no more than its error");
        assert_eq!(keep(&latest, 95, 5), kept(100, None), "exactly its error");
        assert_eq!(keep(&latest, 94, 5), kept(100, Some(6)));
        assert_eq!(keep(&latest, 50, 5), kept(100, None), "told before");
        assert_eq!(keep(&latest, 99, 0), kept(100, None), "still behind");
        assert_eq!(keep(&latest, 100, 5), kept(100, None), "there again");
        assert_eq!(keep(&latest, 0, 5), kept(100, Some(100)), "the next step is news");
        assert_eq!(keep(&latest, u64::MAX, 0), kept(u64::MAX, None));
        assert_eq!(keep(&latest, 0, u64::MAX), kept(u64::MAX, None));
    }
}

#[test]
fn what_another_cpu_keeps_while_a_clock_is_read_is_no_step_back() {
    let latest = Latest::new();
    let before = latest.before();
    // The clock said 90 here, and 100 there, where it was kept first.
    assert_eq!(latest.keep(latest.before(), 100, 0), Kept { value: 100, step_back: None });
    assert_eq!(latest.keep(before, 90, 0), Kept { value: 90, step_back: None });
    assert_eq!(latest.before(), 100, "and the largest stays");
}

#[test]
fn no_thread_sees_a_value_below_one_that_another_has_told() {
    const ROUNDS: u64 = 20_000;
    let (latest, told, failed) = (Latest::default(), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for thread in 0..3 {
            let (latest, told, failed) = (&latest, &told, &failed);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let heard = told.load(Ordering::Acquire);
                    let before = latest.before();
                    // Each has a clock of its own, that lags by another amount.
                    let value = latest.keep(before, round * 3 / (thread + 1), 0).value;
                    if value < heard {
                        failed.store(true, Ordering::Relaxed);
                    }
                    told.fetch_max(value, Ordering::AcqRel);
                }
            });
        }
    });
    assert!(!failed.into_inner(), "the clock went back");
}
