// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening what a disk lies on.

use super::file::ByItself;
use super::lock::lock;
use super::shape::Shape;
use crate::Error;
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, fstat, seek};
use rustix::fs::{FileType, ioctl_blkpbszget, ioctl_blksszget};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Most bytes of a DISCARD, and of a ZERO that the file system does by itself.
const MAX_RANGE: u32 = 1 << 30;
/// Most bytes of a ZERO that has to be written.
const MAX_WRITTEN_ZERO: u32 = 1 << 20;
/// Unit of a file's holes that nearly all file systems have.
const HOLE: u32 = 4096;

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// It is only read, and may be shared with others that only read it.
    pub read_only: bool,
    /// Around the page cache (O_DIRECT).
    pub direct: bool,
    /// How long to wait for another that has it. A host that follows one that died waits long enough for the
    /// I/O of the dead one to land (BLK-11).
    pub patience: Duration,
}

/// A file that is open, locked, and a disk by its shape.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) shape: Shape,
    pub(crate) by_itself: ByItself,
}

/// Opens a disk's file and locks it, as [`Disk::raw`](super::Disk::raw) does: for a storage of the embedder's
/// that lies on a file. All I/O goes by this one open file description, because the lock ends with it, and so
/// not before the last of its I/O (BLK-11).
///
/// # Errors
///
/// It cannot be opened, is no disk, or another has had it for all of the patience.
pub fn open_locked(path: &Path, access: Access) -> Result<File, Error> {
    let flags = libc::O_CLOEXEC | if access.direct { libc::O_DIRECT } else { 0 };
    let mut options = OpenOptions::new();
    let file = options.read(true).write(!access.read_only).custom_flags(flags).open(path);
    let file = file.map_err(|error| Error::open(path, !access.read_only, error))?;
    let name = || path.display().to_string();
    let kind = fstat(&file).map_err(|error| Error::system(name())(error.into()))?;
    match FileType::from_raw_mode(kind.st_mode) {
        FileType::RegularFile | FileType::BlockDevice => {}
        FileType::Directory => return Err(Error::Directory(path.to_owned())),
        _ => return Err(Error::NoDisk(path.to_owned())),
    }
    if lock(&file, !access.read_only, access.patience).map_err(Error::system(name()))? {
        Ok(file)
    } else {
        Err(Error::Locked(path.to_owned()))
    }
}

/// Opens a raw file or a block device.
pub(crate) fn open_raw(path: &Path, access: Access) -> Result<Opened, Error> {
    let file = open_locked(path, access)?;
    let system = |error: rustix::io::Errno| Error::system(path.display().to_string())(error.into());
    let is_device = FileType::from_raw_mode(fstat(&file).map_err(system)?.st_mode) == FileType::BlockDevice;
    let (logical, physical) = if is_device {
        (ioctl_blksszget(&file).map_err(system)?, ioctl_blkpbszget(&file).map_err(system)?)
    } else {
        (512, 4096)
    };
    let (block, align) = if access.direct { direct_units(&file, logical) } else { (logical.max(512), 1) };
    let bytes = size(&file).map_err(Error::system(path.display().to_string()))?;
    if !bytes.is_multiple_of(u64::from(block)) {
        return Err(Error::BadSize { path: path.to_owned(), len: bytes, block });
    }
    let writable = !access.read_only;
    // Behind the end of a file a hole changes nothing; a device has nothing there to try it on.
    let can = |mode| {
        writable && !is_device && fallocate(&file, mode | FallocateFlags::KEEP_SIZE, bytes, 4096).is_ok()
    };
    let by_itself =
        ByItself { holes: can(FallocateFlags::PUNCH_HOLE), zeroes: can(FallocateFlags::ZERO_RANGE) };
    let shape = Shape {
        block,
        physical: physical.max(block),
        align,
        max_discard: if by_itself.holes { MAX_RANGE } else { 0 },
        discard_align: block.max(HOLE),
        // Either kind of ZERO may come.
        max_zero: if by_itself.holes && by_itself.zeroes { MAX_RANGE } else { MAX_WRITTEN_ZERO },
        read_only: access.read_only,
        ..Shape::of(bytes)
    };
    shape.check()?;
    Ok(Opened { file, shape, by_itself })
}

/// Units of offsets and of addresses around the page cache.
fn direct_units(file: &File, logical: u32) -> (u32, u32) {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    // STATX_DIOALIGN, since Linux 6.1.
    let wanted = StatxFlags::from_bits_retain(0x2000);
    let told = statx(file, c"", AtFlags::EMPTY_PATH, wanted)
        .ok()
        .filter(|stat| stat.stx_mask & 0x2000 != 0)
        .map(|stat| (stat.stx_dio_offset_align, stat.stx_dio_mem_align));
    match told {
        Some((block, align)) if block.is_power_of_two() && align.is_power_of_two() => {
            (block.clamp(512, 65_536), align.clamp(1, 4096))
        }
        // What every device and file system takes.
        _ => (logical.max(4096), 4096),
    }
}

/// Size of a file or a block device.
pub(crate) fn size(file: &File) -> std::io::Result<u64> {
    let stat = fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice {
        // All I/O names its offset, so where the file stands is of no account.
        return Ok(seek(file, SeekFrom::End(0))?);
    }
    u64::try_from(stat.st_size).map_err(|_| std::io::ErrorKind::InvalidData.into())
}

/// What of a size are whole blocks: a file that grew by odd bytes is so large.
pub(crate) fn whole_blocks(bytes: u64, block: u32) -> u64 {
    bytes.checked_rem(u64::from(block)).map_or(0, |rest| bytes.saturating_sub(rest))
}
