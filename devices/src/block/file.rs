// SPDX-License-Identifier: MIT OR Apache-2.0
//! A disk on a file: what each request asks of the file, and what a short answer means.

use super::engine::Engine;
use super::iov::Piece;
use super::job::{Done, Job, Key, Work};
use super::medium::Fault;
use super::storage::{Call, Over, Storage, Transfer};
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

/// What a file does to a range without being given its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByItself {
    /// It can have holes, which read as zeros.
    pub holes: bool,
    /// It makes a range zeros.
    pub zeroes: bool,
}

/// Does requests by the calls of a file.
pub(crate) struct OnFile<S> {
    storage: S,
    /// What the file has had no room for. None of it has begun.
    waiting: VecDeque<Transfer>,
    by_itself: ByItself,
    over: Vec<Over>,
    /// Vectors for pieces, to be used again.
    spare: Vec<Vec<Piece>>,
}

impl<S: Storage> OnFile<S> {
    pub(crate) fn new(storage: S, by_itself: ByItself) -> Self {
        let (waiting, over, spare) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { storage, waiting, by_itself, over, spare }
    }

    /// The next call for a request of which so many bytes are moved.
    fn call(&mut self, job: Job, moved: u64) -> Transfer {
        let mut pieces = self.spare.pop().unwrap_or_default();
        let skip = usize::try_from(moved).unwrap_or(usize::MAX);
        let call = match job.work {
            Work::Read { offset } => Call::Read { offset: offset.saturating_add(moved) },
            Work::Write { offset } => Call::Write { offset: offset.saturating_add(moved) },
            Work::Sync => Call::Sync,
            Work::Discard { offset, len } => Call::Punch { offset, len },
            Work::Zero { offset, len, may_unmap: true } if self.by_itself.holes => {
                Call::Punch { offset, len }
            }
            Work::Zero { offset, len, .. } if self.by_itself.zeroes => Call::Zero { offset, len },
            Work::Zero { offset, len, .. } => {
                pieces.push(Piece::zeros(len.saturating_sub(moved)));
                Call::Write { offset: offset.saturating_add(moved) }
            }
        };
        if matches!(job.work, Work::Read { .. } | Work::Write { .. }) {
            pieces.extend(job.buffers.from(skip).map(|(chunk, skipped)| Piece::of(&chunk, skipped)));
        }
        Transfer { call, pieces, job, moved }
    }

    fn start(&mut self, transfer: Transfer) {
        if let Some(back) = self.storage.start(transfer) {
            self.waiting.push_back(back);
        }
    }

    /// What became of a request whose call is over: it is done, or goes on.
    fn settle(&mut self, (mut transfer, result): Over) -> ControlFlow<Done, Transfer> {
        let total = match transfer.job.work {
            Work::Read { .. } | Work::Write { .. } => u64::try_from(transfer.job.buffers.len()).unwrap_or(0),
            Work::Zero { len, .. } if matches!(transfer.call, Call::Write { .. }) => len,
            _ => 0,
        };
        let result = match result {
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                return ControlFlow::Continue(transfer);
            }
            Err(error) => Err(Fault::from(error)),
            Ok(_) if total == 0 => Ok(()),
            // The file ends here, and the disk does not: it was cut off.
            Ok(0) => Err(Fault::Io),
            Ok(count) => {
                let moved = transfer.moved.saturating_add(count);
                if moved < total && !tenon_rings::planted!("short-transfer-believed") {
                    transfer.pieces.clear();
                    self.spare.push(transfer.pieces);
                    return ControlFlow::Continue(self.call(transfer.job, moved));
                }
                Ok(())
            }
        };
        transfer.pieces.clear();
        self.spare.push(transfer.pieces);
        let job = transfer.job;
        // A file that has no holes keeps what it has: each block reads as it was.
        let result = match (job.work, result) {
            (Work::Discard { .. }, Err(Fault::NotSupported)) => Ok(()),
            (_, result) => result,
        };
        ControlFlow::Break(Done { job, result })
    }
}

impl<S: Storage> Engine for OnFile<S> {
    fn begin(&mut self, job: Job) -> Option<Done> {
        if job.work == Work::Sync && tenon_rings::planted!("flush-without-sync") {
            return Some(Done { job, result: Ok(()) });
        }
        let transfer = self.call(job, 0);
        if self.waiting.is_empty() {
            self.start(transfer);
        } else {
            self.waiting.push_back(transfer);
        }
        None
    }

    fn push(&mut self) {
        self.storage.push();
    }

    fn reap(&mut self, done: &mut Vec<Done>) {
        let mut over = std::mem::take(&mut self.over);
        self.storage.reap(&mut over);
        let mut again = false;
        for one in over.drain(..) {
            match self.settle(one) {
                ControlFlow::Break(one) => done.push(one),
                ControlFlow::Continue(transfer) => {
                    again = true;
                    self.start(transfer);
                }
            }
        }
        self.over = over;
        while let Some(transfer) = self.waiting.pop_front() {
            match self.storage.start(transfer) {
                None => again = true,
                Some(back) => {
                    self.waiting.push_front(back);
                    break;
                }
            }
        }
        if again {
            self.storage.push();
        }
    }

    fn cancel(&mut self, key: Key) -> Option<Job> {
        let begun = |transfer: &Transfer| transfer.moved != 0 || transfer.job.key != Some(key);
        let at = self.waiting.iter().position(|transfer| !begun(transfer))?;
        self.waiting.remove(at).map(|transfer| transfer.job)
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        Some(self.storage.wake())
    }
}
