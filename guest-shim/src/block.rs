// SPDX-License-Identifier: MIT OR Apache-2.0
//! Disks ([BLK-1] to [BLK-11]).
//!
//! [`Block`] is one queue of a disk. What a request reads into or writes from is moved into it, and comes
//! back with the result: no buffer can be used while the host has it. A kernel chooses what that is: a
//! [`Buffer`], a [`Cut`] of one, a [`List`], or a type of its own that is a [`Payload`].
//!
//! | to do | by |
//! | --- | --- |
//! | one request | [`Block::submit`], then [`Block::wait`] |
//! | many with one kick | [`Block::push`] for each, [`Block::kick`], then [`Block::next_done`] |
//! | sleep until something is done | [`Block::arm`], or [`Block::wait_asleep`] |
//! | not to wait any more | [`Block::cancel`]; [`Block::give_up`], and later [`Block::reclaim`] |
//! | go on after the host was restarted | [`Block::reopen`]: what was not answered is submitted again |
//! | end | [`Block::close`], [`Block::release`] |
//!
//! ```
//! use tenon_guest::block::{Block, Io};
//! use tenon_guest::{Buffer, Error, Platform};
//!
//! /// Writes all buffers, one behind the other, with one kick, and makes them durable.
//! fn store<P: Platform, const N: usize>(
//!     block: &mut Block<'_, P>,
//!     mut offset: u64,
//!     buffers: [Buffer; N],
//! ) -> Result<(), Error> {
//!     for from in buffers {
//!         let len = from.len() as u64;
//!         block.push(Io::Write { offset, from, durable: false }).map_err(|(error, _)| error)?;
//!         offset += len;
//!     }
//!     block.kick();
//!     for _ in 0..N {
//!         // A kernel that has something else to do looks later; this one looks until it is there.
//!         let done = loop {
//!             match block.next_done()? {
//!                 Some(done) => break done,
//!                 None => core::hint::spin_loop(),
//!             }
//!         };
//!         done.result.map_err(Error::Refused)?;
//!     }
//!     let flush = block.submit(Io::Flush).map_err(|(error, _)| error)?;
//!     block.wait(flush)?.result.map_err(Error::Refused)
//! }
//! ```
//!
//! [BLK-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
//! [BLK-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices

mod cancel;
mod done;
mod ends;
mod info;
mod io;
mod payload;
mod set;
mod table;
mod wait;

pub use done::{Done, Token};
pub use info::Info;
pub use io::Io;
pub use payload::{Cut, List, Payload, Segment};

use crate::calls::Calls;
use crate::conduit::Conduit;
use crate::device::{Device, Queue, Wanted};
use crate::error::Error;
use crate::memory::{Buffer, Pages};
use crate::platform::Platform;
use core::fmt;
use done::Cancelling;
use table::{Booked, Table};
use tenon_abi::device::{guest, guest_len, host, host_len};
use tenon_abi::status::StateWord;
use tenon_abi::{DeviceKind, Status};
use tenon_rings::call::{Parts, Queue as Ring};
use tenon_rings::{Mapping, Submitter, Words};

/// One queue of a disk. `D` is its depth, and `T` what requests own.
///
/// It may move to another CPU, and only one uses it at a time: a kernel puts its own lock around it, or opens
/// a queue for each CPU. Dropped while requests are in flight, it takes what they own with it: the host may
/// still write there.
pub struct Block<'p, P, T = Buffer, const D: usize = 64> {
    queue: Queue<'p, P>,
    ring: Submitter<Mapping, D>,
    table: Table<T, D>,
    cancelling: Cancelling,
    /// Whether something was published without a kick.
    unkicked: bool,
}

