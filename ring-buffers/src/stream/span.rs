// SPDX-License-Identifier: MIT OR Apache-2.0
//! A record while it is being read.

use crate::order::Site;
use crate::words::Words;

/// A record in shared memory, which its producer may still be writing: there are copies to be had of it, and
/// no reference.
///
/// Each method looks at the memory anew; what is asked for twice may be different the second time. Decide on
/// a copy.
#[derive(Debug)]
pub struct Span<'a, W> {
    data: &'a W,
    /// Byte offset in the data; `len` bytes from there are inside.
    start: usize,
    len: usize,
}

impl<'a, W: Words> Span<'a, W> {
    pub(super) const fn new(data: &'a W, start: usize, len: usize) -> Self {
        Self { data, start, len }
    }

    /// Length in bytes: validated, and no peer can change it.
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

    /// Copies the `out.len()` bytes from `offset` on; `false`, with nothing copied, when they are not all in
    /// the record.
    #[inline]
    #[must_use]
    pub fn copy_to(&self, offset: usize, out: &mut [u8]) -> bool {
        let inside = self.contains(offset, out.len());
        if inside {
            self.data.load_bytes(self.start.wrapping_add(offset), out, Site::RingBody);
        }
        inside
    }

    /// Copies the record to the start of `out`, which is at least as long; the result is the copy.
    #[inline]
    #[must_use]
    pub fn copy_into<'o>(&self, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
        let out = out.get_mut(..self.len)?;
        self.data.load_bytes(self.start, out, Site::RingBody);
        Some(out)
    }

    /// The eight bytes at `offset` as a little-endian number.
    #[inline]
    #[must_use]
    pub fn read_u64(&self, offset: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        self.copy_to(offset, &mut bytes).then(|| u64::from_le_bytes(bytes))
    }

    /// The four bytes at `offset` as a little-endian number.
    #[inline]
    #[must_use]
    pub fn read_u32(&self, offset: usize) -> Option<u32> {
        let mut bytes = [0; 4];
        self.copy_to(offset, &mut bytes).then(|| u32::from_le_bytes(bytes))
    }

    /// The two bytes at `offset` as a little-endian number.
    #[inline]
    #[must_use]
    pub fn read_u16(&self, offset: usize) -> Option<u16> {
        let mut bytes = [0; 2];
        self.copy_to(offset, &mut bytes).then(|| u16::from_le_bytes(bytes))
    }

    /// The byte at `offset`.
    #[inline]
    #[must_use]
    pub fn read_u8(&self, offset: usize) -> Option<u8> {
        let mut bytes = [0; 1];
        self.copy_to(offset, &mut bytes).then_some(bytes[0])
    }

    /// The first `N` words of the record, little-endian: straight-line code.
    #[inline(always)]
    #[must_use]
    pub fn words<const N: usize>(&self) -> Option<[u64; N]> {
        let inside = N.checked_mul(8).is_some_and(|bytes| bytes <= self.len);
        // A record begins at a word.
        inside.then(|| self.data.load_run(self.start / 8, Site::RingBody))
    }

    /// What is behind the first `N` words of the record; `None` where it has not as many.
    #[inline(always)]
    #[must_use]
    pub fn behind_words<const N: usize>(&self) -> Option<Self> {
        let skip = N.checked_mul(8)?;
        let len = self.len.checked_sub(skip)?;
        Some(Self { data: self.data, start: self.start.wrapping_add(skip), len })
    }

    #[inline(always)]
    fn contains(&self, offset: usize, len: usize) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.len)
    }
}
