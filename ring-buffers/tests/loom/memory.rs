// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shared memory inside a model: words that loom watches, with one site weakened at will.

use loom::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::Arc;
use tenon_rings::{Site, Words};

/// Who holds a handle, and who writes an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Guest,
    Host,
}

/// An area that one side writes. Only the words that a model names exist: loom's price of a fence grows with their number.
#[derive(Clone)]
pub(crate) struct Area {
    words: Arc<[Option<AtomicU64>]>,
    writer: Side,
    weak: Option<Site>,
}

impl Area {
    /// `len` words, all of them zero and there.
    pub(crate) fn zeroed(writer: Side, len: usize, weak: Option<Site>) -> Self {
        let words = (0..len).map(|_| Some(AtomicU64::new(0))).collect();
        Self { words, writer, weak }
    }

    /// `len` words of which only `named` are there, with their first values.
    pub(crate) fn sparse(writer: Side, len: usize, named: &[(usize, u64)], weak: Option<Site>) -> Self {
        let value = |index| named.iter().find(|(at, _)| *at == index).map(|(_, value)| *value);
        let words = (0..len).map(|index| value(index).map(AtomicU64::new)).collect();
        Self { words, writer, weak }
    }

    /// A side's view.
    pub(crate) fn of(&self, holder: Side) -> LoomWords {
        LoomWords { area: self.clone(), holder, first: 0, len: self.words.len() }
    }
}

/// One side's view of an area. It holds both sides to GEN-2: who writes a word never reads it, who reads it never writes it.
#[derive(Clone)]
pub(crate) struct LoomWords {
    area: Area,
    holder: Side,
    first: usize,
    len: usize,
}

impl LoomWords {
    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.len, "word {index} of {}", self.len);
        self.area.words[self.first + index].as_ref().expect("a word that the model has not named")
    }

    /// The site's ordering, unless the site is the weakened one.
    fn ordering(&self, site: Site) -> Ordering {
        if self.area.weak == Some(site) { Ordering::Relaxed } else { site.ordering() }
    }
}

impl Words for LoomWords {
    fn len(&self) -> usize {
        self.len
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        assert_ne!(self.holder, self.area.writer, "GEN-2: {site:?} reads back a word of its own");
        self.word(index).load(self.ordering(site))
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        assert_eq!(self.holder, self.area.writer, "GEN-2: {site:?} writes a word of the other side");
        self.word(index).store(value, self.ordering(site));
    }

    fn fence(&self, site: Site) {
        if self.ordering(site) == Ordering::SeqCst {
            fence(Ordering::SeqCst);
        }
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        (first.checked_add(len)? <= self.len).then(|| Self { first: self.first + first, len, ..self.clone() })
    }
}
