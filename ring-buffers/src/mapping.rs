// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mapped memory: the only place where Tenon turns an address into an access.
#![allow(unsafe_code, reason = "shared memory is reached through raw pointers; every access is checked here")]

mod copy;
mod hint;

use crate::order::Site;
use crate::words::{self, Words};
use copy::{copy, load_run, store_headed, store_record, store_run};
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;

/// A range of mapped memory that a peer may write at any time.
///
/// A handle, not an owner: copies are cheap and see the same memory.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    base: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the memory is only ever accessed by atomic operations or by `copy`, from any thread, and stays
// mapped by the contract of `Mapping::new`.
unsafe impl Send for Mapping {}
// SAFETY: as above; no method needs exclusive access.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// The memory of `len` bytes at `base`; `None` when `base` is null or not aligned to 8. A length that is
    /// not a multiple of 8 is rounded down.
    ///
    /// # Safety
    ///
    /// The memory is mapped, readable, and, if anything is stored through the handle, writable, for as long
    /// as any copy of the handle is used. No Rust reference to any of it exists meanwhile, except to atomics
    /// or `UnsafeCell`s.
    #[must_use]
    pub unsafe fn new(base: *mut u8, len: usize) -> Option<Self> {
        let base = NonNull::new(base.cast::<AtomicU64>())?;
        if !base.is_aligned() {
            return None;
        }
        Some(Self { base, words: len / 8 })
    }

    /// Where the memory is mapped.
    #[must_use]
    pub const fn base(&self) -> *mut u8 {
        self.base.as_ptr().cast()
    }

    /// The length in bytes.
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        // `words` came from a length in bytes divided by eight.
        self.words.wrapping_mul(8)
    }

    #[inline(always)]
    fn word(&self, index: usize) -> Option<&AtomicU64> {
        if index >= self.words {
            return None;
        }
        // SAFETY: `index` is inside the mapping, which `new`'s caller keeps mapped; the base is aligned, and
        // an atomic may be referenced while the peer writes.
        Some(unsafe { self.base.add(index).as_ref() })
    }

    /// `body` words from `first` on and the one behind them, after one check for all.
    #[inline(always)]
    fn slot(&self, first: usize, body: usize) -> Option<(&[AtomicU64], &AtomicU64)> {
        if first.checked_add(body)? >= self.words {
            return None;
        }
        // SAFETY: `first + body` is the last of these words and inside the mapping, which `new`'s caller
        // keeps mapped; the base is aligned, and atomics may be referenced while the peer writes.
        Some(unsafe {
            let base = self.base.add(first);
            (core::slice::from_raw_parts(base.as_ptr(), body), base.add(body).as_ref())
        })
    }

    /// `N` words from `first` on, after one check for all.
    #[inline(always)]
    fn run<const N: usize>(&self, first: usize) -> Option<&[AtomicU64; N]> {
        // A mapping shorter than the run has no first word of one.
        if first > self.words.checked_sub(N)? {
            return None;
        }
        // SAFETY: `first + N` words are inside the mapping, which `new`'s caller keeps mapped; the base is
        // aligned, and atomics may be referenced while the peer writes.
        Some(unsafe { self.base.add(first).cast::<[AtomicU64; N]>().as_ref() })
    }

    /// Copies `out.len()` bytes from `offset` on out of the mapping; `false`, with nothing copied, when they
    /// are not all inside. What the peer writes meanwhile may be seen in part.
    #[must_use]
    pub fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        if !self.contains(offset, out.len()) {
            return false;
        }
        // SAFETY: the source lies inside the mapping, the destination is an exclusive slice of the same
        // length.
        unsafe { copy::<true>(out.as_mut_ptr(), self.base.as_ptr().cast::<u8>().add(offset), out.len()) };
        true
    }

    /// Copies `data` into the mapping at `offset`; `false`, with nothing copied, when it does not fit.
    #[must_use]
    pub fn write(&self, offset: usize, data: &[u8]) -> bool {
        if !self.contains(offset, data.len()) {
            return false;
        }
        // SAFETY: the destination lies inside the mapping, the source is a slice of the same length.
        unsafe { copy::<false>(self.base.as_ptr().cast::<u8>().add(offset), data.as_ptr(), data.len()) };
        true
    }

    fn contains(&self, offset: usize, len: usize) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.byte_len())
    }
}

impl Words for Mapping {
    #[inline(always)]
    fn len(&self) -> usize {
        self.words
    }

    #[inline(always)]
    fn load(&self, index: usize, site: Site) -> u64 {
        self.word(index).map_or(0, |word| words::load(word, site))
    }

    #[inline(always)]
    fn store(&self, index: usize, value: u64, site: Site) {
        if let Some(word) = self.word(index) {
            words::store(word, value, site);
        }
    }

    #[inline(always)]
    fn will_store(&self, index: usize) {
        hint::will_store(self.base.as_ptr().wrapping_add(index));
    }

