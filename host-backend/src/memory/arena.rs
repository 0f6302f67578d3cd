// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arenas out of memory that is mapped here.

use super::Memory;
use crate::device::Arena;
use crate::range::pieces;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use tenon_rings::Mapping;

impl Arena {
    /// The arena of `len` bytes from `offset` of region 0 on, over memory whose words are mapped here. `keep`
    /// keeps it mapped. `None` where the range wraps, or the memory refuses a piece that it names.
    pub fn of<M>(memory: &M, offset: u64, len: u64, keep: Arc<dyn Any + Send + Sync>) -> Option<Self>
    where
        M: Memory<Words = Mapping>,
    {
        Self::by(memory, offset, len, keep, |mapping| mapping)
    }

    /// The same where words are a type of their own, from which `mapping` makes one.
    pub fn by<M: Memory>(
        memory: &M,
        offset: u64,
        len: u64,
        keep: Arc<dyn Any + Send + Sync>,
        mapping: impl Fn(M::Words) -> Mapping,
    ) -> Option<Self> {
        let end = offset.checked_add(len)?;
        let inside = pieces(memory).filter_map(|(start, len)| {
            let first = start.max(offset);
            let last = start.saturating_add(len).min(end);
            Some((first, last.checked_sub(first).filter(|len| *len != 0)?))
        });
        let words = inside.map(|(first, len)| Some((first, mapping(memory.words(0, first, len)?))));
        let pieces = words.collect::<Option<Vec<_>>>()?;
        Some(Self::new(offset, len, pieces, keep))
    }
}
