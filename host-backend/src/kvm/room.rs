// SPDX-License-Identifier: MIT OR Apache-2.0
//! Room for memory that is added while the guest runs: a hole of region 0 that becomes memory from its front
//! on (MEM-3).
#![allow(unsafe_code, reason = "gives memory to KVM")]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::VmFd;
use tenon_boot::{Layout, Piece};
use vm_memory::{GuestAddress, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap};

use super::setup::request;
use super::{Error, arch, memory};

/// The room begins on a multiple of this, so that KVM can back it with huge pages.
const ALIGN: u64 = 2 << 20;
/// Memory is added at most so often: each time takes a slot of KVM's.
const MAX_TIMES: u32 = 24;
/// What is added comes in multiples of this.
const UNIT: u64 = 64 << 10;

/// Room for more memory.
#[derive(Debug)]
pub struct Room {
    vm: Arc<VmFd>,
    region: Arc<GuestRegionMmap>,
    /// KVM's slots from here on are this room's.
    first_slot: u32,
    times: AtomicU32,
    /// Bytes that are memory.
    added: AtomicU64,
    /// One adds at a time.
    adding: Mutex<()>,
}

impl Room {
    /// Room of so many bytes behind all RAM of a layout, whose pieces have KVM's slots from 1 on.
    pub(super) fn new(vm: &Arc<VmFd>, layout: &Layout, size: usize) -> Result<Self, Error> {
        const LARGE: Error = Error::BadConfig("the room for more memory does not fit the address space");
        let end = layout.ram().map(|piece: Piece| piece.address.saturating_add(piece.len)).max().unwrap_or(0);
        let len = u64::try_from(size).map_err(|_| LARGE)?;
        let address = arch::room_at(end.checked_next_multiple_of(ALIGN).ok_or(LARGE)?, len).ok_or(LARGE)?;
        let region = GuestRegionMmap::new(memory::mapping(size)?, GuestAddress(address)).ok_or(LARGE)?;
        let first_slot = u32::try_from(layout.ram().count()).unwrap_or(u32::MAX).saturating_add(1);
        Ok(Self {
            vm: Arc::clone(vm),
            region: Arc::new(region),
            first_slot,
            times: AtomicU32::new(0),
            added: AtomicU64::new(0),
            adding: Mutex::new(()),
        })
    }

    /// A machine's memory with all of the room.
    pub(super) fn beside(&self, memory: &GuestMemoryMmap) -> Result<GuestMemoryMmap, Error> {
        let all = memory.insert_region(Arc::clone(&self.region));
        all.map_err(|_| Error::BadConfig("the room for more memory lies where memory is"))
    }

    /// Where it begins.
    pub(super) fn address(&self) -> u64 {
        self.region.start_addr().0
    }

    /// How many bytes of it are memory.
    pub(super) fn added(&self) -> u64 {
        self.added.load(Ordering::Acquire)
    }

    /// Makes so many bytes more memory.
    pub(super) fn add(&self, len: u64) -> Result<(), Error> {
        const FULL: Error = Error::BadConfig("there is no room for so much more memory");
        let _one = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let (added, times) = (self.added(), self.times.load(Ordering::Relaxed));
        let end = added.checked_add(len).filter(|end| *end <= self.region.len()).ok_or(FULL)?;
        if len == 0 || !len.is_multiple_of(UNIT) || times >= MAX_TIMES {
            return Err(FULL);
        }
        let host = self.region.as_ptr().expose_provenance();
        let userspace_addr = u64::try_from(host).unwrap_or(0).checked_add(added).ok_or(FULL)?;
        let region = kvm_userspace_memory_region {
            slot: self.first_slot.checked_add(times).ok_or(FULL)?,
            flags: 0,
            guest_phys_addr: self.address().checked_add(added).ok_or(FULL)?,
            memory_size: len,
            userspace_addr,
        };
        request("adding memory to the virtual machine", || {
            // SAFETY: the bytes lie in the room's mapping, behind those that were added before; the mapping
            // lives as long as this, which every vCPU's thread keeps.
            unsafe { self.vm.set_user_memory_region(region) }
        })?;
        self.times.store(times.saturating_add(1), Ordering::Relaxed);
        self.added.store(end, Ordering::Release);
        Ok(())
    }
}
