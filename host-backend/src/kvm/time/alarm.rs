// SPDX-License-Identifier: MIT OR Apache-2.0
//! A timerfd: one thread waits, others say for how long.
#![allow(
    unsafe_code,
    reason = "requests for a timerfd, which no crate that is used here shares among threads"
)]

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// A wait that may be slewed by more than this is done in two: the second one is short.
const LONG: u64 = 100_000_000;

/// An alarm. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Alarm {
    fd: Arc<OwnedFd>,
}

impl Alarm {
    /// One that is not set.
    ///
    /// # Errors
    ///
    /// What the system answered.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the request takes numbers alone.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and nobody else's.
        Ok(Self { fd: Arc::new(unsafe { OwnedFd::from_raw_fd(fd) }) })
    }

    /// Rings after so many nanoseconds of a clock that is not slewed, and not for what was said before. The
    /// system's timers are slewed: a long wait ends a thousandth early, and whoever waits looks again.
    pub fn set(&self, nanoseconds: u64) {
        let early = if nanoseconds > LONG { nanoseconds >> 10 } else { 0 };
        // Zero would mean never.
        let (seconds, rest) = {
            let nanoseconds = nanoseconds.saturating_sub(early).max(1);
            (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
        };
        let most = libc::time_t::MAX >> 1;
        let value = libc::timespec {
            tv_sec: libc::time_t::try_from(seconds).unwrap_or(most).min(most),
            tv_nsec: libc::c_long::try_from(rest).unwrap_or(0),
        };
        let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let when = libc::itimerspec { it_interval: never, it_value: value };
        // SAFETY: the request reads one structure. It cannot fail: the descriptor is a timer's, and the time
        // is a valid one.
        unsafe { libc::timerfd_settime(self.fd.as_raw_fd(), 0, &raw const when, std::ptr::null_mut()) };
    }

    /// Waits until it rings.
    ///
    /// # Errors
    ///
    /// What the system answered.
    pub fn wait(&self) -> io::Result<()> {
        loop {
            let mut count = 0_u64;
            // SAFETY: reads eight bytes into a number of that size.
            let read = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
            if read >= 0 {
                return Ok(());
            }
            let why = io::Error::last_os_error();
            if why.kind() != ErrorKind::Interrupted {
                return Err(why);
            }
        }
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
