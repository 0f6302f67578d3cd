// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames to the guest ([NET-3] to [NET-8]).
//!
//! [NET-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
//! [NET-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces

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

/// Bad records that one [`Receiver::receive`] passes over.
const BAD_MOST: u32 = 64;

/// A frame that the host may still be writing: there are copies to be had of it, and no reference. Decide on
/// a copy.
pub type Frame<'a> = stream::Span<'a, Mapping>;

/// The ring of a pair that carries frames to the guest.
pub struct Receiver<'p, P: Platform> {
    queue: Queue<'p, P>,
    ring: Option<stream::Consumer<Mapping, Kick<'p, P>>>,
    rules: Rules,
    dropped: u64,
}

impl<'p, P: Platform> Device<'p, P> {
    /// Opens the ring of a pair that carries frames to the guest, with `words` words of data. Its parts are
    /// taken off the front of `pages`, which lie in the arena; a host that refuses leaves them there. The
    /// port, if there is one, is raised when a frame comes ([`Receiver::arm`]).
    ///
    /// # Errors
    ///
    /// As [`Self::sender`].
    pub fn receiver(
        &self,
        calls: &dyn Calls,
        pair: u32,
        words: u32,
        port: Option<u32>,
        pages: &mut Pages,
    ) -> Result<Receiver<'p, P>, Error> {
        let (mut queue, rules) = ring::open(self, calls, pair, Side::ToGuest, words, port, pages)?;
        let kick = Kick { platform: queue.platform, doorbell: queue.doorbell() };
        let ring = ring::sides(&queue, Side::ToGuest).and_then(|(_, consumer)| {
            consumer.records(ring::bytes(words)?, queue.seed(), kick).map_err(|_| Error::NoMatch)
        });
        match ring {
            Ok(ring) => Ok(Receiver { queue, ring: Some(ring), rules, dropped: 0 }),
            Err(error) => Err(ring::undo(&mut queue, calls, pages, error)),
        }
    }
}

impl<'p, P: Platform> Receiver<'p, P> {
    /// Takes the next frame: what `take` does not copy is gone when it returns. A record that is no frame
    /// ([NET-4]) is dropped and counted.
    ///
    /// # Errors
    ///
    /// [`Error::Pending`] when there is none; [`Error::Corrupt`]; [`Error::Refused`] with BAD_STATE once
    /// closed.
    ///
    /// [NET-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
    #[inline]
    pub fn receive<R>(&mut self, take: impl FnOnce(&Header, Frame<'_>) -> R) -> Result<R, Error> {
        let mut take = Some(take);
        for _ in 0..BAD_MOST {
            let rules = self.rules;
            let taken = self.ring()?.read(|record| {
                let (header, frame) = split(&rules, &record)?;
                take.take().map(|take| take(&header, frame))
            });
            match taken.map_err(ring::error)? {
                Some(result) => return Ok(result),
                None => self.dropped = self.dropped.wrapping_add(1),
            }
        }
        Err(Error::Pending)
    }

    /// Takes up to `most` records of those that are there, with one look at the host; the result is how many
    /// of them were frames.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    #[inline]
    pub fn drain(&mut self, most: usize, mut take: impl FnMut(&Header, Frame<'_>)) -> Result<usize, Error> {
        let rules = self.rules;
        let mut frames = 0usize;
        let records = self.ring()?.drain(most, |record| {
            if let Some((header, frame)) = split(&rules, &record) {
                take(&header, frame);
                frames = frames.wrapping_add(1);
            }
        });
        let bad = u64::try_from(records.map_err(ring::error)?.saturating_sub(frames)).unwrap_or(0);
        self.dropped = self.dropped.wrapping_add(bad);
        Ok(frames)
    }

    /// Gives the room of what was taken back at once. It happens by itself when nothing is there, and when
    /// it amounts to an eighth of the ring.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    #[inline]
    pub fn free(&mut self) -> Result<(), Error> {
        self.ring()?.release().map_err(ring::error)
    }

    /// Asks for the port when a frame comes. `true`: none is there, the CPU may halt ([STR-11]).
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    ///
    /// [STR-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#data-rings
    pub fn arm(&mut self) -> Result<bool, Error> {
        if planted!("receiver-unarmed") {
            return Ok(self.ring()?.read(|_| ()).is_err());
        }
        let sleeps = self.ring()?.arm(1).map_err(ring::error)?;
        // A session that has ended raises nothing any more.
        Ok(sleeps && !self.is_over())
    }

    fn ring(&mut self) -> Result<&mut stream::Consumer<Mapping, Kick<'p, P>>, Error> {
        self.ring.as_mut().ok_or(Error::Refused(Status::BAD_STATE))
    }

    /// Records of the host's that were no frames.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Closes the queue ([DEV-11]). Frames that were not taken are gone.
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

/// The header of a record, checked, and its frame; `None` if it is none.
#[inline]
fn split<'a>(rules: &Rules, record: &Frame<'a>) -> Option<(Header, Frame<'a>)> {
    // One copy of the header, and only that is used (GEN-6).
    let header = Header::from_words(record.words::<{ header::WORDS }>()?)?;
    let frame = record.behind_words::<{ header::WORDS }>()?;
    rules.admit(&header, frame.len()).then_some((header, frame))
}

impl<P: Platform> fmt::Debug for Receiver<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}
