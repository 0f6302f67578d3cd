// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is asked of a block device (BLK-3 to BLK-9): parsed once for all back ends.

use super::{Arena, Chunk};
use alloc::vec::Vec;
use tenon_abi::block::{BlockFlags, BlockInfo, INLINE_SEGMENTS, MAX_SEGMENTS, WriteFlags, ZeroFlags};
use tenon_abi::call::{pack, unpack};
use tenon_abi::operation::{Limits as OperationLimits, Traits};
use tenon_abi::{Op, Operation, Status};
use tenon_rings::call::Fetched;

/// What the requests of a disk are held against: its `BlockInfo` as plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size in bytes.
    pub bytes: u64,
    /// Unit of offsets and lengths: a power of two.
    pub block: u32,
    /// Alignment of addresses: a power of two.
    pub align: u32,
    /// Most bytes of a READ or a WRITE.
    pub max_transfer: u32,
    /// Most bytes of a segment.
    pub max_segment: u32,
    /// Most segments.
    pub max_segments: u32,
    /// Most bytes of a DISCARD, or zero.
    pub max_discard: u32,
    /// Most bytes of a ZERO, or zero.
    pub max_zero: u32,
    /// It cannot be written.
    pub read_only: bool,
}

impl Limits {
    /// Those that a guest is told.
    #[must_use]
    pub fn of(info: &BlockInfo) -> Self {
        Self {
            bytes: info.bytes.get(),
            block: info.block.get(),
            align: info.align.get(),
            max_transfer: info.max_transfer.get(),
            max_segment: info.max_segment.get(),
            max_segments: info.max_segments.get().min(MAX_SEGMENTS),
            max_discard: info.max_discard.get(),
            max_zero: info.max_zero.get(),
            read_only: info.flags.get() & BlockFlags::READ_ONLY.bits() != 0,
        }
    }

    /// Whether a number is a multiple of a power of two.
    const fn is_multiple(number: u64, unit: u32) -> bool {
        number & pack(unit.wrapping_sub(1), 0) == 0
    }

    /// Offset and length lie on the disk.
    fn check_range(&self, offset: u64, len: u64) -> Result<(), Status> {
        if !Self::is_multiple(offset, self.block) {
            return Err(Status::BAD_ARGUMENT);
        }
        let end = offset.checked_add(len).ok_or(Status::BAD_RANGE)?;
        if end > self.bytes { Err(Status::BAD_RANGE) } else { Ok(()) }
    }

    /// Offset and length of a DISCARD or a ZERO.
    fn check_whole(&self, offset: u64, len: u64, most: u32) -> Result<(), Status> {
        if self.read_only {
            return Err(Status::READ_ONLY);
        }
        if len == 0 || len > u64::from(most) || !Self::is_multiple(len, self.block) {
            return Err(Status::BAD_ARGUMENT);
        }
        self.check_range(offset, len)
    }

    /// The row of an operation that this disk's queues take (DEV-10, BLK-8, BLK-9).
    fn row(&self, op: Op) -> Option<&'static Operation> {
        let row = op.row()?;
        let is_there = match op {
            Op::NOP | Op::PROBE | Op::CANCEL => true,
            Op::DISCARD => self.max_discard != 0,
            Op::ZERO => self.max_zero != 0,
            _ => row.traits.contains(Traits::BLOCK_QUEUE),
        };
        is_there.then_some(row)
    }
}

/// A request that passed all checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Complete it with this value.
    Nop(u64),
    /// Complete it with this value too: whether an operation exists here, and may be done again.
    Probe(u64),
    /// Cancel the request of this id, which may be any number below 2^16.
    Cancel(u16),
    /// Fill the segments.
    Read {
        /// Where on the disk.
        offset: u64,
        /// Bytes of all segments: the value of its completion.
        len: u64,
    },
    /// Write the segments.
    Write {
        /// Where on the disk.
        offset: u64,
        /// Bytes of all segments: the value of its completion.
        len: u64,
        /// Complete it when the bytes are durable.
        durable: bool,
    },
    /// Make durable what was written.
    Flush,
    /// The guest does not need a range.
    Discard {
        /// Where on the disk.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// Make a range zeros.
    Zero {
        /// Where on the disk.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// It may lose its place.
        may_unmap: bool,
    },
}

/// The guest's memory of one request, in pieces that follow each other. To be used again for the next.
#[derive(Debug, Default)]
pub struct Segments {
    chunks: Vec<Chunk>,
}

impl Segments {
    /// Memory for the most segments that a request can have.
    #[must_use]
    pub fn new() -> Self {
        Self { chunks: Vec::with_capacity(usize::try_from(MAX_SEGMENTS).unwrap_or(0)) }
    }

    /// The pieces: more than there were segments where one crosses the border of two pieces of memory.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Adds one segment (BLK-3).
    fn add(&mut self, arena: &Arena, limits: &Limits, address: u64, len: u64) -> Result<u64, Status> {
        if len == 0 || len > u64::from(limits.max_segment) || !Limits::is_multiple(len, limits.block) {
            return Err(Status::BAD_ARGUMENT);
        }
        if !Limits::is_multiple(address, limits.align) {
            return Err(Status::BAD_ALIGNMENT);
        }
        self.chunks.extend(arena.resolve(address, len)?);
        Ok(len)
    }

