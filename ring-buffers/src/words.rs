// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shared memory as 64-bit words, each loaded and stored in one piece (GEN-10).

use crate::order::Site;
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Memory that two sides share, as words of 64 bits in native order.
///
/// # Contract
///
/// - `load` and `store` are single atomic accesses with the site's ordering, never split, repeated or left
///   out (GEN-6);
/// - an index at or beyond `len` loads zero and stores nothing: rings mask their indices, so this is a second
///   line of defence;
/// - the words of a handle and of all slices made from it are the same memory for as long as any of them
///   lives;
/// - `fence` is a fence between all accesses of the calling thread, with the site's ordering.
pub trait Words: Clone {
    /// Number of words.
    fn len(&self) -> usize;
    /// One atomic load.
    fn load(&self, index: usize, site: Site) -> u64;
    /// One atomic store.
    fn store(&self, index: usize, value: u64, site: Site);
    /// A fence.
    #[inline(always)]
    fn fence(&self, site: Site) {
        // Spelt out, so that no ordering reaches the library's own check, which panics.
        match site.ordering() {
            Ordering::SeqCst => fence(Ordering::SeqCst),
            Ordering::Acquire => fence(Ordering::Acquire),
            Ordering::Release => fence(Ordering::Release),
            _ => {}
        }
    }
    /// The word will be stored to soon: memory may fetch its cache line from the processor that has it. A
    /// hint, for any index; it has no effect on values or order.
    #[inline(always)]
    fn will_store(&self, _index: usize) {}
    /// `len` words from `first` on, or `None` where they are not all there.
    fn slice(&self, first: usize, len: usize) -> Option<Self>;

    /// Stores a slot: `N` words from `first` on, in order, each of them as `body` says it by its number, then
    /// `tail` behind them.
    ///
    /// This and [`Self::take`] are the loads and stores that they name. Memory overrides them to check a
    /// slot's bounds once.
    #[inline(always)]
    fn publish<const N: usize>(
        &self,
        first: usize,
        body: impl Fn(usize) -> u64,
        tail: u64,
        sites: [Site; 2],
    ) {
        let [body_site, tail_site] = sites;
        for (index, number) in (first..).zip(0..N) {
            self.store(index, body(number), body_site);
        }
        self.store(first.wrapping_add(N), tail, tail_site);
    }

    /// Loads the word behind the `N` words from `first` on, and those words if `wanted` says so of it. Each
    /// is loaded once.
    #[inline(always)]
    fn take<const N: usize>(
        &self,
        first: usize,
        wanted: impl FnOnce(u64) -> bool,
        sites: [Site; 2],
    ) -> (u64, Option<[u64; N]>) {
        let [body, tail] = sites;
        let word = self.load(first.wrapping_add(N), tail);
        (word, wanted(word).then(|| self.load_run(first, body)))
    }

    /// Loads `N` words from `first` on, in order.
    #[inline(always)]
    fn load_run<const N: usize>(&self, first: usize, site: Site) -> [u64; N] {
        let mut words = [0; N];
        for (index, word) in (first..).zip(words.iter_mut()) {
            *word = self.load(index, site);
        }
        words
    }

    /// Loads those words of the `SPAN` words from `first` on whose numbers stand in `picks`. One beyond the
    /// span is zero.
    #[inline(always)]
    fn load_some<const SPAN: usize, const N: usize>(
        &self,
        first: usize,
        picks: [usize; N],
        site: Site,
    ) -> [u64; N] {
        picks.map(|pick| if pick < SPAN { self.load(first.wrapping_add(pick), site) } else { 0 })
    }

    /// Stores `N` words from `first` on, in any order.
    #[inline(always)]
    fn store_run<const N: usize>(&self, first: usize, words: &[u64; N], site: Site) {
        for (index, word) in (first..).zip(words) {
            self.store(index, *word, site);
        }
    }

    /// Stores words from `first` on, in any order.
    #[inline(always)]
    fn store_words(&self, first: usize, words: &[u64], site: Site) {
        for (index, word) in (first..).zip(words) {
            self.store(index, *word, site);
        }
    }

    /// Loads as many words as `out` has from `first` on, each once.
    #[inline(always)]
    fn load_words(&self, first: usize, out: &mut [u64], site: Site) {
        for (index, word) in (first..).zip(out) {
            *word = self.load(index, site);
        }
    }

    /// Stores the word `head` at `first` and `N` words behind it, in any order.
    #[inline(always)]
    fn store_headed<const N: usize>(&self, first: usize, head: u64, words: &[u64; N], site: Site) {
        self.store(first, head, site);
        self.store_run(first.wrapping_add(1), words, site);
    }

