// SPDX-License-Identifier: MIT OR Apache-2.0
//! Words that are all zero to begin with, and cheap to have: the same ones serve life after life, and only
//! pages that were written are cleared, copied and compared.

use std::cell::{Cell, RefCell};

/// Words in a page: few, so that little is done for one word.
const PAGE: usize = 64;

thread_local! {
    /// Clean stores that nobody has now.
    static POOL: RefCell<Vec<Words>> = const { RefCell::new(Vec::new()) };
}

struct Words {
    cells: Box<[Cell<u64>]>,
    /// Pages that may hold something else than zeroes, each once.
    dirty: RefCell<Vec<usize>>,
    is_dirty: Box<[Cell<bool>]>,
}

impl Words {
    fn new(len: usize) -> Self {
        let pages = len.div_ceil(PAGE);
        Self {
            cells: vec![Cell::new(0); len].into(),
            dirty: RefCell::default(),
            is_dirty: vec![Cell::new(false); pages].into(),
        }
    }

    fn page(&self, page: usize) -> &[Cell<u64>] {
        let first = page * PAGE;
        self.cells.get(first..self.cells.len().min(first + PAGE)).unwrap_or_default()
    }

    #[inline]
    fn soil(&self, page: usize) {
        if self.is_dirty.get(page).is_some_and(|dirty| !dirty.replace(true)) {
            self.dirty.borrow_mut().push(page);
        }
    }
}

/// So many words.
pub(crate) struct Store {
    words: Words,
    len: usize,
}

impl Store {
    /// `most`: how many words a store has to have room for, here and for whoever has it next.
    pub(crate) fn new(len: usize, most: usize) -> Self {
        let fits = |words: &Words| words.cells.len() == most;
        let words = POOL.with_borrow_mut(|pool| {
            let at = pool.iter().position(fits)?;
            Some(pool.swap_remove(at))
        });
        Self { words: words.unwrap_or_else(|| Words::new(most)), len: len.min(most) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, word: usize) -> Option<u64> {
        if word >= self.len {
            return None;
        }
        self.words.cells.get(word).map(Cell::get)
    }

    /// False if there is no such word.
    #[inline]
    pub(crate) fn set(&self, word: usize, value: u64) -> bool {
        // The room may be larger than the store.
        let Some(cell) = self.words.cells.get(word).filter(|_| word < self.len) else { return false };
        self.words.soil(word / PAGE);
        cell.set(value);
        true
    }

    /// Another one with the same contents.
    pub(crate) fn twin(&self) -> Self {
        let (from, twin) = (&self.words, Self::new(self.len, self.words.cells.len()));
        for &page in from.dirty.borrow().iter() {
            twin.words.soil(page);
            for (to, from) in twin.words.page(page).iter().zip(from.page(page)) {
                to.set(from.get());
            }
        }
        twin
    }

    pub(crate) fn same_contents(&self, other: &Self) -> bool {
        let (one, other) = (&self.words, &other.words);
        let same = |&page: &usize| {
            let both = one.page(page).iter().zip(other.page(page));
            // Without a way out of the loop, which is then one of few and wide steps.
            both.fold(0, |differs, (one, other)| differs | (one.get() ^ other.get())) == 0
        };
        one.dirty.borrow().iter().chain(other.dirty.borrow().iter()).all(same)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let words = std::mem::replace(&mut self.words, Words::new(0));
        for page in std::mem::take(&mut *words.dirty.borrow_mut()) {
            words.page(page).iter().for_each(|cell| cell.set(0));
            if let Some(dirty) = words.is_dirty.get(page) {
                dirty.set(false);
            }
        }
        // A thread that ends has no pool any more.
        let _ = POOL.try_with(|pool| pool.borrow_mut().push(words));
    }
}

#[cfg(test)]
mod tests {
    use super::Store;

    #[test]
    fn what_one_life_wrote_the_next_one_does_not_find() {
        for round in 0..3 {
            let store = Store::new(1000 + round, 2000);
            assert!((0..store.len()).all(|word| store.get(word) == Some(0)), "round {round}");
            assert!(store.set(0, 1) && store.set(store.len() - 1, 2) && !store.set(store.len(), 3));
            assert_eq!(store.get(store.len()), None);
            let twin = store.twin();
            assert!(store.same_contents(&twin) && twin.get(store.len() - 1) == Some(2));
            twin.set(700, 4);
            assert!(!store.same_contents(&twin) && !twin.same_contents(&store));
            assert_eq!(store.get(700), Some(0));
        }
    }
}
