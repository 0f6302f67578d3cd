// SPDX-License-Identifier: MIT OR Apache-2.0
//! FAILED (BLK-7): a write-back that failed is not forgotten before the embedder says so.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What keeps FAILED, for as long as the disk's owner wants it kept. A host that is started again is given
/// the same.
pub trait Latch: Debug + Send + Sync {
    /// Whether it is set.
    ///
    /// # Errors
    ///
    /// Nobody can tell. It counts as set.
    fn is_set(&self) -> io::Result<bool>;

    /// Sets it, for good, before this returns.
    ///
    /// # Errors
    ///
    /// It is not kept. It counts as set for as long as this process runs.
    fn set(&self) -> io::Result<()>;

    /// The embedder has seen to the disk.
    ///
    /// # Errors
    ///
    /// It is still set.
    fn clear(&self) -> io::Result<()>;
}

/// Kept by a process: whoever starts a disk again in it passes the same latch on.
#[derive(Debug, Default)]
pub struct KeptHere(AtomicBool);

impl Latch for KeptHere {
    fn is_set(&self) -> io::Result<bool> {
        Ok(self.0.load(Ordering::SeqCst))
    }

    fn set(&self) -> io::Result<()> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        self.0.store(false, Ordering::SeqCst);
        Ok(())
    }
}

/// What stands in a file that keeps a latch.
const MARK: &[u8] = b"tenon: a write-back of this disk has failed\n";

/// Kept by a file, which is there while the latch is set. It outlives the process and, on another disk than
/// the one that failed, the machine.
#[derive(Debug)]
pub struct KeptInFile(PathBuf);

impl KeptInFile {
    /// Keeps the latch in this file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn is_ours(&self) -> io::Result<bool> {
        let mut text = Vec::new();
        let most = u64::try_from(MARK.len()).unwrap_or(u64::MAX).saturating_add(1);
        File::open(&self.0)?.take(most).read_to_end(&mut text)?;
        // A host that was killed while it wrote has left the front of it.
        Ok(MARK.starts_with(&text))
    }
}

impl Latch for KeptInFile {
    fn is_set(&self) -> io::Result<bool> {
        fs::exists(&self.0)
    }

    fn set(&self) -> io::Result<()> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0) {
            Ok(mut file) => {
                file.write_all(MARK)?;
                file.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        self.sync_folder()
    }

    fn clear(&self) -> io::Result<()> {
        match self.is_ours() {
            Ok(true) => fs::remove_file(&self.0)?,
            Ok(false) => return Err(io::Error::other("the file is not one that keeps a latch")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        self.sync_folder()
    }
}
