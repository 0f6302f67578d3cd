// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names, folders and places on a FAT volume.

use crate::request::{NAME, components, decode};
use core::ops::ControlFlow;
use hadris_fat::embedded::{Dir, Entry, File, MountToken, Options, sync::Fat};
use hadris_fs::{DateTime, DirCursor, ErrorKind, Extent, FileType, OpenOptions};
use hadris_storage::sync::BlockDevice;

/// Why something was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing of that name.
    NotFound,
    /// The disk failed, or what is on it is no FAT volume or is damaged.
    Disk,
}

impl<E> From<hadris_fs::Error<E>> for Fault {
    fn from(error: hadris_fs::Error<E>) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput => Self::NotFound,
            _ => Self::Disk,
        }
    }
}

/// What a path leads to.
pub(crate) enum Found {
    Folder(Dir),
    File { folder: Dir, len: u64, modified: Option<DateTime> },
}

/// A volume that is only read, with `N` files open at once.
pub struct Volume<'m, D, const N: usize>(Fat<'m, D, N>);

impl<'m, D: BlockDevice, const N: usize> Volume<'m, D, N> {
    /// Looks at what is on `disk`, whose blocks have 512 bytes.
    ///
    /// # Errors
    /// [`Fault::Disk`].
    pub fn mount(disk: D, token: &'m mut MountToken) -> Result<Self, Fault> {
        let options = Options::new().read_only().with_fold(hadris_fat_raw::fold_unicode);
        Fat::mount_with(disk, token, options).map(Self).map_err(|_| Fault::Disk)
    }

    /// Follows a path as a client sent it.
    pub(crate) fn find(&mut self, path: &str) -> Result<Found, Fault> {
        let mut buffer = [0; NAME];
        let mut folder = self.0.root();
        let mut names = components(path).peekable();
        while let Some(sent) = names.next() {
            let name = decode(sent, &mut buffer).ok_or(Fault::NotFound)?;
            if names.peek().is_some() {
                folder = self.0.open_dir(folder, name)?;
                continue;
            }
            let about = self.0.metadata(folder, name)?;
            if about.file_type() == FileType::Dir {
                return Ok(Found::Folder(self.0.open_dir(folder, name)?));
            }
            if path.ends_with('/') {
                return Err(Fault::NotFound);
            }
            return Ok(Found::File { folder, len: about.len(), modified: about.modified() });
        }
        Ok(Found::Folder(folder))
    }

    pub(crate) fn open(&mut self, folder: Dir, path: &str) -> Result<File<'m>, Fault> {
        let mut buffer = [0; NAME];
        let name = components(path).last().and_then(|sent| decode(sent, &mut buffer));
        Ok(self.0.open(folder, name.ok_or(Fault::NotFound)?, OpenOptions::new().read())?)
    }

    pub(crate) fn close(&mut self, file: File<'m>) {
        // Nothing was written, so nothing is left to fail.
        let _ = self.0.close(file);
    }

    /// Where the bytes of a file lie, from its byte `from` on: how many pieces.
    pub(crate) fn places(&mut self, file: &File<'_>, from: u64, to: &mut [Extent]) -> Result<usize, Fault> {
        Ok(self.0.extents(file, from, to)?)
    }

    pub(crate) fn list(
        &mut self,
        folder: Dir,
        from: DirCursor,
        each: impl FnMut(&Entry<'_, 'm>) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        Ok(self.0.list(folder, from, each)?)
    }
}
