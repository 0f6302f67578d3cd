// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory of the process as a guest's memory and window.
#![allow(unsafe_code, reason = "allocates memory whose every byte both sides may write at any time")]

use super::Error;
use crate::device::Arena;
use crate::memory::Memory;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::sync::Arc;
use tenon_abi::Granule;
use tenon_rings::{Mapping, Site, Words};

/// A guest's memory (region 0) and its window, both zeroed and aligned to the largest granule.
///
/// A handle: copies share the memory, which lives as long as any of them, or of the [`Piece`]s made from
/// them.
#[derive(Clone, Debug)]
pub struct Ram {
    memory: Piece,
    window: Piece,
}

impl Ram {
    /// Allocates both, each rounded up to whole granules of 64 KiB.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn new(memory_len: usize, window_len: usize) -> Result<Self, Error> {
        Ok(Self { memory: Piece::allocate(memory_len)?, window: Piece::allocate(window_len)? })
    }

    /// Region 0.
    #[must_use]
    pub const fn memory(&self) -> &Piece {
        &self.memory
    }
}

impl Memory for Ram {
    type Words = Piece;

    fn region_len(&self, region: u16) -> Option<u64> {
        if region == 0 { u64::try_from(self.memory.mapping.byte_len()).ok() } else { None }
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Piece> {
        self.region_len(region)?;
        if !offset.is_multiple_of(8) {
            return None;
        }
        self.memory.slice(usize::try_from(offset / 8).ok()?, usize::try_from(len / 8).ok()?)
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        region == 0 && usize::try_from(offset).is_ok_and(|offset| self.memory.mapping.read(offset, out))
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        region == 0 && usize::try_from(offset).is_ok_and(|offset| self.memory.mapping.write(offset, data))
    }

    fn window(&self) -> Piece {
        self.window.clone()
    }

    fn arena(&self, offset: u64, len: u64) -> Option<Arena> {
        Arena::by(self, offset, len, Arc::new(self.clone()), |piece| piece.mapping)
    }
}

/// Words of an [`Ram`], which keep it alive.
#[derive(Clone, Debug)]
pub struct Piece {
    mapping: Mapping,
    block: Arc<Block>,
}

impl Piece {
    fn allocate(len: usize) -> Result<Self, Error> {
        let (mapping, block) = Block::new(len).ok_or(Error::NoMemory(len))?;
        Ok(Self { mapping, block: Arc::new(block) })
    }

    /// The same words as a mapping, for a guest that stays within the life of the process.
    #[must_use]
    pub const fn forever(&'static self) -> Mapping {
        self.mapping
    }

    /// Where the words lie in this process: for `tenon_guest::Pages`.
    #[must_use]
    pub const fn base(&self) -> *mut u8 {
        self.mapping.base()
    }
}

impl Words for Piece {
    #[inline(always)]
    fn len(&self) -> usize {
        self.mapping.len()
    }

    #[inline(always)]
    fn load(&self, index: usize, site: Site) -> u64 {
        self.mapping.load(index, site)
    }

    #[inline(always)]
    fn store(&self, index: usize, value: u64, site: Site) {
        self.mapping.store(index, value, site);
    }

    #[inline(always)]
    fn publish<const N: usize>(
        &self,
        first: usize,
        body: impl Fn(usize) -> u64,
        tail: u64,
        sites: [Site; 2],
    ) {
        self.mapping.publish::<N>(first, body, tail, sites);
    }

    #[inline(always)]
    fn take<const N: usize>(
        &self,
        first: usize,
        wanted: impl FnOnce(u64) -> bool,
        sites: [Site; 2],
    ) -> (u64, Option<[u64; N]>) {
        self.mapping.take(first, wanted, sites)
    }

    #[inline(always)]
    fn load_run<const N: usize>(&self, first: usize, site: Site) -> [u64; N] {
        self.mapping.load_run(first, site)
    }

    #[inline(always)]
    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        Some(Self { mapping: self.mapping.slice(first, len)?, block: Arc::clone(&self.block) })
    }
}

/// An allocation, given back when nobody has a piece of it.
#[derive(Debug)]
struct Block {
    base: *mut u8,
    layout: Layout,
}

// SAFETY: a block is only ever allocated and freed; its bytes are reached through `Mapping`, which may be
// shared.
unsafe impl Send for Block {}
// SAFETY: as above; no method takes `&self`.
unsafe impl Sync for Block {}

impl Block {
    fn new(len: usize) -> Option<(Mapping, Self)> {
        let granule = usize::try_from(Granule::K64.size()).ok()?;
        let len = len.max(1).checked_next_multiple_of(granule)?;
        // A granule more, in which the first boundary is looked for here: allocators clear what they are to
        // align by hand, and would touch all of it.
        let layout = Layout::from_size_align(len.checked_add(granule)?, size_of::<u64>()).ok()?;
        // SAFETY: the layout's size is at least one granule.
        let base = unsafe { alloc_zeroed(layout) };
        let first = base.wrapping_add(base.align_offset(granule));
        // SAFETY: `len` bytes at `first`, which is less than a granule behind `base`, belong to the block
        // that is returned beside the mapping: `Piece` keeps the two together, and hands the mapping out only
        // where the piece lives for ever.
        let mapping = unsafe { Mapping::new(if base.is_null() { base } else { first }, len) }?;
        Some((mapping, Self { base, layout }))
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `base` was allocated with `layout` by `new`, and the last piece that could reach it is
        // gone.
        unsafe { dealloc(self.base, self.layout) };
    }
}
