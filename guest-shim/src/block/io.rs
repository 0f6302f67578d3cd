// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a disk is asked for, and what that is on the wire ([BLK-3] to [BLK-9]).
//!
//! [BLK-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
//! [BLK-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices

use super::payload::{Payload, Segment};
use crate::error::Error;
use crate::memory::Buffer;
use tenon_abi::block::{INLINE_SEGMENTS, MAX_SEGMENTS, WriteFlags, ZeroFlags};
use tenon_abi::call::pack;
use tenon_abi::{Op, Submission};
use tenon_rings::planted;

/// A request to a disk. Offsets and lengths are bytes, in multiples of the disk's block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io<T> {
    /// Reads into all segments of `into` ([BLK-4]).
    ///
    /// [BLK-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
    Read {
        /// Where on the disk.
        offset: u64,
        /// The memory.
        into: T,
    },
    /// Writes all segments of `from` ([BLK-5]).
    ///
    /// [BLK-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
    Write {
        /// Where on the disk.
        offset: u64,
        /// The memory.
        from: T,
        /// Whether it is done only when it is durable.
        durable: bool,
    },
    /// Makes durable what was written by requests that are done ([BLK-6]).
    ///
    /// [BLK-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
    Flush,
    /// Says that what a range holds is not needed ([BLK-8]).
    ///
    /// [BLK-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
    Discard {
        /// Where on the disk.
        offset: u64,
        /// How much.
        len: u64,
    },
    /// Makes a range read as zeros ([BLK-9]).
    ///
    /// [BLK-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
    Zero {
        /// Where on the disk.
        offset: u64,
        /// How much.
        len: u64,
        /// Whether it may lose its place on the medium.
        may_unmap: bool,
    },
}

impl<T: Payload> Io<T> {
    /// The submission, and the value with which it succeeds, if that is known. A list is written to its
    /// table.
    pub(super) fn compile(&self) -> Result<(Submission, Option<u64>), Error> {
        let (op, args, moved) = match self {
            Self::Read { offset, into } => {
                let (args, sum) = transfer(*offset, into, 0)?;
                (Op::READ, args, Some(sum))
            }
            Self::Write { offset, from, durable } => {
                let durable = *durable && !planted!("durable-left-out");
                let flags = if durable { WriteFlags::DURABLE } else { WriteFlags::empty() };
                let (args, sum) = transfer(*offset, from, flags.bits())?;
                (Op::WRITE, args, Some(sum))
            }
            Self::Flush => (Op::FLUSH, [0; 6], None),
            Self::Discard { offset, len } => (Op::DISCARD, [*offset, *len, 0, 0, 0, 0], None),
            Self::Zero { offset, len, may_unmap } => {
                let flags = if *may_unmap { ZeroFlags::MAY_UNMAP } else { ZeroFlags::empty() };
                (Op::ZERO, [*offset, *len, flags.bits(), 0, 0, 0], None)
            }
        };
        Ok((Submission::new(op, args), moved))
    }
}

impl<T> Io<T> {
    /// What the request owned.
    pub fn into_payload(self) -> Option<T> {
        match self {
            Self::Read { into: payload, .. } | Self::Write { from: payload, .. } => Some(payload),
            Self::Flush | Self::Discard { .. } | Self::Zero { .. } => None,
        }
    }
}

/// The arguments of READ and WRITE, and how many bytes they move ([BLK-3]).
///
/// [BLK-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
#[inline]
fn transfer<T: Payload>(offset: u64, payload: &T, flags: u32) -> Result<([u64; 6], u64), Error> {
    let count = u32::try_from(payload.count()).map_err(|_| Error::TooLong)?;
    let segment = |index| payload.segment(index).ok_or(Error::BadMemory);
    let last = pack(count, flags);
    match count {
        0 => Err(Error::BadMemory),
        1 => {
            let Segment { address, len } = segment(0)?;
            Ok(([offset, address, len, 0, 0, last], len))
        }
        INLINE_SEGMENTS => {
            let (first, second) = (segment(0)?, segment(1)?);
            let sum = first.len.checked_add(second.len).ok_or(Error::TooLong)?;
            Ok(([offset, first.address, first.len, second.address, second.len, last], sum))
        }
        _ if count > MAX_SEGMENTS => Err(Error::TooLong),
        _ => {
            let table = payload.table().ok_or(Error::BadMemory)?;
            let sum = list(payload, table)?;
            Ok(([offset, table.address(), 0, 0, 0, last], sum))
        }
    }
}

/// Writes the list, anew for each submission: the host could write there in between. The result is how many
/// bytes its segments have.
fn list<T: Payload>(payload: &T, table: &Buffer) -> Result<u64, Error> {
    let mut sum = 0u64;
    for index in 0..payload.count() {
        let Segment { address, len } = payload.segment(index).ok_or(Error::BadMemory)?;
        let words = [address, len].map(u64::to_le_bytes);
        let at = index.checked_mul(16).ok_or(Error::TooLong)?;
        let keeps = planted!("list-kept-from-before") && index > 0;
        if !keeps && !table.write(at, words.as_flattened()) {
            return Err(Error::BadMemory);
        }
        sum = sum.checked_add(len).ok_or(Error::TooLong)?;
    }
    Ok(sum)
}
