// SPDX-License-Identifier: MIT OR Apache-2.0
//! A host behind a device whose memory both sides share, such as ivshmem ([SHM-1] to [SHM-6]): a kernel's PCI
//! code hands its two BARs over.
//!
//! [SHM-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
//! [SHM-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
#![allow(
    unsafe_code,
    reason = "the doorbell is a device's register, and pages are handed out of the device's memory"
)]

use crate::conduit::{Conduit, store_doorbell};
use crate::discovery::Found;
use crate::error::Error;
use crate::memory::Pages;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use tenon_abi::{ConduitKind, Granule, Status, VERSION};
use tenon_rings::{Mapping, Site, Words};

/// Offset of the doorbell register in BAR 0 of an ivshmem device.
pub const DOORBELL: u64 = 12;

/// The doorbell of a SHARED conduit. Its bind word has one writer: there is one value of this type for a
/// device.
#[derive(Debug)]
pub struct Shared {
    doorbell: NonNull<u32>,
    value: u32,
    word: Mapping,
    count: AtomicU32,
}

// SAFETY: the register is only ever stored to, by plain 32-bit stores that may come from any CPU.
unsafe impl Send for Shared {}
// SAFETY: as above; the count is atomic.
unsafe impl Sync for Shared {}

/// What [`attach`] found in a device's memory.
#[derive(Debug)]
pub struct Attached {
    /// The host.
    pub found: Found,
    /// Its doorbell.
    pub conduit: Shared,
    /// The memory that areas, buffers and control requests are taken from: all that the host serves lies in
    /// it ([SHM-1]).
    ///
    /// [SHM-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
    pub pages: Pages,
}

/// Looks for Tenon in a device's memory (`memory`, all of the BAR), whose doorbell register is `doorbell`.
/// What stands in the record is fetched once and checked against the BAR ([SHM-6]). A host may come later
/// than its guest: whoever expects one looks again for a while.
///
/// # Errors
///
/// [`Error::NotPresent`] if there is no record there, or one of another conduit; [`Error::Refused`] with
/// BAD_VERSION if the host speaks another major version; [`Error::BadMemory`] if the record promises more
/// than the BAR holds.
///
/// # Safety
///
/// `doorbell` is the mapped doorbell register of the device whose memory is `memory`; both stay mapped as
/// long as anything of the result is used; the memory belongs to Tenon alone.
///
/// [SHM-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
pub unsafe fn attach(memory: Mapping, doorbell: *mut u32) -> Result<Attached, Error> {
    let doorbell = NonNull::new(doorbell).filter(|register| register.is_aligned()).ok_or(Error::BadMemory)?;
    let found = Found::at(memory)?;
    let record = found.record();
    if record.conduit.get() != ConduitKind::SHARED.0 {
        return Err(Error::NotPresent);
    }
    if record.major.get() != VERSION.major {
        return Err(Error::Refused(Status::BAD_VERSION));
    }
    let value = u32::try_from(record.kick_base.get()).map_err(|_| Error::BadMemory)?;
    let at = record.bind_base.get();
    // Behind the window, and the memory for areas behind it, on the largest granule.
    let free = Granule::K64.round_up(at.saturating_add(8)).ok_or(Error::BadMemory)?;
    let end = record.region0_len.get();
    let ordered = at & 7 == 0 && record.window_len.get() <= at && free <= end;
    if !ordered || usize::try_from(end).map_or(true, |end| end > memory.byte_len()) {
        return Err(Error::BadMemory);
    }
    let words = |bytes: u64| usize::try_from(bytes / 8).map_err(|_| Error::BadMemory);
    let window = memory.slice(0, words(record.window_len.get())?).ok_or(Error::BadMemory)?;
    let word = memory.slice(words(at)?, 1).ok_or(Error::BadMemory)?;
    let rest = memory.slice(words(free)?, words(end.wrapping_sub(free))?).ok_or(Error::BadMemory)?;
    // The one look at the own word: for the count that an earlier kernel left (SHM-3).
    let [_, _, _, _, c0, c1, c2, c3] = word.load(0, Site::Status).to_le_bytes();
    // SAFETY: the memory is the BAR behind the window, mapped and Tenon's alone by the caller's contract, at
    // its offset of region 0.
    let pages = unsafe { Pages::new(rest.base(), rest.byte_len(), free) }?;
    let count = AtomicU32::new(u32::from_le_bytes([c0, c1, c2, c3]));
    Ok(Attached { found: found.within(window), conduit: Shared { doorbell, value, word, count }, pages })
}

impl Shared {
    /// Where the doorbell and the bind word are mapped: what a kernel closes to user mode ([DISC-11]).
    ///
    /// [DISC-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
    #[must_use]
    pub fn places(&self) -> [usize; 2] {
        [self.doorbell.addr().get(), self.word.base().addr()]
    }
}

impl Conduit for Shared {
    #[inline(always)]
    fn kick(&self, _: u32) {
        // SAFETY: the device's doorbell register by the contract of `attach`: a store there changes no memory
        // of this guest's.
        unsafe { store_doorbell(self.doorbell.as_ptr(), self.value) }
    }

    fn bind(&self, frame: u32) {
        // Never zero, which stands for no word at all.
        let count = self.count.load(Ordering::Relaxed).wrapping_add(1).max(1);
        self.count.store(count, Ordering::Relaxed);
        let word = u64::from(count).wrapping_shl(32) | u64::from(frame);
        self.word.store(0, word, Site::ControlPublish);
        self.kick(0);
    }
}
