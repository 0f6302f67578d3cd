// SPDX-License-Identifier: MIT OR Apache-2.0
//! A virtual machine's memory as region 0 and its window: where `vm-memory` ends and the core's [`Memory`]
//! begins.
#![allow(unsafe_code, reason = "turns mappings that vm-memory owns into words")]

use std::sync::Arc;

use tenon_rings::{Mapping, Words};
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MmapRegion};

use super::Error;
use crate::memory::Memory;

/// Guest memory in one piece, and a window. Region 0 begins at guest address 0, also where memory does not
/// (REG-1).
#[derive(Clone)]
pub struct VmMemory {
    ram: Mapping,
    /// Where it begins.
    base: u64,
    window: Mapping,
    _owners: (Arc<GuestMemoryMmap>, Arc<MmapRegion>),
}

impl VmMemory {
    /// The memory of a machine.
    ///
    /// # Errors
    ///
    /// [`Error::BadConfig`] if the memory is not one piece.
    pub fn new(memory: &Arc<GuestMemoryMmap>, window: &Arc<MmapRegion>) -> Result<Self, Error> {
        const SHAPE: Error = Error::BadConfig("the guest's memory is not one piece");
        let mut regions = memory.iter();
        let (Some(region), None) = (regions.next(), regions.next()) else { return Err(SHAPE) };
        let start = region.start_addr();
        let base = memory.get_host_address(start).map_err(|_| SHAPE)?;
        let len = usize::try_from(region.len()).map_err(|_| SHAPE)?;
        // SAFETY: both mappings are readable and writable, and stay mapped while the `Arc`s beside them live;
        // the guest and KVM access them too, which `Mapping` is made for.
        let (ram, window_words) =
            unsafe { (Mapping::new(base, len), Mapping::new(window.as_ptr(), window.size())) };
        let (Some(ram), Some(window_words)) = (ram, window_words) else { return Err(SHAPE) };
        Ok(Self {
            ram,
            base: start.0,
            window: window_words,
            _owners: (Arc::clone(memory), Arc::clone(window)),
        })
    }

    fn part(&self, region: u16, offset: u64) -> Option<(Mapping, usize)> {
        if region != 0 {
            return None;
        }
        Some((self.ram, usize::try_from(offset.checked_sub(self.base)?).ok()?))
    }
}

impl Memory for VmMemory {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        let (ram, _) = self.part(region, self.base)?;
        self.base.checked_add(u64::try_from(ram.byte_len()).ok()?)
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Mapping> {
        let (ram, offset) = self.part(region, offset)?;
        ram.slice(offset / 8, usize::try_from(len / 8).ok()?)
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        self.part(region, offset).is_some_and(|(ram, offset)| ram.read(offset, out))
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        self.part(region, offset).is_some_and(|(ram, offset)| ram.write(offset, data))
    }

    fn window(&self) -> Mapping {
        self.window
    }
}
