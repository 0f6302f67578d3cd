// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a dead host did not live to keep (BLK-12).
//!
//! The kernel tells of a failed write-back once: to each open file description that was there when it failed,
//! at its next sync. A description that was opened later hears nothing. So a host that dies after it was told
//! and before it has set its latch takes the knowledge with it, and its successor's FLUSH would say OK.
//!
//! A witness is one more description of the disk, which no host syncs. Whoever starts hosts again opens it
//! before the first and outlives them all.

use super::latch::Latch;
use super::lock::lock;
use crate::Error;
use rustix::fs::{FlockOperation, fdatasync, flock};
use rustix::io::retry_on_intr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Knows of each write-back that has failed since it was opened, whoever asked for it.
///
/// ```no_run
/// use std::path::Path;
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tenon_devices::block::{KeptInFile, Witness};
///
/// let path = Path::new("disk.img");
/// let latch = Arc::new(KeptInFile::new("disk.failed"));
/// let witness = Witness::open(path)?;
/// loop {
///     // Start a host with `Disk::raw(path, …)?.with_latch(latch)`, in a process of its own, and wait until
///     // it is dead. Then, before the next one:
///     witness.settle(&*latch, Duration::from_secs(60))?;
///     # break;
/// }
/// # Ok::<(), tenon_devices::Error>(())
/// ```
#[derive(Debug)]
pub struct Witness {
    file: File,
    path: PathBuf,
}

impl Witness {
    /// Opens one. Nobody has this disk yet, or those who have it have had no write-back.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|error| Error::open(path, false, error))?;
        Ok(Self::of(file, path))
    }

    /// One that was kept for this process, such as by a service manager. The path is for messages.
    #[must_use]
    pub fn of(file: File, path: impl Into<PathBuf>) -> Self {
        Self { file, path: path.into() }
    }

    /// Waits until the last host's I/O has landed, and sets the latch if a write-back has failed since the
    /// last call. The result is whether one has.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`]: a host has had the disk for all of `patience`. Or the latch cannot be set. Until a
    /// call has succeeded no host may be started.
    pub fn settle(&self, latch: &dyn Latch, patience: Duration) -> Result<bool, Error> {
        let system = || Error::system(self.path.display().to_string());
        if !lock(&self.file, true, patience).map_err(system())? {
            return Err(Error::Locked(self.path.clone()));
        }
        // A sync that fails for whatever reason may have been one that mattered.
        let failed =
            !tenon_rings::planted!("witness-not-asked") && retry_on_intr(|| fdatasync(&self.file)).is_err();
        let kept = if failed { latch.set() } else { Ok(()) };
        // It has no I/O of its own under way, and the next host is to have the lock.
        let unlocked = retry_on_intr(|| flock(&self.file, FlockOperation::Unlock));
        kept.map_err(Error::system("cannot keep that a write-back of the disk has failed"))?;
        unlocked.map_err(|error| system()(error.into()))?;
        Ok(failed)
    }
}

impl AsFd for Witness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
