// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory that a device may touch (DEV-6).

use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use tenon_abi::{Address, Status};
use tenon_rings::Mapping;

/// An arena: a range of region 0, as the pieces of memory that it had when the device was opened.
///
/// It needs no lock of the domain's, goes to other threads, and keeps the memory mapped. Nothing outside of
/// it can be reached by it.
#[derive(Clone)]
pub struct Arena {
    offset: u64,
    len: u64,
    /// In ascending order of their offsets, apart, all inside.
    pieces: Arc<[(u64, Mapping)]>,
    _keep: Arc<dyn Any + Send + Sync>,
}

impl Arena {
    /// An arena of `len` bytes from `offset` of region 0 on: pieces of memory with their offsets, in
    /// ascending order, apart, and inside. `keep` keeps them mapped.
    #[must_use]
    pub fn new(
        offset: u64,
        len: u64,
        pieces: impl IntoIterator<Item = (u64, Mapping)>,
        keep: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Self { offset, len, pieces: pieces.into_iter().collect(), _keep: keep }
    }

    /// Where it begins in region 0.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Its length in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "none is empty")]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// The bytes of a range, as far as they lie in one piece each.
    ///
    /// # Errors
    ///
    /// BAD_REGION for another region than 0; BAD_RANGE where a byte lies outside of the arena, or is no
    /// memory (BLK-3).
    #[inline]
    pub fn resolve(&self, address: u64, len: u64) -> Result<Chunks<'_>, Status> {
        let address = Address(address);
        if address.region() != 0 {
            return Err(Status::BAD_REGION);
        }
        let (first, end) = (address.offset(), address.offset().checked_add(len).ok_or(Status::BAD_RANGE)?);
        let inside = first >= self.offset && end <= self.offset.saturating_add(self.len);
        if !inside {
            return Err(Status::BAD_RANGE);
        }
        // Each byte is memory: counted once before any is handed out.
        let chunks = Chunks { arena: self, next: first, end };
        let found = chunks.clone().fold(0u64, |sum, chunk| sum.saturating_add(wide(chunk.len)));
        if found == len { Ok(chunks) } else { Err(Status::BAD_RANGE) }
    }

    /// The piece with the byte at `offset`, from there on.
    #[inline]
    fn at(&self, offset: u64) -> Option<Chunk> {
        let find = |(start, mapping): &(u64, Mapping)| {
            let skip = usize::try_from(offset.checked_sub(*start)?).ok()?;
            let len = mapping.byte_len().checked_sub(skip).filter(|len| *len != 0)?;
            Some(Chunk { mapping: *mapping, offset: skip, len })
        };
        self.pieces.iter().find_map(find)
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("offset", &self.offset).field("len", &self.len).finish_non_exhaustive()
    }
}

/// The bytes of a range of an arena, piece by piece.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    arena: &'a Arena,
    next: u64,
    end: u64,
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    #[inline]
    fn next(&mut self) -> Option<Chunk> {
        let left = self.end.checked_sub(self.next).filter(|left| *left != 0)?;
        let mut chunk = self.arena.at(self.next)?;
        chunk.len = usize::try_from(left).map_or(chunk.len, |left| left.min(chunk.len));
        self.next = self.next.saturating_add(wide(chunk.len));
        Some(chunk)
    }
}

/// Bytes of the guest's memory that lie in one piece here. The guest may write there at any time.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    mapping: Mapping,
    offset: usize,
    len: usize,
}

impl Chunk {
    /// How many there are: at least one.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "none is empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Where they lie in this process: for a system call that reads or writes there. They stay as long as the
    /// arena does.
    #[must_use]
    pub const fn as_ptr(&self) -> *mut u8 {
        self.mapping.base().wrapping_add(self.offset)
    }

    /// Copies bytes from `at` on out; `false`, with nothing copied, when they are not all inside.
    #[must_use]
    #[inline]
    pub fn read(&self, at: usize, out: &mut [u8]) -> bool {
        self.has(at, out.len()) && self.mapping.read(self.offset.saturating_add(at), out)
    }

    /// Copies bytes in from `at` on; `false`, with nothing copied, when they do not fit.
    #[must_use]
    #[inline]
    pub fn write(&self, at: usize, data: &[u8]) -> bool {
        self.has(at, data.len()) && self.mapping.write(self.offset.saturating_add(at), data)
    }

    /// The front, at most `len` bytes; `None` for none.
    #[must_use]
    pub fn front(self, len: usize) -> Option<Self> {
        if len == 0 { None } else { Some(Self { len: self.len.min(len), ..self }) }
    }

    /// What is behind the first `len` bytes; `None` where that is nothing.
    #[must_use]
    pub fn behind(self, len: usize) -> Option<Self> {
        let rest = self.len.checked_sub(len).filter(|rest| *rest != 0)?;
        Some(Self { offset: self.offset.checked_add(len)?, len: rest, ..self })
    }

    fn has(&self, at: usize, len: usize) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.len)
    }
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