impl<'p, P: Platform> Device<'p, P> {
    /// Opens a queue of a disk ([BLK-1]). Its parts are taken off the front of `pages`, which lie in the
    /// arena; a host that refuses leaves them there. The port, if there is one, is raised for completions.
    ///
    /// # Errors
    ///
    /// As [`crate::Vcpu::call`]; [`Error::NoMatch`] if it is no disk, [`Error::BadMemory`] if the pages are
    /// too few or there is no such depth.
    ///
    /// [BLK-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#block-devices
    pub fn block<T: Payload, const D: usize>(
        &self,
        calls: &dyn Calls,
        index: u32,
        port: Option<u32>,
        pages: &mut Pages,
    ) -> Result<Block<'p, P, T, D>, Error> {
        if self.info().kind != DeviceKind::BLOCK {
            return Err(Error::NoMatch);
        }
        let size = u32::try_from(D).map_err(|_| Error::BadMemory)?;
        let wanted = Wanted { index, size, port, fills: false, state_at: host::STATE };
        let lens = [guest_len(size), host_len(size), 0];
        let queue = Queue::open(self, calls, wanted, lens, pages)?;
        let ring = ring(&queue)?;
        Ok(Block { queue, ring, table: Table::new(), cancelling: Cancelling::No, unkicked: false })
    }
}

/// The guest's end of a queue that was just opened.
fn ring<P: Platform, const D: usize>(queue: &Queue<'_, P>) -> Result<Submitter<Mapping, D>, Error> {
    let part = |words: Mapping, offset: u64, len: u64| {
        let first = usize::try_from(offset / 8).ok()?;
        words.slice(first, usize::try_from(len / 8).ok()?)
    };
    let depth = u32::try_from(D).map_err(|_| Error::BadMemory)?;
    let (own, other) = (queue.parts.guest()?, queue.parts.host()?);
    let slots = |size: u64| size.wrapping_mul(u64::from(depth));
    let parts = Parts {
        submissions: part(own, guest::SUBMISSIONS, slots(64)).ok_or(Error::BadMemory)?,
        completions: part(other, host::COMPLETIONS, slots(16)).ok_or(Error::BadMemory)?,
        armed: part(own, guest::COMPLETIONS_ARMED, 8).ok_or(Error::BadMemory)?,
        kick: part(other, host::KICK_WANTED, 8).ok_or(Error::BadMemory)?,
    };
    let mut ring = Ring::new(parts, queue.seed(), depth)?.submitter()?;
    // Nothing is told until somebody asks (CALL-16).
    ring.disarm();
    Ok(ring)
}

