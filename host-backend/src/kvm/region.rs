// SPDX-License-Identifier: MIT OR Apache-2.0
//! A virtual machine's memory as region 0 and its window: where `vm-memory` ends and the core's [`Memory`]
//! begins.
#![allow(unsafe_code, reason = "turns mappings that vm-memory owns into words")]

use std::sync::Arc;
use std::vec::Vec;

use tenon_rings::Mapping;
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MmapRegion};

use super::balloon::Discards;
use super::{Error, Room};
use crate::device::Arena;
use crate::memory::{Guard, Memory, Pieces};
use tenon_abi::Rights;

/// Guest memory, and a window. Region 0 begins at guest address 0, also where memory does not (REG-1).
#[derive(Clone)]
pub struct VmMemory {
    pieces: Pieces,
    discards: Arc<Discards>,
    /// What is open, of memory that is closed.
    guard: Option<Guard>,
    room: Option<Arc<Room>>,
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
        let discards = Arc::new(Discards::new(memory));
        let owners = (Arc::clone(memory), Arc::clone(window));
        Ok(Self { pieces, discards, guard: None, room: None, _owners: owners })
    }

    /// The memory of a machine with room for more: what is not added yet is a hole (MEM-3).
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_room(
        memory: &Arc<GuestMemoryMmap>,
        window: &Arc<MmapRegion>,
        room: &Arc<Room>,
    ) -> Result<Self, Error> {
        let all = Arc::new(room.beside(memory)?);
        Ok(Self { room: Some(Arc::clone(room)), ..Self::new(&all, window)? })
    }

    pub(super) const fn room(&self) -> Option<&Arc<Room>> {
        self.room.as_ref()
    }

    /// Whether a range has nothing of the room that is not added.
    fn is_there(&self, offset: u64, len: u64) -> bool {
        self.room.as_ref().is_none_or(|room| {
            offset.checked_add(len).is_some_and(|end| end <= room.address().saturating_add(room.added()))
        })
    }

    /// The same, closed to its host but for what `guard` opens (MEM-10).
    #[must_use]
    pub fn closed(self, guard: Guard) -> Self {
        Self { guard: Some(guard), ..self }
    }

    pub(super) fn discards(&self) -> &Arc<Discards> {
        &self.discards
    }

    pub(super) fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    fn admits(&self, what: &'static str, offset: u64, len: usize, rights: Rights) -> bool {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.is_there(offset, len)
            && self.guard.as_ref().is_none_or(|guard| guard.admits(what, offset, len, rights))
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
        if !self.is_there(offset, len) {
            return None;
        }
        if let Some(guard) = &self.guard {
            guard.area(offset, len)?;
        }
        self.pieces.words(region, offset, len)
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        self.admits("a read", offset, out.len(), Rights::READ) && self.pieces.read(region, offset, out)
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        self.admits("a write", offset, data.len(), Rights::WRITE) && self.pieces.write(region, offset, data)
    }

    fn window(&self) -> Mapping {
        self.pieces.window()
    }

    fn piece(&self, index: usize) -> Option<(u64, u64)> {
        let (offset, len) = self.pieces.piece(index)?;
        match &self.room {
            Some(room) if offset == room.address() => {
                Some((offset, room.added())).filter(|(_, added)| *added != 0)
            }
            _ => Some((offset, len)),
        }
    }

    fn hand_over(&self, offset: u64, len: u64) {
        if let Some(guard) = &self.guard {
            guard.hand_over(offset, len);
        }
    }

    fn let_go(&self, offset: u64, len: u64) {
        if let Some(guard) = &self.guard {
            guard.let_go(offset, len);
        }
    }

    fn arena(&self, offset: u64, len: u64) -> Option<Arena> {
        Arena::of(self, offset, len, Arc::new(self.clone()))
    }

    fn end_session(&self) {
        self.discards.cut();
        if let Some(guard) = &self.guard {
            guard.end_session();
        }
    }
}
