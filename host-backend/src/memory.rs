// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory behind the core.

mod pieces;

pub use pieces::Pieces;

use tenon_rings::Words;

/// The memory that a guest gave its host, and the window that the host gave its guest.
///
/// The core checks every range before it asks; an implementation checks again and refuses what it cannot
/// reach, holes included. It never panics, whatever it is asked.
pub trait Memory {
    /// A handle to memory that is shared with the guest, as words.
    type Words: Words;

    /// Length of a region in bytes, or `None` if there is none of that number (REG-1).
    fn region_len(&self, region: u16) -> Option<u64>;

    /// `len` bytes at `offset` as words, for the areas of a vCPU. `offset` is aligned to the granule, `len`
    /// to 8.
    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Self::Words>;

    /// Copies payload out of guest memory; `false` if it is not all there.
    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool;

    /// Copies payload into guest memory; `false`, with nothing written, if it does not fit.
    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool;

    /// The whole window, which only the host writes.
    fn window(&self) -> Self::Words;
}
