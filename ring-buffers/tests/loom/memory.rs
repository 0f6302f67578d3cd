// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shared memory inside a model: words that loom watches, with one site weakened at will.

use crate::run;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use tenon_rings::order::Operation;
use tenon_rings::{Site, Words};

/// Who holds a handle, and who writes an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Guest,
    Host,
}

/// A word, and loom's watch over who may touch it when.
///
/// What lies in a body belongs to one side at a time. loom runs a thread's loads in order, so a load that is
/// delayed beyond the store that gives a slot back is never seen as a wrong value; but if no ordering forbids
/// it, loom sees that the next owner's store does not happen after it.
struct Word {
    value: AtomicU64,
    owner: UnsafeCell<()>,
}

impl Word {
    fn new(value: u64) -> Self {
        Self { value: AtomicU64::new(value), owner: UnsafeCell::new(()) }
    }
}

/// Whether only who owns a slot accesses it there. A host page's readers look at copies that are being
/// filled, and drop what they have seen.
const fn is_body(site: Site) -> bool {
    matches!(site.operation(), Operation::Access) && !matches!(site, Site::Status | Site::PageBody)
}

/// An area that one side writes. Only the words that a model names exist: loom's price of a fence grows with
/// their number.
#[derive(Clone)]
pub(crate) struct Area {
    words: Arc<[Option<Word>]>,
    writer: Side,
    weak: Option<Site>,
    /// Counts the fences, where a model asks for that.
    fences: Option<Arc<AtomicU64>>,
}

impl Area {
    /// loom by itself switches no threads between an access and the fence behind it. That a fence counts
    /// makes it, for a price that only small models can pay.
    pub(crate) fn with_fences_apart(self) -> Self {
        Self { fences: Some(Arc::new(AtomicU64::new(0))), ..self }
    }

    /// `len` words, all of them zero and there.
    pub(crate) fn zeroed(writer: Side, len: usize, weak: Option<Site>) -> Self {
        let words = (0..len).map(|_| Some(Word::new(0))).collect();
        Self { words, writer, weak, fences: None }
    }

    /// `len` words of which only `named` are there, with their first values.
    pub(crate) fn sparse(writer: Side, len: usize, named: &[(usize, u64)], weak: Option<Site>) -> Self {
        let value = |index| named.iter().find(|(at, _)| *at == index).map(|(_, value)| *value);
        let words = (0..len).map(|index| value(index).map(Word::new)).collect();
        Self { words, writer, weak, fences: None }
    }

    /// A side's view.
    pub(crate) fn of(&self, holder: Side) -> LoomWords {
        LoomWords { area: self.clone(), holder, first: 0, len: self.words.len(), stores: None }
    }
}

/// One side's view of an area. It holds both sides to GEN-2: who writes a word never reads it, who reads it
/// never writes it.
#[derive(Clone)]
pub(crate) struct LoomWords {
    area: Area,
    holder: Side,
    first: usize,
    len: usize,
    /// Stores until the holder is dead, where a model kills it.
    stores: Option<Rc<Cell<usize>>>,
}

impl LoomWords {
    /// The same, of a holder that dies after so many stores: none behind them has an effect.
    pub(crate) fn dies_after(self, stores: usize) -> Self {
        Self { stores: Some(Rc::new(Cell::new(stores))), ..self }
    }

    fn word(&self, index: usize) -> &Word {
        assert!(index < self.len, "word {index} of {}", self.len);
        self.area.words[self.first + index].as_ref().expect("a word that the model has not named")
    }

    /// The site's ordering, unless the site is the weakened one.
    fn ordering(&self, site: Site) -> Ordering {
        run::ordering(site, self.area.weak)
    }
}

impl Words for LoomWords {
    fn len(&self) -> usize {
        self.len
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        // Who succeeds a writer that is gone reads what that one left, and nothing of its own.
        let own = self.holder == self.area.writer && site != Site::PageSucceed;
        assert!(!own, "GEN-2: {site:?} reads back a word of its own");
        assert!(matches!(site.operation(), Operation::Load | Operation::Access), "{site:?} loads");
        let word = self.word(index);
        if is_body(site) {
            word.owner.with(|_| ());
        }
        word.value.load(self.ordering(site))
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        assert_eq!(self.holder, self.area.writer, "GEN-2: {site:?} writes a word of the other side");
        assert!(matches!(site.operation(), Operation::Store | Operation::Access), "{site:?} stores");
        if let Some(stores) = &self.stores {
            let Some(left) = stores.get().checked_sub(1) else { return };
            stores.set(left);
        }
        let word = self.word(index);
        if is_body(site) {
            word.owner.with_mut(|_| ());
        }
        word.value.store(value, self.ordering(site));
    }

    fn fence(&self, site: Site) {
        assert_eq!(site.operation(), Operation::Fence, "{site:?} fences");
        match self.ordering(site) {
            Ordering::Relaxed => {}
            ordering => {
                if let Some(fences) = &self.area.fences {
                    fences.fetch_add(1, Ordering::Relaxed);
                }
                fence(ordering);
            }
        }
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        (first.checked_add(len)? <= self.len).then(|| Self { first: self.first + first, len, ..self.clone() })
    }
}
