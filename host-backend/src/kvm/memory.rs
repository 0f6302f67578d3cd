// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest memory that KVM can back with huge pages: the first touch of a 4 KiB page costs a software KVM 26
//! us, that of memory mapped in 2 MiB pages 64 ns.
#![allow(unsafe_code, reason = "maps memory")]

use std::io;
use std::sync::Arc;

use kvm_bindings::{KVM_MEM_READONLY, kvm_userspace_memory_region};
use kvm_ioctls::VmFd;
use tenon_boot::{Layout, Piece};
use vm_memory::{
    GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap, MmapRegion,
};

use super::Error;
use super::setup::request;

/// The smallest granule (GEN-4), which is also the smallest page.
const PAGE: usize = 4 << 10;

/// Zeroed memory for each piece of RAM, which is a multiple of 4 KiB. None of it is there before it is
/// touched.
pub fn guest_memory(layout: &Layout) -> Result<Arc<GuestMemoryMmap>, Error> {
    const LARGE: Error = Error::BadConfig("the guest's memory does not fit the address space");
    let regions = layout.ram().map(|piece| {
        let size = usize::try_from(piece.len).map_err(|_| LARGE)?;
        GuestRegionMmap::new(mapping(size)?, GuestAddress(piece.address)).ok_or(LARGE)
    });
    let memory = GuestMemoryMmap::from_regions(regions.collect::<Result<_, _>>()?);
    Ok(Arc::new(memory.map_err(|_| Error::BadConfig("the guest's memory cannot be put together"))?))
}

/// Gives a machine its memory and its window: slot 0 is the window, which the guest cannot write, and memory
/// has those behind it.
///
/// # Errors
///
/// [`Error::BadConfig`] where they do not lie as `layout` says, [`Error::System`] where KVM refuses them.
///
/// # Safety
///
/// Both stay mapped as long as any vCPU of `vm` may run.
pub unsafe fn give(
    vm: &VmFd,
    layout: &Layout,
    memory: &GuestMemoryMmap,
    window: Option<&MmapRegion>,
) -> Result<(), Error> {
    const ELSEWHERE: Error = Error::BadConfig("memory and window do not lie as the layout says");
    let set = |number, piece: Piece, host: *mut u8, flags| {
        let userspace_addr = u64::try_from(host.expose_provenance()).map_err(|_| ELSEWHERE)?;
        let region = kvm_userspace_memory_region {
            slot: number,
            flags,
            guest_phys_addr: piece.address,
            memory_size: piece.len,
            userspace_addr,
        };
        request("giving memory to the virtual machine", || {
            // SAFETY: the caller's promise. The pieces of a layout do not overlap.
            unsafe { vm.set_user_memory_region(region) }
        })
    };
    for (number, piece) in (1..).zip(layout.ram()) {
        let region = memory.find_region(GuestAddress(piece.address)).ok_or(ELSEWHERE)?;
        if (region.start_addr().0, region.len()) != (piece.address, piece.len) {
            return Err(ELSEWHERE);
        }
        set(number, piece, region.as_ptr(), 0)?;
    }
    match (layout.window(), window) {
        (Some(piece), Some(window)) if u64::try_from(window.size()).is_ok_and(|size| size == piece.len) => {
            set(0, piece, window.as_ptr(), KVM_MEM_READONLY)
        }
        (None, None) => Ok(()),
        _ => Err(ELSEWHERE),
    }
}

/// Zeroed private memory, a multiple of 4 KiB, marked for huge pages. It takes no memory before it is
/// touched, and none is set aside for it.
///
/// KVM maps a huge page only where guest and host address agree in their low 21 bits. The kernel aligns
/// mappings of a multiple of 2 MiB so (since Linux 6.7); others have small pages, and their first touch is
/// slower.
pub fn mapping(size: usize) -> Result<MmapRegion, Error> {
    if size == 0 || !size.is_multiple_of(PAGE) {
        return Err(Error::BadConfig("memory comes in multiples of 4 KiB, and is not empty"));
    }
    let region = MmapRegion::new(size)
        .map_err(|why| Error::System { what: "mapping the guest's memory", why: io::Error::other(why) })?;
    // SAFETY: the range is the mapping just made, and the advice changes nothing but how it is backed. A
    // kernel without huge pages refuses, which costs only time.
    unsafe { libc::madvise(region.as_ptr().cast(), size, libc::MADV_HUGEPAGE) };
    Ok(region)
}
