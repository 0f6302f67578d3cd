// SPDX-License-Identifier: MIT OR Apache-2.0
//! Region 0, and a window that the guest's side of the process cannot write.

use super::window::Window;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_host::Memory;
use tenon_host::device::Arena;
use tenon_host::loopback::{Piece, Ram};
use tenon_rings::{Mapping, Site, Words};

/// Bytes of region 0, as far as its guest uses it by itself.
pub const MEMORY_LEN: usize = 16 << 20;
/// Behind them is a hole that memory can be added in, and behind that the last piece.
const HOLE_LEN: usize = 1 << 20;
const LAST_LEN: usize = 64 << 10;
const LAST_AT: u64 = (MEMORY_LEN + HOLE_LEN) as u64;

/// Memory and window of a loopback guest. They live for ever, as their guest does.
#[derive(Clone, Copy, Debug)]
pub struct GuestMemory {
    region: Mapping,
    window: Window,
    /// Bytes that were added in the hole, from its front.
    added: &'static AtomicU64,
}

impl GuestMemory {
    /// Cleared memory and a cleared window of `window_len` bytes.
    ///
    /// # Errors
    ///
    /// Where the process has no memory for that.
    pub fn new(window_len: usize) -> io::Result<Self> {
        let arena = Ram::new(MEMORY_LEN + HOLE_LEN + LAST_LEN, 0).map_err(io::Error::other)?;
        let region: &'static Piece = Box::leak(Box::new(arena.memory().clone()));
        let added = Box::leak(Box::new(AtomicU64::new(0)));
        Ok(Self { region: region.forever(), window: Window::new(window_len)?, added })
    }

    /// Adds memory in the hole; whether there was room.
    #[must_use]
    pub fn add(&self, len: u64) -> bool {
        let more = |added: u64| added.checked_add(len).filter(|all| *all < HOLE_LEN as u64);
        self.added.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// Zeros a range that its guest gave or takes again.
    pub fn discard(&self, offset: u64, len: u64) {
        let first = usize::try_from(offset / 8).unwrap_or(usize::MAX);
        for index in first..first.saturating_add(usize::try_from(len / 8).unwrap_or(0)) {
            self.region.store(index, 0, Site::Status);
        }
    }

    /// Where the hole begins now.
    fn hole(&self) -> u64 {
        MEMORY_LEN as u64 + self.added.load(Ordering::Acquire)
    }

    /// Whether a range lies in memory, in one piece.
    fn holds(&self, region: u16, offset: u64, len: u64) -> bool {
        let end = offset.checked_add(len).filter(|_| region == 0);
        end.is_some_and(|end| end <= self.hole() || offset >= LAST_AT)
    }

    /// Region 0.
    #[must_use]
    pub const fn region(&self) -> Mapping {
        self.region
    }

    /// The window as the guest sees it.
    #[must_use]
    pub const fn guest_window(&self) -> Mapping {
        self.window.guest
    }

    /// Tries to store to the window from the guest's side: see [`tenon_conformance::Env::store_to_window`].
    #[must_use]
    pub fn store_to_window(&self, offset: usize, value: u64) -> Option<bool> {
        self.window.try_store(offset, value)
    }
}

impl Memory for GuestMemory {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        (region == 0).then_some(self.region.byte_len() as u64)
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Mapping> {
        if !offset.is_multiple_of(8) || !self.holds(region, offset, len) {
            return None;
        }
        self.region.slice(usize::try_from(offset / 8).ok()?, usize::try_from(len / 8).ok()?)
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        self.holds(region, offset, out.len() as u64)
            && usize::try_from(offset).is_ok_and(|offset| self.region.read(offset, out))
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        self.holds(region, offset, data.len() as u64)
            && usize::try_from(offset).is_ok_and(|offset| self.region.write(offset, data))
    }

    fn window(&self) -> Mapping {
        self.window.host
    }

    fn piece(&self, index: usize) -> Option<(u64, u64)> {
        match index {
            0 => Some((0, self.hole())),
            1 => Some((LAST_AT, LAST_LEN as u64)),
            _ => None,
        }
    }

    fn arena(&self, offset: u64, len: u64) -> Option<Arena> {
        // It lives for ever.
        Arena::of(self, offset, len, Arc::new(()))
    }
}
