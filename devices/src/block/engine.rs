// SPDX-License-Identifier: MIT OR Apache-2.0
//! How requests get done: at once, by threads, or by the kernel.

use super::job::{Done, Job, Key, Work};
use super::medium::{Fault, Medium};
use super::pool::Pool;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Does requests. The worker of a disk owns it.
pub(crate) trait Engine: Send {
    /// Begins a request. One that is done at once comes back.
    fn begin(&mut self, job: Job) -> Option<Done>;
    /// Hands over whatever was begun, if that was put off.
    fn push(&mut self);
    /// Those that are over since the last look.
    fn reap(&mut self, done: &mut Vec<Done>);
    /// Takes back a request that has not begun (BLK-10).
    fn cancel(&mut self, key: Key) -> Option<Job>;
    /// What is readable when one may be over; `None` where each is done at once.
    fn wake(&self) -> Option<BorrowedFd<'_>>;
}

/// Does one request of a medium. A medium that panics has not done it.
fn run(medium: &dyn Medium, job: &Job) -> Result<(), Fault> {
    let call = || match job.work {
        Work::Read { offset } => medium.read(offset, &job.buffers),
        Work::Write { offset } => medium.write(offset, &job.buffers),
        Work::Sync => medium.flush(),
        Work::Discard { offset, len } => medium.discard(offset, len),
        Work::Zero { offset, len, may_unmap } => medium.zero(offset, len, may_unmap),
    };
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Fault::Io))
}

/// Each request is done at once, on the worker's own thread.
pub(crate) struct Direct(pub(crate) Arc<dyn Medium>);

impl Engine for Direct {
    fn begin(&mut self, job: Job) -> Option<Done> {
        let result = run(self.0.as_ref(), &job);
        Some(Done { job, result })
    }

    fn push(&mut self) {}

    fn reap(&mut self, _: &mut Vec<Done>) {}

    fn cancel(&mut self, _: Key) -> Option<Job> {
        None
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Requests are done by a few threads.
pub(crate) struct Threads(Pool<Job, Done>);

impl Threads {
    pub(crate) fn new(medium: Arc<dyn Medium>, threads: usize) -> Result<Self, crate::Error> {
        let run = move |job: Job| {
            let result = run(medium.as_ref(), &job);
            Done { job, result }
        };
        Ok(Self(Pool::new(threads, run)?))
    }
}

impl Engine for Threads {
    fn begin(&mut self, job: Job) -> Option<Done> {
        self.0.give(job);
        None
    }

    fn push(&mut self) {}

    fn reap(&mut self, done: &mut Vec<Done>) {
        self.0.take(done);
    }

    fn cancel(&mut self, key: Key) -> Option<Job> {
        self.0.take_back(|job| job.key == Some(key))
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.wake())
    }
}
