// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host pages (PAGE-3, PAGE-4): what one side writes for as many readers as there are. A page begins with a
//! sequence; behind it lie two copies, of which `copy[sequence & 1]` is the valid one.
//!
//! The writer fills the other copy only, so there is a valid one at every moment, also after a writer has
//! died half-way. A reader takes a copy if the sequence is the same behind it as before it.

mod latest;

pub use latest::{Kept, Latest};

use crate::error::Error;
use crate::order::Site;
use crate::planted;
use crate::words::Words;

/// Word of the sequence.
const SEQUENCE: usize = 0;

/// The words of a page, with where its two copies of `N` words begin.
#[derive(Clone, Copy, Debug)]
struct Page<W, const N: usize> {
    words: W,
    copies: [usize; 2],
}

impl<W: Words, const N: usize> Page<W, N> {
    fn new(words: W, copies: [usize; 2]) -> Result<Self, Error> {
        let [even, odd] = copies;
        let (first, second) = (even.min(odd), even.max(odd));
        let ends_before = |start: usize, end: usize| start.checked_add(N).is_some_and(|last| last <= end);
        if N == 0 || first == SEQUENCE || !ends_before(first, second) || !ends_before(second, words.len()) {
            return Err(Error::BadSize);
        }
        Ok(Self { words, copies })
    }

    /// Where the copy of a sequence begins.
    const fn copy(&self, sequence: u64) -> usize {
        let [even, odd] = self.copies;
        if sequence & 1 == 0 { even } else { odd }
    }
}

/// Who reads a page.
#[derive(Clone, Copy, Debug)]
pub struct Reader<W, const N: usize>(Page<W, N>);

impl<W: Words, const N: usize> Reader<W, N> {
    /// A reader of a page whose copies begin at these words.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if the copies do not lie behind the sequence, apart from each other and inside.
    pub fn new(words: W, copies: [usize; 2]) -> Result<Self, Error> {
        Page::new(words, copies).map(Self)
    }

    /// One look: the sequence, its copy, then the sequence again. `None` if it has changed.
    #[inline(always)]
    pub fn look<T>(&self, within: impl FnOnce(&[u64; N]) -> T) -> Option<T> {
        self.look_with(|| (), |(), copy| within(copy))
    }

    /// As [`Self::look`], with a `sample` that belongs to the copy, of a counter for one. It is taken between
    /// the sequence and the copy: behind a sample that waits for the loads before it, the copy's loads cost
    /// little.
    #[inline(always)]
    pub fn look_with<S, T>(
        &self,
        sample: impl FnOnce() -> S,
        within: impl FnOnce(S, &[u64; N]) -> T,
    ) -> Option<T> {
        self.look_by(|words, first| words.load_run(first, Site::PageBody), sample, within)
    }

    /// One look, with what loads a copy from its first word on.
    #[inline(always)]
    fn look_by<S, C, T>(
        &self,
        load: impl FnOnce(&W, usize) -> C,
        sample: impl FnOnce() -> S,
        within: impl FnOnce(S, &C) -> T,
    ) -> Option<T> {
        let Self(page) = self;
        let sequence = page.words.load(SEQUENCE, Site::PageTake);
        let sample = sample();
        let valid = if planted!("page-other-copy") { !sequence } else { sequence };
        let copy = load(&page.words, page.copy(valid));
        let result = within(sample, &copy);
        page.words.fence(Site::PageLookFence);
        if planted!("page-looked-at-once") {
            return Some(result);
        }
        (page.words.load(SEQUENCE, Site::PageAgain) == sequence).then_some(result)
    }

    /// Looks until the sequence stands still, and at most so often.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] if it changed at each look.
    #[inline(always)]
    pub fn read<T>(&self, looks: u32, mut within: impl FnMut(&[u64; N]) -> T) -> Result<T, Error> {
        let load = |words: &W, first| words.load_run(first, Site::PageBody);
        self.look_again(looks, load, || (), |(), copy: &[u64; N]| within(copy))
    }

    /// As [`Self::read`], by [`Self::look_with`], of those words of the copy whose numbers stand in `picks`.
    /// What is not needed costs nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    #[inline(always)]
    pub fn read_some<S, T, const M: usize>(
        &self,
        looks: u32,
        picks: [usize; M],
        mut sample: impl FnMut() -> S,
        mut within: impl FnMut(S, &[u64; M]) -> T,
    ) -> Result<T, Error> {
        let load = |words: &W, first| words.load_some::<N, M>(first, picks, Site::PageBody);
        match looks.checked_sub(1) {
            None => Err(Error::Empty),
            Some(more) => match self.look_by(load, &mut sample, &mut within) {
                Some(result) => Ok(result),
                None => self.look_again(more, load, sample, within),
            },
        }
    }

    /// Apart, because hardly ever does a page change while it is read.
    #[cold]
    fn look_again<S, C, T>(
        &self,
        looks: u32,
        load: impl Fn(&W, usize) -> C,
        mut sample: impl FnMut() -> S,
        mut within: impl FnMut(S, &C) -> T,
    ) -> Result<T, Error> {
        for _ in 0..looks {
            if let Some(result) = self.look_by(&load, &mut sample, &mut within) {
                return Ok(result);
            }
        }
        Err(Error::Empty)
    }
}

/// Who writes a page: one at a time.
#[derive(Debug)]
pub struct Writer<W, const N: usize> {
    page: Page<W, N>,
    /// The last one that was published.
    sequence: u64,
}

impl<W: Words, const N: usize> Writer<W, N> {
    /// The writer of a page in which `sequence` was published last; zero stands in cleared memory.
    ///
    /// # Errors
    ///
    /// As [`Reader::new`].
    pub fn new(words: W, copies: [usize; 2], sequence: u64) -> Result<Self, Error> {
        Ok(Self { page: Page::new(words, copies)?, sequence })
    }

    /// The successor of a writer that is gone, in memory that readers look at meanwhile. It goes on from the
    /// sequence that stands there, so that it leaves the valid copy alone (PAGE-7).
    ///
    /// # Errors
    ///
    /// As [`Reader::new`].
    pub fn succeed(words: W, copies: [usize; 2]) -> Result<Self, Error> {
        let sequence = words.load(SEQUENCE, Site::PageSucceed);
        let sequence = if planted!("page-valid-copy-first") { sequence.wrapping_add(1) } else { sequence };
        Self::new(words, copies, sequence)
    }

    /// Writes the other copy and then publishes it. The result is its sequence.
    pub fn write(&mut self, copy: &[u64; N]) -> u64 {
        let next = self.sequence.wrapping_add(1);
        // Whoever sees a word of the new copy sees that the sequence of the old one is over.
        self.page.words.fence(Site::PageFillFence);
        if planted!("page-published-first") {
            self.page.words.store(SEQUENCE, next, Site::PagePublish);
        }
        self.page.words.store_run(self.page.copy(next), copy, Site::PageBody);
        self.page.words.store(SEQUENCE, next, Site::PagePublish);
        self.sequence = next;
        next
    }

    /// The sequence that was published last.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }
}
