// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder is told when a back end cannot be made.

use std::io;
use std::path::{Path, PathBuf};

/// Why a back end cannot be made. Each is one clear line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such file.
    #[error("{}: there is no such file", .0.display())]
    Missing(PathBuf),
    /// A directory is no disk.
    #[error("{}: it is a directory, and a disk is a file or a block device", .0.display())]
    Directory(PathBuf),
    /// It is neither a file nor a block device.
    #[error("{}: it is neither a file nor a block device", .0.display())]
    NoDisk(PathBuf),
    /// It may not be written.
    #[error("{}: it may not be written; open it read-only", .0.display())]
    ReadOnly(PathBuf),
    /// It may not be opened at all.
    #[error("{}: this user may not open it", .0.display())]
    Forbidden(PathBuf),
    /// Another process, or another machine of this one, has it.
    #[error("{}: it is in use by another machine", .0.display())]
    Locked(PathBuf),
    /// Its size is none of a disk.
    #[error("{}: its size of {len} bytes is not a multiple of {block}", path.display())]
    BadSize {
        /// The file.
        path: PathBuf,
        /// Its length.
        len: u64,
        /// What it has to be a multiple of.
        block: u32,
    },
    /// A file that a qcow2 image stands on is missing.
    #[error("{}: the file that it stands on is missing: {}", path.display(), backing.display())]
    BackingMissing {
        /// The image.
        path: PathBuf,
        /// What it names.
        backing: PathBuf,
    },
    /// A qcow2 image stands on itself.
    #[error("{}: it stands on itself, by way of {}", path.display(), backing.display())]
    BackingLoop {
        /// The image.
        path: PathBuf,
        /// What it names.
        backing: PathBuf,
    },
    /// It is not of the format that was asked for, or is broken.
    #[error("{}: it cannot be used as {format}: {why}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it should be.
        format: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A shape or an option that makes no sense.
    #[error("{0}")]
    BadOption(&'static str),
    /// The system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// What the system says of a path that was to be opened.
    pub(crate) fn open(path: &Path, writable: bool, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => Self::Missing(path),
            Some(libc::EISDIR) => Self::Directory(path),
            Some(libc::EROFS | libc::ETXTBSY) => Self::ReadOnly(path),
            Some(libc::EACCES | libc::EPERM) if writable => Self::ReadOnly(path),
            Some(libc::EACCES | libc::EPERM) => Self::Forbidden(path),
            _ => Self::System { what: path.display().to_string(), source },
        }
    }

    /// A system call that failed.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what: what.into(), source }
    }
}