    #[inline(always)]
    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        if first.checked_add(len)? > self.words {
            return None;
        }
        // SAFETY: `first` is at most the number of words, so the pointer stays inside the mapping or at its
        // end.
        Some(Self { base: unsafe { self.base.add(first) }, words: len })
    }

    #[inline(always)]
    fn publish<const N: usize>(
        &self,
        first: usize,
        body: impl Fn(usize) -> u64,
        tail: u64,
        sites: [Site; 2],
    ) {
        let [body_site, tail_site] = sites;
        if let Some((words, last)) = self.slot(first, N) {
            for (number, word) in words.iter().enumerate() {
                words::store(word, body(number), body_site);
            }
            words::store(last, tail, tail_site);
        }
    }

    #[inline(always)]
    fn take<const N: usize>(
        &self,
        first: usize,
        wanted: impl FnOnce(u64) -> bool,
        sites: [Site; 2],
    ) -> (u64, Option<[u64; N]>) {
        let [body_site, tail_site] = sites;
        let Some((words, last)) = self.slot(first, N) else { return (0, None) };
        let tail = words::load(last, tail_site);
        if !wanted(tail) {
            return (tail, None);
        }
        let mut body = [0; N];
        for (value, word) in body.iter_mut().zip(words) {
            *value = words::load(word, body_site);
        }
        (tail, Some(body))
    }

    #[inline(always)]
    fn load_some<const SPAN: usize, const N: usize>(
        &self,
        first: usize,
        picks: [usize; N],
        site: Site,
    ) -> [u64; N] {
        let Some(run) = self.run::<SPAN>(first) else { return [0; N] };
        picks.map(|pick| run.get(pick).map_or(0, |word| words::load(word, site)))
    }

    #[inline(always)]
    fn store_run<const N: usize>(&self, first: usize, words: &[u64; N], site: Site) {
        if let Some(run) = self.run::<N>(first) {
            store_run(run, words, site);
        }
    }

    #[inline(always)]
    fn load_run<const N: usize>(&self, first: usize, site: Site) -> [u64; N] {
        match self.run::<N>(first) {
            // A page's words are looked at one by one, and most of them not at all: vectors would cost more.
            Some(run) if matches!(site, Site::PageBody) => run.each_ref().map(|word| words::load(word, site)),
            Some(run) => load_run(run, site),
            None => [0; N],
        }
    }

    #[inline(always)]
    fn store_headed<const N: usize>(&self, first: usize, head: u64, words: &[u64; N], site: Site) {
        if let (Some(place), Some(run)) = (self.word(first), self.run::<N>(first.wrapping_add(1))) {
            store_headed(place, run, head, words, site);
        }
    }

    #[inline(always)]
    fn store_bytes(&self, first: usize, head: u64, parts: &[&[u8]], site: Site) {
        let len = parts.iter().fold(8usize, |sum, part| sum.saturating_add(part.len()));
        let Some(start) = first.checked_mul(8).filter(|start| self.contains(*start, len)) else { return };
        // SAFETY: `len` bytes from there on are inside the mapping, and so is the last word that they touch.
        let place = unsafe { self.base.as_ptr().cast::<u8>().add(start) };
        if let [part] = parts {
            // SAFETY: as above; what is private is not inside the mapping, by `new`'s contract.
            unsafe { store_record(place, head, part) };
            return;
        }
        if len % 8 != 0 {
            // Before the bytes that come to lie in it.
            self.store(first.wrapping_add(len / 8), 0, site);
        }
        self.store(first, head, site);
        let mut at = 8;
        for part in parts {
            // SAFETY: as above.
            unsafe { copy::<false>(place.add(at), part.as_ptr(), part.len()) };
            at = at.wrapping_add(part.len());
        }
    }

    #[inline(always)]
    fn store_words(&self, first: usize, words: &[u64], _: Site) {
        if self.words.checked_sub(words.len()).is_some_and(|last| first <= last) {
            // SAFETY: that many words from `first` on are inside the mapping; private words are not, by
            // `new`'s contract.
            unsafe {
                copy::<false>(self.base.add(first).as_ptr().cast(), words.as_ptr().cast(), size_of_val(words))
            };
        }
    }

    #[inline(always)]
    fn load_words(&self, first: usize, out: &mut [u64], _: Site) {
        if self.words.checked_sub(out.len()).is_some_and(|last| first <= last) {
            // SAFETY: that many words from `first` on are inside the mapping, the destination is an exclusive
            // slice.
            unsafe {
                copy::<true>(out.as_mut_ptr().cast(), self.base.add(first).as_ptr().cast(), size_of_val(out))
            };
        }
    }

    #[inline(always)]
    fn load_bytes(&self, offset: usize, out: &mut [u8], _: Site) {
        if self.contains(offset, out.len()) {
            // SAFETY: the source lies inside the mapping, the destination is an exclusive slice of the same
            // length.
            unsafe { copy::<true>(out.as_mut_ptr(), self.base.as_ptr().cast::<u8>().add(offset), out.len()) };
        }
    }

    #[inline(always)]
    fn store_part(&self, offset: usize, bytes: &[u8], _: Site) {
        if self.contains(offset, bytes.len()) {
            // SAFETY: the destination lies inside the mapping, the source is a slice of the same length; what
            // is private is not inside the mapping, by `new`'s contract.
            unsafe {
                copy::<false>(self.base.as_ptr().cast::<u8>().add(offset), bytes.as_ptr(), bytes.len())
            };
        }
    }

    #[inline(always)]
    fn is_aligned(&self, bytes: usize) -> bool {
        self.base.addr().get().checked_rem(bytes) == Some(0)
    }
}
