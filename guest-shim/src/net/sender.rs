// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames to the host ([NET-3], [NET-4]).
//!
//! [NET-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
//! [NET-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces

use super::header::{self, Header, Rules};
use super::ring::{self, Side};
use crate::calls::Calls;
use crate::device::{Device, Kick, Queue};
use crate::error::Error;
use crate::memory::Pages;
use crate::platform::Platform;
use core::fmt;
use tenon_abi::Status;
use tenon_abi::status::StateWord;
use tenon_rings::{Mapping, planted, stream};
use zerocopy::IntoBytes;

/// The ring of a pair that carries frames to the host.
///
/// What is sent is published when it amounts to an eighth of the ring, and by [`Self::flush`], which is due
/// before the kernel does something else.
pub struct Sender<'p, P: Platform> {
    queue: Queue<'p, P>,
    ring: Option<stream::Producer<Mapping, Kick<'p, P>>>,
    rules: Rules,
}

/// A frame while it is being written. Every write stays inside of it.
pub type Draft<'a> = stream::Draft<'a, Mapping>;

impl<'p, P: Platform> Device<'p, P> {
    /// Opens the ring of a pair that carries frames to the host, with `words` words of data. Its parts are
    /// taken off the front of `pages`, which lie in the arena; a host that refuses leaves them there. The
    /// port, if there is one, is raised when there is room again ([`Sender::arm`]).
    ///
    /// # Errors
    ///
    /// As [`crate::Vcpu::call`]; [`Error::NoMatch`] if it is no network interface, or tells nonsense;
    /// [`Error::BadMemory`] if the pages are too few, or no ring has that size.
    pub fn sender(
        &self,
        calls: &dyn Calls,
        pair: u32,
        words: u32,
        port: Option<u32>,
        pages: &mut Pages,
    ) -> Result<Sender<'p, P>, Error> {
        let (mut queue, rules) = ring::open(self, calls, pair, Side::ToHost, words, port, pages)?;
        let kick = Kick { platform: queue.platform, doorbell: queue.doorbell() };
        let ring = ring::sides(&queue, Side::ToHost).and_then(|(producer, _)| {
            producer.records(ring::bytes(words)?, queue.seed(), kick).map_err(|_| Error::NoMatch)
        });
        match ring {
            Ok(ring) => Ok(Sender { queue, ring: Some(ring), rules }),
            Err(error) => Err(ring::undo(&mut queue, calls, pages, error)),
        }
    }
}

impl<'p, P: Platform> Sender<'p, P> {
    /// The longest frame without segments, in bytes.
    #[must_use]
    pub fn max_frame(&self) -> usize {
        let [plain, _] = self.rules.longest;
        usize::try_from(plain).unwrap_or(0)
    }

    /// Sends a frame that needs nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] when there is no room now, and then all that was sent before is published;
    /// [`Error::TooLong`] for a frame that is too short or too long; [`Error::Corrupt`]; [`Error::Refused`]
    /// with BAD_STATE once closed.
    #[inline]
    pub fn send(&mut self, frame: &[u8]) -> Result<(), Error> {
        self.send_parts(&Header::default(), &[frame])
    }

    /// Sends a frame out of up to seven parts, one behind the other.
    ///
    /// # Errors
    ///
    /// As [`Self::send`]; [`Error::NoMatch`] for a header that does not fit the frame, or asks for what was
    /// not chosen when the device was opened.
    #[inline]
    pub fn send_parts(&mut self, header: &Header, parts: &[&[u8]]) -> Result<(), Error> {
        let len = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        self.check(header, len)?;
        let head = header.to_wire();
        let mut all: [&[u8]; 8] = [&[]; 8];
        let [first, rest @ ..] = &mut all;
        *first = head.as_bytes();
        if parts.len() > rest.len() {
            return Err(Error::TooLong);
        }
        for (place, part) in rest.iter_mut().zip(parts) {
            *place = part;
        }
        let used = all.get(..parts.len().wrapping_add(1)).ok_or(Error::TooLong)?;
        self.ring()?.write_vectored(used).map_err(ring::error)
    }

    /// Sends a frame of `len` bytes that a closure writes. What it leaves out holds what an earlier frame
    /// left there.
    ///
    /// # Errors
    ///
    /// As [`Self::send_parts`]: the closure did not run then.
    #[inline]
    pub fn send_with<R>(
        &mut self,
        header: &Header,
        len: usize,
        write: impl FnOnce(&mut Draft<'_>) -> R,
    ) -> Result<R, Error> {
        self.check(header, len)?;
        let head = header.to_wire();
        let all = len.checked_add(header::LEN).ok_or(Error::TooLong)?;
        let result = self.ring()?.write_with(all, |record| {
            let written = planted!("header-left-from-before") || record.write(0, head.as_bytes());
            record.behind_words::<{ header::WORDS }>().filter(|_| written).map(|mut frame| write(&mut frame))
        });
        result.map_err(ring::error)?.ok_or(Error::TooLong)
    }

    fn check(&self, header: &Header, len: usize) -> Result<(), Error> {
        if self.rules.admit(header, len) {
            return Ok(());
        }
        Err(if *header == Header::default() { Error::TooLong } else { Error::NoMatch })
    }

    /// Publishes what was sent, and kicks if the host sleeps.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]; [`Error::Refused`] with BAD_STATE once closed.
    #[inline]
    pub fn flush(&mut self) -> Result<(), Error> {
        self.ring()?.flush().map_err(ring::error)
    }

    /// Publishes, and asks for the port when there is room for a frame of `len` bytes. `true`: there is none
    /// yet, the CPU may halt ([STR-11]).
    ///
    /// # Errors
    ///
    /// As [`Self::flush`].
    ///
    /// [STR-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#data-rings
    pub fn arm(&mut self, len: usize) -> Result<bool, Error> {
        let record = u32::try_from(len.saturating_add(header::LEN)).unwrap_or(u32::MAX);
        let sleeps = self.ring()?.arm(record).map_err(ring::error)?;
        // A session that has ended raises nothing any more.
        Ok(sleeps && !self.is_over())
    }

    fn ring(&mut self) -> Result<&mut stream::Producer<Mapping, Kick<'p, P>>, Error> {
        self.ring.as_mut().ok_or(Error::Refused(Status::BAD_STATE))
    }

    /// Publishes what was sent, and closes the queue ([DEV-11]).
    ///
    /// # Errors
    ///
    /// [`Error::Pending`] while the host has not closed it: call this again; as [`crate::Vcpu::call`].
    ///
    /// [DEV-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    pub fn close(&mut self, calls: &dyn Calls) -> Result<(), Error> {
        if let Some(ring) = self.ring.take() {
            ring.close();
        }
        self.queue.close(calls)
    }

    /// Whether the session in which the ring was opened has ended ([SES-7]).
    ///
    /// [SES-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.queue.is_over()
    }

    /// What the host says of the ring ([STR-13]).
    ///
    /// [STR-13]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#data-rings
    #[must_use]
    pub fn state(&self) -> StateWord {
        self.queue.state()
    }

    /// The pages of the ring, once it is closed or its session has ended.
    ///
    /// # Errors
    ///
    /// The ring itself before that.
    #[allow(clippy::result_large_err, reason = "the ring comes back, and there is no allocator to box it")]
    pub fn release(mut self) -> Result<Pages, Self> {
        self.queue.take_pages().ok_or(self)
    }
}

impl<P: Platform> fmt::Debug for Sender<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("max_frame", &self.max_frame()).finish_non_exhaustive()
    }
}
