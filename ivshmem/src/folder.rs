// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder for one socket, which goes with it: at the latest when this user's next one is made, where its
//! process was killed.
//!
//! Its process holds a lock on it, and makes the socket behind that: a folder with a socket and without a
//! lock is a dead process's.

use crate::Error;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::ffi::OsStr;
use std::fs::{Permissions, read_dir, remove_dir, remove_file, symlink_metadata};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What its name starts with.
const PREFIX: &str = "tenon-ivshmem-";
/// For this user alone.
const MODE: u32 = 0o700;
/// So many of them are looked at: whoever leaves more has another trouble.
const MOST: usize = 1000;

/// The folder.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    /// While it is open others leave the folder alone.
    _lock: OwnedFd,
}

impl Folder {
    /// A new one, and dead ones of this user's go.
    pub(crate) fn new() -> Result<Self, Error> {
        sweep(&std::env::temp_dir());
        let builder =
            tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(MODE)).tempdir();
        let folder = builder.map_err(Error::system("no folder for the socket"))?;
        let lock =
            locked(folder.path()).map_err(|error| Error::System("no lock on a folder", error.into()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where its socket lies.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.folder.path())
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

/// The folder's lock, if nobody has it.
fn locked(folder: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = open(folder, flags, Mode::empty())?;
    flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
    Ok(fd)
}

/// Removes what processes have left that were killed. What cannot be removed stays: it is in nobody's way.
fn sweep(place: &Path) {
    let named = |name: &OsStr| name.as_bytes().starts_with(PREFIX.as_bytes());
    let Ok(all) = read_dir(place) else { return };
    for folder in all.flatten().filter(|entry| named(&entry.file_name())).take(MOST) {
        remove(&folder.path());
    }
}

/// Removes this folder, if it is a dead one of this user's with nothing but its socket.
fn remove(folder: &Path) {
    let is_own = |path: &Path| symlink_metadata(path).ok().filter(|found| found.uid() == user());
    let is_folder = is_own(folder).is_some_and(|found| found.is_dir() && found.mode() & 0o7777 == MODE);
    let socket = socket(folder);
    let is_socket = || is_own(&socket).is_some_and(|found| found.file_type().is_socket());
    let is_alone = || read_dir(folder).is_ok_and(|found| found.take(2).count() == 1);
    if !is_folder || !is_socket() || !is_alone() {
        return;
    }
    if let Ok(_lock) = locked(folder) {
        // The folder stays if somebody has put more into it meanwhile.
        let _ = remove_file(&socket).and_then(|()| remove_dir(folder));
    }
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
