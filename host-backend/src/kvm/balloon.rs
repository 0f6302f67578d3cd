// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that the guest gives back: returned to the kernel on a thread of its own, without the machine's
//! lock (MEM-6 to MEM-9).
#![allow(unsafe_code, reason = "discards what lies in the guest's memory")]

use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap};

/// Bytes that are discarded in one go. A reset waits for at most one such piece.
const PIECE: u64 = 2 << 20;

/// Which session asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(u64);

/// What discards a guest's memory.
#[derive(Debug)]
pub(super) struct Discards {
    memory: Arc<GuestMemoryMmap>,
    /// Held while a piece is discarded.
    epoch: Mutex<Epoch>,
}

impl Discards {
    pub(super) fn new(memory: &Arc<GuestMemoryMmap>) -> Self {
        Self { memory: Arc::clone(memory), epoch: Mutex::new(Epoch(0)) }
    }

    fn locked(&self) -> MutexGuard<'_, Epoch> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present session.
    pub(super) fn epoch(&self) -> Epoch {
        *self.locked()
    }

    /// The session is over: nothing that it asked for is discarded any more when this returns.
    pub(super) fn cut(&self) {
        let mut epoch = self.locked();
        *epoch = Epoch(epoch.0.wrapping_add(1));
    }

    /// Discards a range of guest memory, piece by piece, as long as the session lasts. `false`: not all of it
    /// was.
    pub(super) fn discard(&self, epoch: Epoch, offset: u64, len: u64) -> bool {
        let (mut next, mut left) = (offset, len);
        while left != 0 {
            let now = self.locked();
            if *now != epoch {
                return false;
            }
            let Some(region) = self.memory.find_region(GuestAddress(next)) else { return false };
            let inside = next.saturating_sub(region.start_addr().0);
            let part = left.min(PIECE).min(region.len().saturating_sub(inside));
            if let Err(why) = discard(region, inside, part) {
                tracing::warn!(%why, "memory that the guest gave cannot be returned");
                return false;
            }
            drop(now);
            (next, left) = (next.saturating_add(part), left.saturating_sub(part));
        }
        true
    }
}

