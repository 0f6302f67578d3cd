// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shared memory behind the core: region 0 is all of it, with a hole where the window and the bind word
//! are (SHM-1).
#![allow(unsafe_code, reason = "maps memory that another process writes at any time")]

use crate::Error;
use crate::shape::Shape;
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::os::fd::AsFd;
use std::ptr;
use tenon_host::Memory;
use tenon_rings::{Mapping, Words};

/// Maps all of a guest's memory, for as long as this process lives.
///
/// # Errors
///
/// [`Error::System`]; [`Error::Length`] if it is shorter than its shape.
pub fn map(memory: impl AsFd, shape: Shape) -> Result<Mapping, Error> {
    shape.check()?;
    let found = rustix::fs::fstat(&memory).map_err(Error::system("the memory"))?.st_size;
    if u64::try_from(found).unwrap_or(0) < shape.len {
        return Err(Error::Length(u64::try_from(found).unwrap_or(0), shape.len));
    }
    let len = usize::try_from(shape.len).map_err(|_| Error::Length(shape.len, 0))?;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at a place of the system's choice.
    let base = unsafe { mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, memory, 0) }
        .map_err(Error::system("the memory cannot be mapped"))?;
    // SAFETY: `len` bytes were just mapped there, are never unmapped, and are reached through this handle and
    // its copies alone; the file's length is sealed and was looked at.
    unsafe { Mapping::new(base.cast(), len) }.ok_or(Error::Length(shape.len, 0))
}

/// A guest's memory as its host sees it.
#[derive(Debug)]
pub struct Device {
    all: Mapping,
    window: Mapping,
    free: u64,
}

impl Device {
    /// The memory of this shape; `None` if it is shorter.
    #[must_use]
    pub fn new(all: Mapping, shape: Shape) -> Option<Self> {
        let window = all.slice(0, usize::try_from(shape.window_len() / 8).ok()?)?;
        Some(Self { all, window, free: shape.free() })
    }

    /// Whether a range is the guest's: behind what is the host's.
    fn offset(&self, region: u16, offset: u64) -> Option<usize> {
        usize::try_from(offset).ok().filter(|_| region == 0 && offset >= self.free)
    }
}

impl Memory for Device {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        u64::try_from(self.all.byte_len()).ok().filter(|_| region == 0)
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Mapping> {
        let offset = self.offset(region, offset).filter(|offset| offset.is_multiple_of(8))?;
        self.all.slice(offset / 8, usize::try_from(len / 8).ok()?)
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        self.offset(region, offset).is_some_and(|offset| self.all.read(offset, out))
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        self.offset(region, offset).is_some_and(|offset| self.all.write(offset, data))
    }

    fn window(&self) -> Mapping {
        self.window
    }
}
