// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that two processes share: a file without a name, which the child finds as its standard input.
#![allow(unsafe_code, reason = "memory is mapped, and every ring begins at a pointer")]

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::fs::File;
use std::io::{Error, ErrorKind, Result, stdin};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Stdio;
use tenon_rings::Mapping;

/// A peer that cut the file short would end whoever touches what is gone.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::SEAL);

/// Shared memory, cleared by whoever made it. It stays mapped until the process ends, so handles are never
/// left without it.
pub(crate) struct Memory {
    file: OwnedFd,
    mapping: Mapping,
}

impl Memory {
    /// `len` bytes for a child to come.
    pub(crate) fn create(len: u64) -> Result<Self> {
        let file = memfd_create("tenon", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, len)?;
        fcntl_add_seals(&file, SEALS)?;
        Self::map(file)
    }

    /// What the parent has given this process as its standard input.
    pub(crate) fn inherited() -> Result<Self> {
        let file = stdin().as_fd().try_clone_to_owned()?;
        if !fcntl_get_seals(&file)?.contains(SEALS) {
            return Err(Error::new(ErrorKind::InvalidInput, "the parent could take the memory away"));
        }
        Self::map(file)
    }

    /// The standard input of a child that is to have this memory.
    pub(crate) fn to_stdin(&self) -> Result<Stdio> {
        Ok(File::from(self.file.try_clone()?).into())
    }

    /// All of it.
    pub(crate) const fn mapping(&self) -> Mapping {
        self.mapping
    }

    fn map(file: OwnedFd) -> Result<Self> {
        let len = usize::try_from(fstat(&file)?.st_size).map_err(Error::other)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, where the system finds room.
        let base = unsafe { mmap(std::ptr::null_mut(), len, access, MapFlags::SHARED, &file, 0) }?;
        // SAFETY: mapped for reading and writing for as long as the process lives, of a length that is
        // sealed; no reference to it exists.
        let mapping = unsafe { Mapping::new(base.cast(), len) };
        Ok(Self { file, mapping: mapping.ok_or(ErrorKind::InvalidInput)? })
    }
}
