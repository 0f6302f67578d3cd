// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file's calls by io_uring.
#![allow(unsafe_code, reason = "the kernel is handed addresses of the guest's memory")]

use super::iov::Piece;
use super::storage::{Call, Over, Storage, Transfer};
use io_uring::{IoUring, Probe, opcode, squeue, types};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

/// Calls that the kernel has at once.
const DEPTH: u32 = 256;

/// Does calls by a ring of its own.
pub(crate) struct Uring {
    ring: IoUring,
    file: Arc<File>,
    /// What the kernel has, by the number that it gives back.
    under_way: Vec<Option<Transfer>>,
    free: Vec<usize>,
}

impl Uring {
    /// A ring for the calls of this file.
    ///
    /// # Errors
    ///
    /// The kernel has none to give, or none that can do them all: `Unsupported`.
    pub(crate) fn new(file: Arc<File>) -> io::Result<Self> {
        let ring = IoUring::new(DEPTH)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let needed =
            [opcode::Readv::CODE, opcode::Writev::CODE, opcode::Fsync::CODE, opcode::Fallocate::CODE];
        // Without SUBMIT_STABLE the kernel reads the pieces after it was handed them. They stay where they
        // are until the call is over, so that is fine; a kernel that loses completions is not.
        if !needed.iter().all(|code| probe.is_supported(*code)) || !ring.params().is_feature_nodrop() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let depth = usize::try_from(DEPTH).unwrap_or(0);
        let under_way = (0..depth).map(|_| None).collect();
        Ok(Self { ring, file, under_way, free: (0..depth).collect() })
    }

    fn entry(&self, transfer: &Transfer) -> squeue::Entry {
        let file = types::Fd(self.file.as_raw_fd());
        let (pieces, count) = Piece::as_iovecs(&transfer.pieces);
        match transfer.call {
            Call::Read { offset } => opcode::Readv::new(file, pieces, count.into()).offset(offset).build(),
            Call::Write { offset } => opcode::Writev::new(file, pieces, count.into()).offset(offset).build(),
            Call::Sync => opcode::Fsync::new(file).flags(types::FsyncFlags::DATASYNC).build(),
            Call::Punch { offset, len } => {
                let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                opcode::Fallocate::new(file, len).offset(offset).mode(mode).build()
            }
            Call::Zero { offset, len } => {
                let mode = libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE;
                opcode::Fallocate::new(file, len).offset(offset).mode(mode).build()
            }
        }
    }

    /// Hands over what stands in the ring; `false`: the kernel cannot take more now.
    fn submit(&mut self) -> bool {
        match self.ring.submit() {
            Ok(_) => true,
            // EBUSY: completions that nobody has taken stand in its way. EAGAIN: memory does.
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }
}

impl Storage for Uring {
    fn start(&mut self, transfer: Transfer) -> Option<Transfer> {
        let Some(number) = self.free.pop() else { return Some(transfer) };
        let entry = self.entry(&transfer).user_data(u64::try_from(number).unwrap_or(u64::MAX));
        // SAFETY: the pieces lie in a vector of the transfer, which is kept unmoved and unchanged in
        // `under_way` until the kernel has said that it is over; the guest's memory behind them is kept by
        // who gave the transfer, and the file by `self`. `drop` waits for both.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        match (pushed, self.under_way.get_mut(number)) {
            (Ok(()), Some(place)) => {
                *place = Some(transfer);
                None
            }
            // It has as many entries as there are numbers, so this is only for the case of a doubt.
            _ => {
                self.free.push(number);
                Some(transfer)
            }
        }
    }

    fn push(&mut self) {
        // What the kernel did not take stands in the ring, and goes with the next.
        if !self.ring.submission().is_empty() {
            self.submit();
        }
    }

    fn reap(&mut self, over: &mut Vec<Over>) {
        self.push();
        for entry in self.ring.completion() {
            let Ok(number) = usize::try_from(entry.user_data()) else { continue };
            let Some(transfer) = self.under_way.get_mut(number).and_then(Option::take) else { continue };
            self.free.push(number);
            let result = match u64::try_from(entry.result()) {
                Ok(count) => Ok(count),
                Err(_) => Err(io::Error::from_raw_os_error(entry.result().wrapping_neg())),
            };
            over.push((transfer, result));
        }
    }

    fn wake(&self) -> BorrowedFd<'_> {
        // SAFETY: the ring is open for as long as `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }
    }
}

/// Waits for what is under way: the kernel has addresses of memory that is somebody else's behind this.
impl Drop for Uring {
    fn drop(&mut self) {
        let mut over = Vec::new();
        while self.under_way.iter().any(Option::is_some) {
            // An error is passing: the calls end all the same.
            let _ = self.ring.submit_and_wait(1);
            self.reap(&mut over);
        }
    }
}
