// SPDX-License-Identifier: MIT OR Apache-2.0
//! Region 0, and a window that the guest's side of the process cannot write.

use super::window::Window;
use std::io;
use tenon_host::Memory;
use tenon_host::loopback::{Arena, Piece};
use tenon_rings::{Mapping, Words};

/// Bytes of region 0.
pub const MEMORY_LEN: usize = 16 << 20;

/// Memory and window of a loopback guest. They live for ever, as their guest does.
#[derive(Clone, Copy, Debug)]
pub struct GuestMemory {
    region: Mapping,
    window: Window,
}

impl GuestMemory {
    /// Cleared memory and a cleared window of `window_len` bytes.
    ///
    /// # Errors
    ///
    /// Where the process has no memory for that.
    pub fn new(window_len: usize) -> io::Result<Self> {
        let arena = Arena::new(MEMORY_LEN, 0).map_err(io::Error::other)?;
        let region: &'static Piece = Box::leak(Box::new(arena.memory().clone()));
        Ok(Self { region: region.forever(), window: Window::new(window_len)? })
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
        self.region_len(region)?;
        if !offset.is_multiple_of(8) {
            return None;
        }
        self.region.slice(usize::try_from(offset / 8).ok()?, usize::try_from(len / 8).ok()?)
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        region == 0 && usize::try_from(offset).is_ok_and(|offset| self.region.read(offset, out))
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        region == 0 && usize::try_from(offset).is_ok_and(|offset| self.region.write(offset, data))
    }

    fn window(&self) -> Mapping {
        self.window.host
    }
}
