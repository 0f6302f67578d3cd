// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a range of the guest's is checked, and nowhere else (REG-1 to REG-3, VCPU-3).

use crate::memory::Memory;
use tenon_abi::{Address, Status};

/// A range of guest memory that lies inside its region. Access is a separate, fallible step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Range {
    /// Zero of all that is saved.
    #[serde(skip)]
    pub(crate) region: u16,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Range {
    /// Checks a wire address and a length (REG-2, REG-3).
    pub(crate) fn check<M: Memory>(memory: &M, address: u64, len: u64) -> Result<Self, Status> {
        let address = Address(address);
        let region_len = memory.region_len(address.region()).ok_or(Status::BAD_REGION)?;
        let end = address.offset().checked_add(len).ok_or(Status::BAD_RANGE)?;
        if end > region_len {
            return Err(Status::BAD_RANGE);
        }
        Ok(Self { region: address.region(), offset: address.offset(), len })
    }

    /// As [`Self::check`], for an area that must be aligned to `align`, a power of two (GEN-4).
    pub(crate) fn check_area<M: Memory>(
        memory: &M,
        address: u64,
        len: u64,
        align: u64,
    ) -> Result<Self, Status> {
        let range = Self::check(memory, address, len)?;
        // VCPU-3: areas lie in region 0, whatever other regions there are.
        if range.region != 0 {
            return Err(Status::BAD_REGION);
        }
        if range.offset & align.wrapping_sub(1) != 0 {
            return Err(Status::BAD_ALIGNMENT);
        }
        Ok(range)
    }

    /// The offset behind its last byte.
    pub(crate) const fn end(self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    /// Whether two ranges that lie inside their regions have a byte in common.
    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.region == other.region && self.offset < other.end() && other.offset < self.end()
    }

    /// Whether another range lies inside this one.
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.region == other.region && self.offset <= other.offset && other.end() <= self.end()
    }

    /// Whether every byte of it is memory, and no hole (REG-1).
    pub(crate) fn is_memory<M: Memory>(self, memory: &M) -> bool {
        let mut next = self.offset;
        for (offset, len) in pieces(memory) {
            if offset > next {
                break;
            }
            next = next.max(offset.saturating_add(len));
            if next >= self.end() {
                return self.region == 0;
            }
        }
        false
    }

    pub(crate) fn words<M: Memory>(self, memory: &M) -> Result<M::Words, Status> {
        memory.words(self.region, self.offset, self.len).ok_or(Status::BAD_RANGE)
    }
}

/// Pieces that are looked at, however many an embedder names.
const MAX_PIECES: usize = 1024;

/// The pieces of memory (MEM-3).
pub(crate) fn pieces<M: Memory>(memory: &M) -> impl Iterator<Item = (u64, u64)> + '_ {
    (0..MAX_PIECES).map_while(|index| memory.piece(index))
}
