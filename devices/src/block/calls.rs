// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file's calls by threads, where the kernel has no io_uring to give.
#![allow(unsafe_code, reason = "the kernel is handed addresses of the guest's memory")]

use super::iov::Piece;
use super::pool::Pool;
use super::storage::{Call, Over, Storage, Transfer};
use crate::Error;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

/// Calls that wait for a thread or are under way at once.
const DEPTH: usize = 256;

/// Does calls by a few threads.
pub(crate) struct Calls(Pool<Transfer, Over>);

impl Calls {
    pub(crate) fn new(file: Arc<File>, threads: usize) -> Result<Self, Error> {
        let run = move |transfer: Transfer| {
            let result = call(&file, &transfer);
            (transfer, result)
        };
        Ok(Self(Pool::new(threads, run)?))
    }
}

fn call(file: &File, transfer: &Transfer) -> io::Result<u64> {
    let fd = file.as_raw_fd();
    let (pieces, count) = Piece::as_iovecs(&transfer.pieces);
    let at = |offset: u64| libc::off64_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput);
    let fallocate = |mode, offset, len| {
        let (offset, len) = (at(offset)?, at(len)?);
        // SAFETY: no memory is named.
        Ok::<_, io::Error>(if unsafe { libc::fallocate64(fd, mode, offset, len) } == 0 { 0 } else { -1 })
    };
    let result = match transfer.call {
        // SAFETY: the pieces are `count` at least, and the memory that they name is kept by the transfer's
        // owner.
        Call::Read { offset } => unsafe { libc::preadv64(fd, pieces, count.into(), at(offset)?) },
        // SAFETY: as above.
        Call::Write { offset } => unsafe { libc::pwritev64(fd, pieces, count.into(), at(offset)?) },
        Call::Sync => {
            // SAFETY: no memory is named.
            let result = unsafe { libc::fdatasync(fd) };
            if result == 0 { 0 } else { -1 }
        }
        Call::Punch { offset, len } => {
            fallocate(libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, offset, len)?
        }
        Call::Zero { offset, len } => {
            fallocate(libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE, offset, len)?
        }
    };
    u64::try_from(result).map_err(|_| io::Error::last_os_error())
}

impl Storage for Calls {
    fn start(&mut self, transfer: Transfer) -> Option<Transfer> {
        if self.0.in_flight() >= DEPTH {
            return Some(transfer);
        }
        self.0.give(transfer);
        None
    }

    fn push(&mut self) {}

    fn reap(&mut self, over: &mut Vec<Over>) {
        self.0.take(over);
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.0.wake()
    }
}
