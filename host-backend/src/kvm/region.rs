// SPDX-License-Identifier: MIT OR Apache-2.0
//! A virtual machine's memory as region 0 and its window: where `vm-memory` ends and the core's [`Memory`]
//! begins.
#![allow(unsafe_code, reason = "turns mappings that vm-memory owns into words")]

use std::sync::Arc;
use std::vec::Vec;

use tenon_rings::Mapping;
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MmapRegion};

use super::Error;
use crate::memory::{Memory, Pieces};

/// Guest memory, and a window. Region 0 begins at guest address 0, also where memory does not (REG-1).
#[derive(Clone)]
pub struct VmMemory {
    pieces: Pieces,
    _owners: (Arc<GuestMemoryMmap>, Arc<MmapRegion>),
}

impl VmMemory {
    /// The memory of a machine.
    ///
    /// # Errors
    ///
    /// [`Error::BadConfig`] if that cannot be mapped as words.
    pub fn new(memory: &Arc<GuestMemoryMmap>, window: &Arc<MmapRegion>) -> Result<Self, Error> {
        const SHAPE: Error = Error::BadConfig("the guest's memory cannot be mapped as words");
        // SAFETY: all mappings are readable and writable, and stay mapped while the `Arc`s beside them
        // live; the guest and KVM access them too, which `Mapping` is made for.
        let mapping = |base: *mut u8, len: usize| unsafe { Mapping::new(base, len) };
        let ram = memory.iter().map(|region| {
            let start = region.start_addr();
            let base = memory.get_host_address(start).ok()?;
            Some((start.0, mapping(base, usize::try_from(region.len()).ok()?)?))
        });
        let ram = ram.collect::<Option<Vec<_>>>().ok_or(SHAPE)?;
        let ram = match tenon_rings::planted!("memory-without-a-hole") {
            true => end_to_end(ram),
            false => ram,
        };
        let window_words = mapping(window.as_ptr(), window.size()).ok_or(SHAPE)?;
        let pieces = Pieces::new(ram, window_words).ok_or(SHAPE)?;
        Ok(Self { pieces, _owners: (Arc::clone(memory), Arc::clone(window)) })
    }
}

/// As if memory went on where its first piece ends.
fn end_to_end(ram: Vec<(u64, Mapping)>) -> Vec<(u64, Mapping)> {
    let mut next = None;
    let place = |(address, piece): (u64, Mapping)| {
        let address = next.unwrap_or(address);
        next = u64::try_from(piece.byte_len()).ok().and_then(|len| address.checked_add(len));
        (address, piece)
    };
    ram.into_iter().map(place).collect()
}

impl Memory for VmMemory {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        self.pieces.region_len(region)
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Mapping> {
        self.pieces.words(region, offset, len)
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        self.pieces.read(region, offset, out)
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        self.pieces.write(region, offset, data)
    }

    fn window(&self) -> Mapping {
        self.pieces.window()
    }
}
