// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a request owns until it is over: the memory that it is read into or written from ([BLK-3]).
//!
//! [BLK-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices

use crate::error::Error;
use crate::memory::Buffer;
use core::fmt;

/// A piece of memory, inside the device's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its wire address.
    pub address: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// What a request owns until it is over.
///
/// It is moved into the request, so that nobody changes or frees it under the host, and comes back with the
/// result. [`Buffer`], [`Cut`] and [`List`] are ready; a kernel implements it for its own pages. Nothing in
/// the shim's memory safety rests on what the methods say: the host refuses what is not in the arena.
pub trait Payload {
    /// How many segments there are: from 1 to what the disk says.
    fn count(&self) -> usize;

    /// One of them, by its number.
    fn segment(&self, index: usize) -> Option<Segment>;

    /// Memory inside the arena for the list that the host reads, 16 bytes for each segment. From three
    /// segments on it is needed.
    fn table(&self) -> Option<&Buffer> {
        None
    }
}

/// All of the buffer.
impl Payload for Buffer {
    fn count(&self) -> usize {
        1
    }

    fn segment(&self, index: usize) -> Option<Segment> {
        let len = u64::try_from(self.len()).ok()?;
        (index == 0).then_some(Segment { address: self.address(), len })
    }
}

/// What is borrowed for ever: how a kernel hands over a large list without moving it.
impl<T: Payload + ?Sized> Payload for &'static mut T {
    fn count(&self) -> usize {
        T::count(self)
    }

    fn segment(&self, index: usize) -> Option<Segment> {
        T::segment(self, index)
    }

    fn table(&self) -> Option<&Buffer> {
        T::table(self)
    }
}

/// The front of a buffer.
#[derive(Debug)]
pub struct Cut {
    buffer: Buffer,
    len: usize,
}

impl Cut {
    /// The first `len` bytes of a buffer.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if it is shorter, with the buffer.
    pub fn new(buffer: Buffer, len: usize) -> Result<Self, (Error, Buffer)> {
        if len > buffer.len() { Err((Error::TooLong, buffer)) } else { Ok(Self { buffer, len }) }
    }

    /// The buffer.
    #[must_use]
    pub const fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// The buffer, for another length.
    #[must_use]
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }
}

impl Payload for Cut {
    fn count(&self) -> usize {
        1
    }

    fn segment(&self, index: usize) -> Option<Segment> {
        let len = u64::try_from(self.len).ok()?;
        (index == 0).then_some(Segment { address: self.buffer.address(), len })
    }
}

/// Up to `N` payloads of one segment each, one behind the other: 256 at most, and no more than the disk says.
pub struct List<T, const N: usize> {
    parts: [Option<T>; N],
    len: usize,
    table: Option<Buffer>,
}

impl<T: Payload, const N: usize> List<T, N> {
    /// An empty list. `table` is for more than two parts: inside the arena, 16 bytes for each part.
    #[must_use]
    pub const fn new(table: Option<Buffer>) -> Self {
        Self { parts: [const { None }; N], len: 0, table }
    }

    /// Adds a part behind the others.
    ///
    /// # Errors
    ///
    /// The part, when there are `N`.
    pub fn push(&mut self, part: T) -> Result<(), T> {
        match self.parts.get_mut(self.len) {
            Some(place) => {
                *place = Some(part);
                self.len = self.len.wrapping_add(1);
                Ok(())
            }
            None => Err(part),
        }
    }

    /// Takes the last part out.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        self.parts.get_mut(last)?.take()
    }

    /// A part by its number.
    #[must_use]
    pub fn part(&self, index: usize) -> Option<&T> {
        self.parts.get(index)?.as_ref()
    }

    /// The memory for the list; the parts that are still in it are dropped.
    #[must_use]
    pub fn into_table(self) -> Option<Buffer> {
        self.table
    }
}

impl<T: Payload, const N: usize> Payload for List<T, N> {
    fn count(&self) -> usize {
        self.len
    }

    fn segment(&self, index: usize) -> Option<Segment> {
        self.part(index)?.segment(0)
    }

    fn table(&self) -> Option<&Buffer> {
        self.table.as_ref()
    }
}

impl<T, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("len", &self.len).finish_non_exhaustive()
    }
}