/// Gives the pages of a part of a region back to the kernel: they read as zeros from then on. How depends on
/// what is behind them.
///
/// - Private memory without a file: `MADV_DONTNEED`.
/// - A private mapping of a file: after `MADV_DONTNEED` the file's bytes would be there again. A mapping
///   without the file takes its place.
/// - Shared memory: a hole in its file, for all who have it mapped.
///
/// # Errors
///
/// What the kernel says; the pages are then what they were.
pub fn discard(region: &GuestRegionMmap, inside: u64, len: u64) -> io::Result<()> {
    const OUTSIDE: io::ErrorKind = io::ErrorKind::InvalidInput;
    let fits = inside.checked_add(len).is_some_and(|end| end <= region.len());
    let size = usize::try_from(len).ok().filter(|size| fits && *size != 0).ok_or(OUTSIDE)?;
    let at = region.as_ptr().wrapping_add(usize::try_from(inside).map_err(|_| OUTSIDE)?).cast();
    let is_shared = region.flags() & libc::MAP_SHARED != 0;
    let failed = match region.file_offset() {
        // SAFETY: the range lies in the mapping, whose bytes both sides may change at any time.
        None if !is_shared => unsafe { libc::madvise(at, size, libc::MADV_DONTNEED) != 0 },
        // SAFETY: as above.
        None => unsafe { libc::madvise(at, size, libc::MADV_REMOVE) != 0 },
        Some(file) if is_shared => {
            let start = file.start().checked_add(inside).ok_or(OUTSIDE)?;
            let [start, len] = [start, len].map(libc::off_t::try_from);
            let (start, len) = (start.map_err(|_| OUTSIDE)?, len.map_err(|_| OUTSIDE)?);
            let hole = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            // SAFETY: the call touches nothing but the file, which the region owns a handle of.
            unsafe { libc::fallocate(file.file().as_raw_fd(), hole, start, len) != 0 }
        }
        Some(_) => {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
            // SAFETY: the range lies in the mapping; a mapping with the same protection takes its place in
            // one step, and whoever has an address there goes on having it.
            let new = unsafe { libc::mmap(at, size, region.prot(), flags, -1, 0) };
            new == libc::MAP_FAILED
        }
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::FromRawFd;
    use std::string::{String, ToString};
    use std::vec;
    use vm_memory::{Bytes, FileOffset, MemoryRegionAddress, MmapRegion};

    const LEN: usize = 1 << 20;

    /// A file of `LEN` bytes in memory, none of them zero.
    fn file() -> File {
        // SAFETY: the name is a string with its end, and the result is a new descriptor or none.
        let number = unsafe { libc::memfd_create(c"balloon".as_ptr(), 0) };
        assert!(number >= 0, "{}", io::Error::last_os_error());
        // SAFETY: nobody else has it.
        let file = unsafe { File::from_raw_fd(number) };
        file.set_len(LEN.try_into().unwrap()).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![7; LEN], 0).unwrap();
        file
    }

    fn region(file: Option<File>, flags: i32) -> GuestRegionMmap {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let file = file.map(|file| FileOffset::new(file, 0));
        let region = MmapRegion::build(file, LEN, prot, flags | libc::MAP_NORESERVE).unwrap();
        GuestRegionMmap::new(region, GuestAddress(0)).unwrap()
    }

    /// Pages of a mapping that are in memory.
    fn resident(region: &GuestRegionMmap) -> usize {
        let mut pages = vec![0u8; LEN / 4096];
        // SAFETY: one byte for each page of the mapping.
        let result = unsafe { libc::mincore(region.as_ptr().cast(), LEN, pages.as_mut_ptr()) };
        assert_eq!(result, 0);
        pages.iter().filter(|page| **page & 1 != 0).count()
    }

    fn holds(region: &GuestRegionMmap, from: u64, to: u64, byte: u8) -> bool {
        let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).unwrap()];
        region.read_slice(&mut bytes, MemoryRegionAddress(from)).unwrap();
        bytes.iter().all(|found| *found == byte)
    }

    fn discarded(what: &str, file: Option<File>, flags: i32) -> String {
        let region = region(file, flags);
        region.write_slice(&vec![9; LEN], MemoryRegionAddress(0)).unwrap();
        assert_eq!(resident(&region), LEN / 4096, "{what}");
        discard(&region, 0x4_0000, 0x8_0000).unwrap();
        let left = resident(&region);
        assert!(left <= LEN / 4096 / 2, "{what}: {left} pages are still there");
        assert!(holds(&region, 0, 0x4_0000, 9) && holds(&region, 0xc_0000, 0x10_0000, 9), "{what}");
        assert!(holds(&region, 0x4_0000, 0xc_0000, 0), "{what}: bytes came back");
        // It can be touched again, as any memory.
        region.write_slice(&[5; 16], MemoryRegionAddress(0x5_0000)).unwrap();
        assert!(holds(&region, 0x5_0000, 0x5_0010, 5), "{what}");
        discard(&region, 0x4_0000, 0x8_0000).unwrap();
        assert!(holds(&region, 0x4_0000, 0xc_0000, 0), "{what}: the second time");
        for (inside, len) in [(0, 0), (0, 0x10_1000), (0x10_0000, 0x1000), (u64::MAX, 0x1000)] {
            assert!(discard(&region, inside, len).is_err(), "{what}: {inside:#x} {len:#x}");
        }
        what.to_string()
    }

    #[test]
    fn what_is_discarded_reads_as_zeros_whatever_is_behind_it() {
        discarded("private", None, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        discarded("shared", None, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        discarded("a private file", Some(file()), libc::MAP_PRIVATE);
        discarded("a shared file", Some(file()), libc::MAP_SHARED);
    }

    #[test]
    fn nothing_is_discarded_for_a_session_that_is_over() {
        let region = region(None, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let memory = Arc::new(GuestMemoryMmap::from_regions(vec![region]).unwrap());
        memory.write_slice(&[9; 4096], GuestAddress(0)).unwrap();
        let discards = Discards::new(&memory);
        let old = discards.epoch();
        discards.cut();
        assert!(!discards.discard(old, 0, 4096));
        let mut byte = [0];
        memory.read_slice(&mut byte, GuestAddress(0)).unwrap();
        assert_eq!(byte, [9]);
        assert!(discards.discard(discards.epoch(), 0, 4096));
        memory.read_slice(&mut byte, GuestAddress(0)).unwrap();
        assert_eq!(byte, [0]);
        assert!(!discards.discard(discards.epoch(), 0x8_0000, 0x10_0000), "beyond the memory");
    }
}