impl<P: Platform, T: Payload, const D: usize> Block<'_, P, T, D> {
    /// Publishes a request and kicks.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    #[inline]
    #[allow(clippy::result_large_err, reason = "what the request owns comes back")]
    pub fn submit(&mut self, io: Io<T>) -> Result<Token, (Error, Io<T>)> {
        let token = self.push(io)?;
        self.kick();
        Ok(token)
    }

    /// Publishes a request without a kick: [`Self::kick`] is due once for all that were pushed, before
    /// anything else is waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] while `D` - 1 are in flight, or `D` results were not taken; [`Error::Corrupt`];
    /// [`Error::BadMemory`] and [`Error::TooLong`] if the payload has no segments, too many, or no table for
    /// them; [`Error::Refused`] with BAD_STATE if the queue was closed. What the request owns comes back.
    #[inline]
    #[allow(clippy::result_large_err, reason = "what the request owns comes back")]
    pub fn push(&mut self, io: Io<T>) -> Result<Token, (Error, Io<T>)> {
        if !self.queue.is_open() {
            return Err((Error::Refused(Status::BAD_STATE), io));
        }
        if !self.table.has_room() {
            return Err((Error::Full, io));
        }
        let (submission, moved) = match io.compile() {
            Ok(compiled) => compiled,
            Err(error) => return Err((error, io)),
        };
        match self.ring.submit(submission) {
            Ok(ticket) => {
                self.unkicked = true;
                Ok(self.table.enter(io, ticket.id(), moved))
            }
            Err(error) => Err((error.into(), io)),
        }
    }

    /// Kicks once for all that was pushed, if the host wants it.
    #[inline]
    pub fn kick(&mut self) {
        if self.unkicked {
            self.unkicked = false;
            if self.ring.wants_kick() {
                self.queue.platform.conduit().kick(self.queue.doorbell());
            }
        }
    }

    /// The result of a request, if it is there. Each is taken once.
    ///
    /// # Errors
    ///
    /// [`Error::Pending`] while it is not; [`Error::Refused`] with NOT_FOUND if it was taken or given up, and
    /// with BAD_SESSION if the session has ended: the request is not over then, see [`Self::reopen`] and
    /// [`Self::finish`]. [`Error::Corrupt`]: see [`Self::close`].
    #[inline]
    pub fn poll(&mut self, token: Token) -> Result<Done<T>, Error> {
        let is_flying = self.table.find(token).ok_or(Error::Refused(Status::NOT_FOUND))?;
        if is_flying {
            // At most D completions can be waiting, so this ends.
            for _ in 0..=D {
                match self.take_next()? {
                    Some(Booked::Done(place)) if place == token.place => {
                        return self.table.take(place).ok_or(Error::Pending);
                    }
                    Some(Booked::Done(place)) => self.table.keep(place),
                    Some(_) => {}
                    None => return Err(self.nothing()),
                }
            }
        }
        self.table.take_of(token).ok_or(Error::Pending)
    }

    /// The result of any request that is over; `None` if there is none now.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]; [`Error::Refused`] with BAD_SESSION if the session has ended and requests are
    /// not over.
    #[inline]
    pub fn next_done(&mut self) -> Result<Option<Done<T>>, Error> {
        if self.table.has_kept() {
            return Ok(self.table.take_kept());
        }
        for _ in 0..=D {
            match self.take_next()? {
                Some(Booked::Done(place)) => return Ok(self.table.take(place)),
                Some(_) => {}
                None => break,
            }
        }
        match self.nothing() {
            Error::Pending => Ok(None),
            error => Err(error),
        }
    }

    /// Books the next completion.
    #[inline]
    fn take_next(&mut self) -> Result<Option<Booked>, Error> {
        let Some((id, outcome)) = self.ring.take_next()? else { return Ok(None) };
        let booked = self.table.book(id, outcome);
        if let Booked::Cancel(outcome) = booked {
            self.cancelling = Cancelling::Answered(outcome);
        }
        Ok(Some(booked))
    }

    /// Why nothing was found.
    fn nothing(&self) -> Error {
        if self.table.flying() > 0 && self.is_over() {
            Error::Refused(Status::BAD_SESSION)
        } else {
            Error::Pending
        }
    }

    /// Nobody asks for this request's result any more. What it owns stays with it until the host has
    /// completed it, the queue is closed, or its session has ended; then [`Self::reclaim`] gives it back.
    pub fn give_up(&mut self, token: Token) {
        self.table.give_up(token);
    }

    /// What a request owned that was given up and is over; `None` if there is none now.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`].
    pub fn reclaim(&mut self) -> Result<Option<T>, Error> {
        // First what is in the books: that comes back also where the queue was corrupt.
        let before = self.table.reclaim();
        if before.is_some() {
            return Ok(before);
        }
        self.take_all()?;
        Ok(self.table.reclaim())
    }

    /// Books whatever is there.
    fn take_all(&mut self) -> Result<(), Error> {
        for _ in 0..=D {
            match self.take_next()? {
                Some(Booked::Done(place)) => self.table.keep(place),
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }
}

impl<P, T, const D: usize> Block<'_, P, T, D> {
    /// Requests that the host has, with those that were given up.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.table.flying()
    }

    /// Requests that were given up and that the host still has ([CALL-17]).
    ///
    /// [CALL-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    #[must_use]
    pub fn quarantined(&self) -> usize {
        self.table.quarantined()
    }

    /// Whether the session in which the queue was opened has ended ([SES-7]).
    ///
    /// [SES-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.queue.is_over()
    }

    /// What the host says of the queue ([DEV-9]).
    ///
    /// [DEV-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    #[must_use]
    pub fn state(&self) -> StateWord {
        self.queue.state()
    }
}

impl<P, T, const D: usize> fmt::Debug for Block<'_, P, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
