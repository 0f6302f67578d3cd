// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that is given back to the host, and taken again ([MEM-1] to [MEM-9]).
//!
//! A kernel that follows the host's wish ([MEM-4]) watches a port, and whenever that is raised:
//!
//! 1. it looks at [`Memory::info`];
//! 2. for [`Wanted::Give`] it takes so many bytes out of its allocator, and calls [`Memory::give`];
//! 3. for [`Wanted::Take`] it calls [`Memory::take`] with what it has given, or finds new memory in
//!    [`piece`].
//!
//! [MEM-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory
//! [MEM-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory
//! [MEM-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory

use super::moving::{Hold, Moving, sealed};
use super::{Buffer, Pages};
use crate::calls::Calls;
use crate::error::Error;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::{MemoryInfo, MemoryPiece, Op, Submission};
use tenon_rings::planted;
use zerocopy::FromBytes;

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// Memory that is given back and taken again.
    #[must_use]
    pub const fn memory(&self) -> Memory<'_> {
        Memory::over(self)
    }
}

/// Memory that is given back and taken again.
#[derive(Clone, Copy)]
pub struct Memory<'v> {
    calls: &'v dyn Calls,
}

/// Pages that are given. There is no way to their bytes.
#[derive(Debug)]
pub struct Given(Pages);

impl sealed::Sealed for Given {}

impl Hold for Given {
    fn of(pages: Pages) -> Self {
        Self(pages)
    }

    fn into_pages(self) -> Pages {
        self.0
    }
}

impl Given {
    /// Their wire address.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.0.address()
    }

    /// Their length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.mapping().byte_len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pages, once the session in which they were given is over ([MEM-9]). What they hold is undefined.
    ///
    /// # Safety
    ///
    /// That session is over.
    ///
    /// [MEM-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory
    #[must_use]
    pub unsafe fn after_its_session(self) -> Pages {
        self.0
    }
}

/// What the host wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: the guest has what it is to have.
    Nothing,
    /// Give so many bytes.
    Give(u64),
    /// Take so many bytes.
    Take(u64),
}

/// What the host says of the memory, each number checked against the others ([MEM-3]).
///
/// [MEM-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Bytes that the host wants the guest to have.
    pub target: u64,
    /// Bytes of memory, also what is given.
    pub memory: u64,
    /// Bytes that are given.
    pub given: u64,
    /// The unit of giving.
    pub granule: u64,
    /// Bytes that one call does at most.
    pub max_range: u64,
    /// Pieces of memory, as far as the buffer holds them.
    pub pieces: usize,
}

impl Info {
    /// What the host wants done, in whole granules.
    #[must_use]
    pub const fn wanted(&self) -> Wanted {
        let has = self.memory.saturating_sub(self.given);
        let whole = self.granule.wrapping_sub(1);
        let (more, less) = (has.saturating_sub(self.target), self.target.saturating_sub(has));
        if more > whole {
            Wanted::Give(more & !whole)
        } else if less > whole {
            let less = if less < self.given { less } else { self.given };
            if less > whole { Wanted::Take(less & !whole) } else { Wanted::Nothing }
        } else {
            Wanted::Nothing
        }
    }

    /// Of what the host wrote; `None` where it contradicts itself.
    fn checked(told: &MemoryInfo, pieces: usize) -> Option<Self> {
        let (granule, max_range) = (told.give_granule.get(), told.max_range.get());
        let (memory, given, target) = (told.memory.get(), told.given.get(), told.target.get());
        let unit = granule.is_power_of_two() && (4096..=2 << 20).contains(&granule);
        let holds = planted!("info-believed")
            || unit
                && max_range != 0
                && max_range & granule.wrapping_sub(1) == 0
                && given <= memory
                && target <= memory;
        let pieces = pieces.min(usize::try_from(told.pieces.get()).unwrap_or(0));
        holds.then_some(Self { target, memory, given, granule, max_range, pieces })
    }
}

impl<'v> Memory<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// What the host says of the memory. The pieces stay in the buffer, for [`piece`].
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]; [`Error::NoMatch`] where the host contradicts itself, and [`Error::BadMemory`]
    /// where the buffer is shorter than a `MemoryInfo`.
    pub fn info(&self, buffer: &Buffer) -> Result<Info, Error> {
        const HEAD: usize = size_of::<MemoryInfo>();
        let len = u64::try_from(buffer.len()).map_err(|_| Error::TooLong)?;
        let told =
            self.calls.call_with(Submission::new(Op::MEMORY_INFO, [buffer.address(), len, 0, 0, 0, 0]))?;
        // The host's number: never more than was given.
        let told = usize::try_from(told.min(len)).unwrap_or(0);
        let mut head = [0; HEAD];
        if !buffer.read(0, &mut head) {
            return Err(Error::BadMemory);
        }
        let info = MemoryInfo::read_from_bytes(&head).map_err(|_| Error::BadMemory)?;
        let room = told.checked_sub(HEAD).ok_or(Error::NoMatch)?.checked_div(size_of::<MemoryPiece>());
        Info::checked(&info, room.unwrap_or(0)).ok_or(Error::NoMatch)
    }

    /// Has a port raised whenever the target or the memory is another ([MEM-5]). Look at [`Self::info`] once
    /// afterwards.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: NOT_FOUND if the port is not bound.
    ///
    /// [MEM-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory
    pub fn watch(&self, port: u32) -> Result<(), Error> {
        let watch = Submission::new(Op::MEMORY_WATCH, [u64::from(port), 0, 0, 0, 0, 0]);
        self.calls.call_with(watch).map(|_| ())
    }

    /// Gives pages back to the host, in whole granules of giving ([MEM-6]).
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::Busy`], [`Error::Corrupt`], with the pages.
    ///
    /// [MEM-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory
    pub fn give(&self, pages: Pages) -> Result<Moving<'v, Pages, Given>, (Error, Pages)> {
        Moving::begin(self.calls, Op::GIVE, pages, 0)
    }

    /// Takes given pages again: they read as zeros ([MEM-7]).
    ///
    /// # Errors
    ///
    /// As [`Self::give`].
    ///
    /// [MEM-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory
    pub fn take(&self, given: Given) -> Result<Moving<'v, Given, Pages>, (Error, Given)> {
        Moving::begin(self.calls, Op::TAKE, given, 0)
    }

    /// Says that what free pages hold is not needed ([MEM-8]). They come back with the answer, with undefined
    /// contents.
    ///
    /// # Errors
    ///
    /// As [`Self::give`].
    ///
    /// [MEM-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory
    pub fn hint(&self, pages: Pages) -> Result<Moving<'v, Pages, Pages>, (Error, Pages)> {
        Moving::begin(self.calls, Op::HINT, pages, 0)
    }
}

/// A piece of memory that [`Memory::info`] left in the buffer: where it begins in region 0, and its length.
/// `None` behind the last one, and for one that wraps.
#[must_use]
pub fn piece(buffer: &Buffer, info: &Info, index: usize) -> Option<(u64, u64)> {
    const SIZE: usize = size_of::<MemoryPiece>();
    if index >= info.pieces {
        return None;
    }
    let mut bytes = [0; SIZE];
    let at = index.checked_mul(SIZE)?.checked_add(size_of::<MemoryInfo>())?;
    if !buffer.read(at, &mut bytes) {
        return None;
    }
    let piece = MemoryPiece::read_from_bytes(&bytes).ok()?;
    let (offset, len) = (piece.offset.get(), piece.len.get());
    offset.checked_add(len).map(|_| (offset, len))
}

impl fmt::Debug for Memory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
