// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory of both ends. What the tested end does with it is held to its rights and counted access by access;
//! between any two of its loads the peer can strike.

use std::cell::{Cell, RefCell};
use tenon_rings::{Site, Words};

/// An access of the tested end. Indices count from the start of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Load { index: usize, value: u64, site: Site },
    Store { index: usize, value: u64, site: Site },
}

/// A word that the peer writes before the tested end's load number `before`, counted from the start of the
/// story.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    pub(crate) before: usize,
    pub(crate) word: usize,
    pub(crate) value: u64,
}

/// All words of a ring.
pub(crate) struct Ground {
    words: Vec<Cell<u64>>,
    /// Accesses that the call under way may still make.
    allowed: Cell<usize>,
    loads: Cell<usize>,
    /// An end is being constructed: it may look at what it is about to write.
    setup: Cell<bool>,
    /// Stores that the peer lives to make.
    life: Cell<usize>,
    /// The last is the next to come.
    strikes: RefCell<Vec<Strike>>,
    log: RefCell<Vec<Access>>,
}

impl Ground {
    pub(crate) fn new(words: usize, strikes: &[Strike]) -> Self {
        let mut strikes = strikes.to_vec();
        strikes.sort_by_key(|strike| std::cmp::Reverse(strike.before));
        Self {
            words: vec![Cell::new(0); words],
            allowed: Cell::new(0),
            loads: Cell::new(0),
            setup: Cell::new(false),
            life: Cell::new(usize::MAX),
            strikes: RefCell::new(strikes),
            log: RefCell::default(),
        }
    }

    /// A handle of the peer's: no rights, no count.
    pub(crate) fn peer(&self, first: usize, len: usize) -> View<'_> {
        View { ground: self, first, len, rights: Rights::All }
    }

    /// A handle of the tested end's to what its peer writes.
    pub(crate) fn theirs(&self, first: usize, len: usize) -> View<'_> {
        View { ground: self, first, len, rights: Rights::Load }
    }

    /// A handle of the tested end's to what it writes itself, and never reads back (GEN-2).
    pub(crate) fn ours(&self, first: usize, len: usize) -> View<'_> {
        View { ground: self, first, len, rights: Rights::Store }
    }

    /// The construction of an end: nothing is counted, and nobody strikes.
    pub(crate) fn setup<T>(&self, make: impl FnOnce() -> T) -> T {
        self.setup.set(true);
        let made = make();
        self.setup.set(false);
        made
    }

    /// One call of the tested end: its result, and its accesses, which are at most `most`.
    pub(crate) fn call<T>(&self, most: usize, call: impl FnOnce() -> T) -> (T, Vec<Access>) {
        self.allowed.set(most);
        let result = call();
        self.allowed.set(0);
        (result, self.log.take())
    }

    /// Loads of the tested end until now.
    pub(crate) fn loads(&self) -> usize {
        self.loads.get()
    }

    pub(crate) fn peek(&self, word: usize) -> u64 {
        self.words[word].get()
    }

    pub(crate) fn poke(&self, word: usize, value: u64) {
        self.words[word].set(value);
    }

    /// The peer dies before its store number `life`.
    pub(crate) fn dies(&self, life: usize) {
        self.life.set(life);
    }

    /// Stores that the peer would still make.
    pub(crate) fn life(&self) -> usize {
        self.life.get()
    }

    /// No more strikes.
    pub(crate) fn truce(&self) {
        self.strikes.take();
    }

    fn count(&self) {
        let left = self.allowed.get().checked_sub(1);
        self.allowed.set(left.expect("more accesses in one call than its bound"));
    }

    fn strike(&self) {
        let mut strikes = self.strikes.borrow_mut();
        while let Some(strike) = strikes.pop_if(|strike| strike.before <= self.loads.get()) {
            self.poke(strike.word, strike.value);
        }
        self.loads.set(self.loads.get() + 1);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rights {
    All,
    Load,
    Store,
}

/// A range of the words, in one end's hand.
#[derive(Clone)]
pub(crate) struct View<'a> {
    ground: &'a Ground,
    first: usize,
    len: usize,
    rights: Rights,
}

impl View<'_> {
    fn at(&self, index: usize) -> usize {
        assert!(index < self.len, "word {index} of {} is out of bounds", self.len);
        self.first + index
    }
}

impl Words for View<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        let index = self.at(index);
        if self.rights == Rights::All || self.ground.setup.get() {
            return self.ground.peek(index);
        }
        assert!(self.rights == Rights::Load, "{site:?}: the end reads back what it wrote");
        self.ground.count();
        self.ground.strike();
        let value = self.ground.peek(index);
        self.ground.log.borrow_mut().push(Access::Load { index, value, site });
        value
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        let index = self.at(index);
        if self.rights == Rights::All {
            let Some(left) = self.ground.life.get().checked_sub(1) else { return };
            self.ground.life.set(left);
        } else if !self.ground.setup.get() {
            assert!(self.rights == Rights::Store, "{site:?}: the end writes what belongs to its peer");
            self.ground.count();
            self.ground.log.borrow_mut().push(Access::Store { index, value, site });
        }
        self.ground.poke(index, value);
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        let inside = first.checked_add(len)? <= self.len;
        inside.then(|| Self { first: self.first + first, len, ..self.clone() })
    }
}