    /// Fills it from the arguments of a READ or a WRITE; how many bytes (BLK-3).
    fn fill(&mut self, arena: &Arena, limits: &Limits, words: &[u64; 6], count: u32) -> Result<u64, Status> {
        let [_, address, len, address2, len2, _] = *words;
        self.chunks.clear();
        let total = match count {
            0 => return Err(Status::BAD_ARGUMENT),
            1 if address2 != 0 || len2 != 0 => return Err(Status::BAD_RESERVED),
            1 => self.add(arena, limits, address, len)?,
            INLINE_SEGMENTS => {
                let first = self.add(arena, limits, address, len)?;
                first.saturating_add(self.add(arena, limits, address2, len2)?)
            }
            count if count > limits.max_segments => return Err(Status::BAD_ARGUMENT),
            _ if len != 0 || address2 != 0 || len2 != 0 => return Err(Status::BAD_RESERVED),
            count => self.fill_by_list(arena, limits, address, count)?,
        };
        if total > u64::from(limits.max_transfer) { Err(Status::BAD_ARGUMENT) } else { Ok(total) }
    }

    fn fill_by_list(
        &mut self,
        arena: &Arena,
        limits: &Limits,
        address: u64,
        count: u32,
    ) -> Result<u64, Status> {
        const MOST: usize = 256 * 16;
        if !Limits::is_multiple(address, 8) {
            return Err(Status::BAD_ALIGNMENT);
        }
        let bytes = u64::from(count).saturating_mul(16);
        // The list is copied once, whatever the guest writes to it meanwhile (GEN-6).
        let mut copy = [0; MOST];
        let mut room = copy.get_mut(..usize::try_from(bytes).unwrap_or(MOST)).ok_or(Status::BAD_ARGUMENT)?;
        let list_len = room.len();
        for chunk in arena.resolve(address, bytes)? {
            let (front, rest) = room.split_at_mut_checked(chunk.len()).ok_or(Status::BAD_RANGE)?;
            if !chunk.read(0, front) {
                return Err(Status::BAD_RANGE);
            }
            room = rest;
        }
        let mut total = 0u64;
        for entry in copy.get(..list_len).unwrap_or_default().chunks_exact(16) {
            let (address, len) = entry.split_at(8);
            let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
            total = total.saturating_add(self.add(arena, limits, word(address), word(len))?);
        }
        Ok(total)
    }
}

impl Request {
    /// Parses a submission from a block queue. The segments of a READ or a WRITE are in `segments` then.
    ///
    /// # Errors
    ///
    /// The status with which it is to be completed.
    pub fn parse(
        fetched: &Fetched,
        arena: &Arena,
        limits: &Limits,
        segments: &mut Segments,
    ) -> Result<Self, Status> {
        let row = limits.row(fetched.op).ok_or(Status::NOT_SUPPORTED)?;
        // None of the arguments here is held against what a host offered.
        let none = OperationLimits { max_ports: 0, max_vcpus: 0, interrupts: [0; 2], max_start: 0 };
        let words = row.arguments(&fetched.submission, &none)?.words;
        let [first, second, third, .., last] = words;
        Ok(match fetched.op {
            Op::NOP => Self::Nop(first),
            Op::PROBE => Self::Probe(probe(limits, first)),
            Op::CANCEL => Self::Cancel(u16::try_from(first).map_err(|_| Status::BAD_ARGUMENT)?),
            Op::READ => {
                let (count, flags) = unpack(last);
                if flags != 0 {
                    return Err(Status::BAD_RESERVED);
                }
                let len = segments.fill(arena, limits, &words, count)?;
                limits.check_range(first, len)?;
                Self::Read { offset: first, len }
            }
            Op::WRITE => {
                let (count, flags) = unpack(last);
                let flags = WriteFlags::from_bits(flags).ok_or(Status::BAD_RESERVED)?;
                if limits.read_only {
                    return Err(Status::READ_ONLY);
                }
                let len = segments.fill(arena, limits, &words, count)?;
                limits.check_range(first, len)?;
                Self::Write { offset: first, len, durable: flags.contains(WriteFlags::DURABLE) }
            }
            Op::FLUSH => Self::Flush,
            Op::DISCARD => {
                limits.check_whole(first, second, limits.max_discard)?;
                Self::Discard { offset: first, len: second }
            }
            Op::ZERO => {
                let flags = ZeroFlags::from_bits(third).ok_or(Status::BAD_RESERVED)?;
                limits.check_whole(first, second, limits.max_zero)?;
                let may_unmap = flags.contains(ZeroFlags::MAY_UNMAP);
                Self::Zero { offset: first, len: second, may_unmap }
            }
            _ => return Err(Status::NOT_SUPPORTED),
        })
    }
}

/// PROBE for a block queue (DEV-10).
fn probe(limits: &Limits, op: u64) -> u64 {
    let row = u16::try_from(op).ok().and_then(|op| limits.row(Op(op)));
    match row.map(|row| row.traits.contains(Traits::REPLAY_SAFE)) {
        None => 0,
        Some(false) => 1,
        Some(true) => 3,
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]
mod tests;
