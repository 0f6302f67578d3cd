// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a disk is made of: the small trait of an embedder's own.

use super::buffers::Buffers;
use super::shape::Shape;
use std::io;
use tenon_abi::Status;

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The medium could not.
    Io,
    /// The medium is full.
    NoSpace,
    /// The medium cannot be written.
    ReadOnly,
    /// The medium has no such operation.
    NotSupported,
}

impl Fault {
    /// What a guest is told (BLK-5, BLK-7).
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Io => Status::IO_ERROR,
            Self::NoSpace => Status::NO_SPACE,
            Self::ReadOnly => Status::READ_ONLY,
            Self::NotSupported => Status::NOT_SUPPORTED,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => Self::NoSpace,
            Some(libc::EROFS) => Self::ReadOnly,
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => Self::NotSupported,
            _ => match error.kind() {
                io::ErrorKind::StorageFull => Self::NoSpace,
                io::ErrorKind::Unsupported => Self::NotSupported,
                _ => Self::Io,
            },
        }
    }
}

/// What a disk is made of. Requests are checked against its shape before they come here.
///
/// Each method does all of its request before it returns. A disk may call several at once, from several
/// threads.
pub trait Medium: Send + Sync {
    /// Its size and shape, asked when the disk is made and when it is to be resized.
    fn shape(&self) -> Shape;

    /// Fills all of `into` with what stands from `offset` on.
    ///
    /// # Errors
    ///
    /// A [`Fault`], and `into` may hold anything.
    fn read(&self, offset: u64, into: &Buffers) -> Result<(), Fault>;

    /// Writes all of `from` from `offset` on. Where the shape says `volatile_cache`, the bytes may be lost
    /// until a [`Self::flush`] is done, else they are durable when this returns.
    ///
    /// # Errors
    ///
    /// A [`Fault`], and the range may hold anything.
    fn write(&self, offset: u64, from: &Buffers) -> Result<(), Fault>;

    /// Makes durable whatever was written before.
    ///
    /// # Errors
    ///
    /// A [`Fault`] of any kind: bytes that a guest believes written may be lost. The disk has *failed* from
    /// then on (BLK-7).
    fn flush(&self) -> Result<(), Fault>;

    /// The guest does not need what stands there. Until it is written, it reads as before or as zeros.
    ///
    /// # Errors
    ///
    /// A [`Fault`].
    fn discard(&self, offset: u64, len: u64) -> Result<(), Fault> {
        let _ = (offset, len);
        Err(Fault::NotSupported)
    }

    /// From then on the range reads as zeros. With `may_unmap` it may lose its place on the medium.
    ///
    /// # Errors
    ///
    /// A [`Fault`].
    fn zero(&self, offset: u64, len: u64, may_unmap: bool) -> Result<(), Fault> {
        let _ = (offset, len, may_unmap);
        Err(Fault::NotSupported)
    }
}
