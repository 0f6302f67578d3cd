// SPDX-License-Identifier: MIT OR Apache-2.0
//! The window of a process: mapped twice, writable for the host, read-only for the guest (DISC-5).
#![allow(unsafe_code, reason = "maps one file twice, and lets the kernel try a store")]

use tenon_rings::Mapping;

/// Both sides' view of the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) host: Mapping,
    pub(super) guest: Mapping,
}

#[cfg(target_os = "linux")]
mod system {
    use super::Window;
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::ptr;
    use tenon_rings::{Mapping, Words};

    impl Window {
        pub(in super::super) fn new(len: usize) -> io::Result<Self> {
            // SAFETY: the name is a string that ends with a zero.
            let fd = unsafe { libc::memfd_create(c"tenon-window".as_ptr(), libc::MFD_CLOEXEC) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the call just gave this descriptor to us alone.
            let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
            file.set_len(len as u64)?;
            Ok(Self {
                host: map(&file, len, libc::PROT_READ | libc::PROT_WRITE)?,
                guest: map(&file, len, libc::PROT_READ)?,
            })
        }

        /// Asks the kernel to store where the guest would: it answers with an error where the processor would
        /// fault.
        pub(in super::super) fn try_store(&self, offset: usize, value: u64) -> Option<bool> {
            let target = self.guest.slice(offset / 8, 1)?;
            let (reader, mut writer) = io::pipe().ok()?;
            writer.write_all(&value.to_le_bytes()).ok()?;
            // SAFETY: the mapping lives for ever and is only reached by atomics; where it is not writable the
            // kernel refuses.
            let got = unsafe { libc::read(reader.as_raw_fd(), target.base().cast(), 8) };
            match got {
                8 => Some(false),
                _ if io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT) => Some(true),
                _ => None,
            }
        }
    }

    fn map(file: &File, len: usize, protection: i32) -> io::Result<Mapping> {
        // SAFETY: a new mapping of a file that is ours, at an address of the kernel's choice.
        let base =
            unsafe { libc::mmap(ptr::null_mut(), len, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `len` bytes are mapped at `base` and are never unmapped. Nobody stores through the
        // read-only view.
        unsafe { Mapping::new(base.cast(), len) }.ok_or_else(|| io::Error::other("the window is not aligned"))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Window;
    use std::io;
    use tenon_host::Memory;
    use tenon_host::loopback::{Piece, Ram};

    impl Window {
        pub(in super::super) fn new(len: usize) -> io::Result<Self> {
            let arena = Ram::new(0, len).map_err(io::Error::other)?;
            let window: &'static Piece = Box::leak(Box::new(arena.window()));
            Ok(Self { host: window.forever(), guest: window.forever() })
        }

        pub(in super::super) fn try_store(&self, _offset: usize, _value: u64) -> Option<bool> {
            None
        }
    }
}
