// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames through a TAP interface of the system.
#![allow(unsafe_code, reason = "an ioctl is handed the address of its argument")]

use super::port::{Gone, Port};
use crate::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

const DEVICE: &str = "/dev/net/tun";

/// Frames through a TAP interface of the system.
#[derive(Debug)]
pub struct Tap(File);

impl Tap {
    /// Uses the TAP interface `name`, which is made if there is none and this process may make one. Addresses
    /// and routes are the administrator's.
    ///
    /// # Errors
    ///
    /// This user may not, the name is none, or another process has it.
    pub fn open(name: &str) -> Result<Self, Error> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() >= libc::IFNAMSIZ || bytes.contains(&0) {
            return Err(Error::BadOption("the name of a TAP interface has 1 to 15 bytes"));
        }
        let told = |what: String| Error::system(what);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(DEVICE)
            .map_err(told(DEVICE.into()))?;
        // SAFETY: all zeros is a value of this plain structure.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
            *to = libc::c_char::from_ne_bytes([*from]);
        }
        request.ifr_ifru.ifru_flags =
            libc::c_short::try_from(libc::IFF_TAP | libc::IFF_NO_PI).unwrap_or_default();
        loop {
            // SAFETY: the descriptor is open, and the structure lives through the call, which writes to it at
            // most.
            if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) } == 0 {
                return Ok(Self(file));
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(told(format!("TAP interface {name}"))(error));
            }
        }
    }
}

impl Port for Tap {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn send(&mut self, frame: &[u8]) -> Result<bool, Gone> {
        loop {
            match self.0.write(frame) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // The interface is down, or the frame not to its liking: a network drops.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL)) => {
                    return Ok(true);
                }
                Err(error) => return Err(Gone(error.to_string())),
            }
        }
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<Option<usize>, Gone> {
        loop {
            match self.0.read(frame) {
                Ok(len) if len < super::queue::SHORTEST => {}
                Ok(len) => return Ok(Some(len)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Down, nothing comes; it may be up again later.
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        || error.raw_os_error() == Some(libc::EIO) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(Gone(error.to_string())),
            }
        }
    }
}
