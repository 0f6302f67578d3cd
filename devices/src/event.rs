// SPDX-License-Identifier: MIT OR Apache-2.0
//! What wakes a worker that sleeps, and how it sleeps.

use crate::Error;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

fn failed(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> Error {
    move |error| Error::system(what)(error.into())
}

/// Something has happened, for a thread that may sleep.
#[derive(Debug)]
pub(crate) struct Event {
    fd: OwnedFd,
    is_set: AtomicBool,
}

impl Event {
    /// One that has not happened.
    pub(crate) fn new() -> Result<Self, Error> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        Ok(Self { fd: fd.map_err(failed("cannot make an eventfd"))?, is_set: AtomicBool::new(false) })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// It happens: what was done before is seen by whoever takes it.
    pub(crate) fn signal(&self) {
        if !self.is_set.swap(true, Ordering::AcqRel) {
            // A counter that is full is readable already.
            let _ = write(&self.fd, &1u64.to_ne_bytes());
        }
    }

    /// Whether it has happened since it was last taken. This is cheap while it has not.
    pub(crate) fn take(&self) -> bool {
        if !self.is_set.load(Ordering::Acquire) {
            return false;
        }
        // Emptied first: a signal behind this makes it readable again.
        let _ = read(&self.fd, &mut [0; 8]);
        self.is_set.swap(false, Ordering::AcqRel)
    }
}

/// Where a worker sleeps.
#[derive(Debug)]
pub(crate) struct Sleeper(OwnedFd);

impl Sleeper {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC).map_err(failed("cannot make an epoll"))?))
    }

    /// Each signal of this eventfd, or each completion of this io_uring, ends a sleep: this one or the next.
    /// Nobody has to empty it.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&self.0, fd, EventData::new_u64(0), flags).map_err(failed("cannot watch an eventfd"))
    }

    /// As [`Self::add`], also when the descriptor takes bytes again.
    pub(crate) fn add_both(&self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(&self.0, fd, EventData::new_u64(0), flags).map_err(failed("cannot watch a port"))
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        // One that was never added is not there either.
        let _ = epoll::delete(&self.0, fd);
    }

    /// Sleeps until something of it happens.
    pub(crate) fn sleep(&self) {
        let mut events = [const { std::mem::MaybeUninit::<epoll::Event>::uninit() }; 16];
        // An interrupted sleep is one look more.
        let _ = epoll::wait(&self.0, &mut events, None);
    }
}