    /// Stores the word `head` at `first` and behind it the bytes of `parts`, one part behind the other; a
    /// last word that they do not fill ends with zeros.
    ///
    /// A word's first byte is its lowest. Memory may store them in any order and in pieces of any size.
    #[inline(always)]
    fn store_bytes(&self, first: usize, head: u64, parts: &[&[u8]], site: Site) {
        self.store(first, head, site);
        let mut bytes = parts.iter().flat_map(|part| part.iter().copied()).peekable();
        for index in first.wrapping_add(1).. {
            if bytes.peek().is_none() {
                break;
            }
            let word = core::array::from_fn(|_| bytes.next().unwrap_or(0));
            self.store(index, u64::from_le_bytes(word), site);
        }
    }

    /// Loads the `out.len()` bytes from byte `offset` on, each once. Memory may load them in pieces of any
    /// size.
    #[inline(always)]
    fn load_bytes(&self, offset: usize, out: &mut [u8], site: Site) {
        let mut skip = offset % 8;
        let mut out = out.iter_mut().peekable();
        for index in offset / 8.. {
            if out.peek().is_none() {
                break;
            }
            let word = self.load(index, site).to_le_bytes();
            for (byte, place) in word.iter().skip(skip).zip(out.by_ref()) {
                *place = *byte;
            }
            skip = 0;
        }
    }

    /// Stores bytes from byte `offset` on. What else is in the first and the last word stays; nobody but the
    /// caller stores there meanwhile. Memory may store them in any order and in pieces of any size.
    #[inline(always)]
    fn store_part(&self, offset: usize, bytes: &[u8], site: Site) {
        let mut skip = offset % 8;
        let mut bytes = bytes.iter().copied().peekable();
        for index in offset / 8.. {
            if bytes.peek().is_none() {
                break;
            }
            let mut word = self.load(index, site).to_le_bytes();
            for (place, byte) in word.iter_mut().skip(skip).zip(bytes.by_ref()) {
                *place = byte;
            }
            self.store(index, u64::from_le_bytes(word), site);
            skip = 0;
        }
    }

    /// Whether the first word lies at a multiple of `bytes`, as far as the memory knows where it lies.
    #[inline(always)]
    fn is_aligned(&self, _bytes: usize) -> bool {
        true
    }

    /// Whether there are no words.
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How far ahead of a store a hint pays, in words: 16 cache lines, `docs/decisions/0008-lines-ahead.md`.
pub(crate) const AHEAD: usize = 128;
/// Words of the smallest ring in which the peer is done with what lies so far ahead.
const HINTS_FROM: usize = 8 * AHEAD;

/// Says what will be stored to after the word at `first` of a ring of `ring` words, a power of two.
#[inline(always)]
pub(crate) fn look_ahead(words: &impl Words, first: usize, ring: usize) {
    if ring >= HINTS_FROM {
        words.will_store(first.wrapping_add(AHEAD) & ring.wrapping_sub(1));
    }
}

/// One load with a site's ordering.
#[inline(always)]
pub(crate) fn load(word: &AtomicU64, site: Site) -> u64 {
    // Spelt out, so that no ordering reaches the library's own check, which panics.
    let value = match site.ordering() {
        Ordering::Acquire => word.load(Ordering::Acquire),
        _ => word.load(Ordering::Relaxed),
    };
    u64::from_le(value)
}

/// One store with a site's ordering.
#[inline(always)]
pub(crate) fn store(word: &AtomicU64, value: u64, site: Site) {
    match site.ordering() {
        Ordering::Release => word.store(value.to_le(), Ordering::Release),
        _ => word.store(value.to_le(), Ordering::Relaxed),
    }
}

/// Plain memory of this process.
impl Words for &[AtomicU64] {
    #[inline(always)]
    fn len(&self) -> usize {
        <[AtomicU64]>::len(self)
    }

    #[inline(always)]
    fn load(&self, index: usize, site: Site) -> u64 {
        self.get(index).map_or(0, |word| load(word, site))
    }

    #[inline(always)]
    fn store(&self, index: usize, value: u64, site: Site) {
        if let Some(word) = self.get(index) {
            store(word, value, site);
        }
    }

    #[inline(always)]
    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        self.get(first..first.checked_add(len)?)
    }

    #[inline(always)]
    fn is_aligned(&self, bytes: usize) -> bool {
        self.as_ptr().addr().checked_rem(bytes) == Some(0)
    }
}
