// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory behind the core.

mod arena;
#[cfg(feature = "std")]
pub mod closed;
mod pieces;

#[cfg(feature = "std")]
pub use closed::{Closed, Guard};
pub use pieces::Pieces;

use crate::device::Arena;
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

    /// The pieces of region 0 that are memory, in ascending order and apart: where the one of this number
    /// begins, and its length (MEM-3). With holes, or where memory is added, it has to be written.
    fn piece(&self, index: usize) -> Option<(u64, u64)> {
        if index == 0 { Some((0, self.region_len(0)?)) } else { None }
    }

    /// The guest handed a range of region 0 over: a control request, or an area (MEM-11). The core touches
    /// it after this and until [`Self::let_go`]. Memory that is closed to its host opens it.
    fn hand_over(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }

    /// A range that was handed over is the guest's again, whole as it was.
    fn let_go(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }

    /// What a device may touch that is given a range of region 0 as its arena: its pieces of memory as they
    /// are now, which stay mapped as long as the arena lives ([`Arena::of`]). `None`: there can be no
    /// devices.
    fn arena(&self, offset: u64, len: u64) -> Option<Arena> {
        let _ = (offset, len);
        None
    }

    /// The session is over, and nobody is told so before this returns: what it gave is the guest's again, and
    /// nothing of it is discarded any more; nothing that it shared is shared (MEM-9, MEM-14).
    fn end_session(&self) {}
}
