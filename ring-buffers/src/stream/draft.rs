// SPDX-License-Identifier: MIT OR Apache-2.0
//! A record while it is being written.

use crate::order::Site;
use crate::words::Words;
use core::fmt;

/// The bytes of a record that is not published yet. Every write stays inside of it.
pub struct Draft<'a, W> {
    data: &'a W,
    /// Where it begins, in bytes.
    start: usize,
    len: usize,
}

impl<'a, W: Words> Draft<'a, W> {
    pub(super) const fn new(data: &'a W, start: usize, len: usize) -> Self {
        Self { data, start, len }
    }

    /// Length in bytes.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is behind the first `N` words of the record; `None` where it has not as many.
    #[inline(always)]
    #[must_use]
    pub fn behind_words<const N: usize>(&mut self) -> Option<Draft<'_, W>> {
        let skip = N.checked_mul(8)?;
        let len = self.len.checked_sub(skip)?;
        Some(Draft { data: self.data, start: self.start.wrapping_add(skip), len })
    }

    /// Copies bytes in at `offset`; `false`, with nothing copied, when they do not fit.
    #[inline]
    #[must_use]
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        let inside = offset.checked_add(bytes.len()).is_some_and(|end| end <= self.len);
        if inside {
            self.data.store_part(self.start.wrapping_add(offset), bytes, Site::RingBody);
        }
        inside
    }
}

impl<W> fmt::Debug for Draft<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("len", &self.len).finish_non_exhaustive()
    }
}
