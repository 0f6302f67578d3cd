// SPDX-License-Identifier: MIT OR Apache-2.0
//! The consumer of messages.

use super::{Message, Run};
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::stream::Bell;
use crate::stream::end::{Consumes, End};
use crate::words::Words;
use core::marker::PhantomData;
use tenon_abi::status::StateWord;

/// Receives messages. One for each ring; obtained from [`crate::stream::ConsumerSide::messages`].
///
/// The room of what was received is given back when it amounts to an eighth of the ring, when there is
/// nothing left, when the consumer arms, and by [`Self::release`].
#[derive(Debug)]
pub struct Consumer<W, M, B = ()> {
    end: End<W, B, Consumes>,
    data: W,
    message: PhantomData<fn() -> M>,
}

impl<W: Words, M: Message, B: Bell> Consumer<W, M, B> {
    pub(in crate::stream) const fn new(end: End<W, B, Consumes>, data: W) -> Self {
        Self { end, data, message: PhantomData }
    }

    /// Receives one message.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] when there is none, [`Error::Corrupt`] when the producer broke the protocol.
    #[inline]
    pub fn pop(&mut self) -> Result<M, Error> {
        self.await_one()?;
        let message = M::from_words(M::Words::load(&self.data, self.first()));
        self.end.advance(1);
        Ok(message)
    }

    /// Receives up to `most` messages, of those that are there without looking at the producer more than
    /// once. The result is their number, at least one unless `most` is zero.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] when there is none, [`Error::Corrupt`] when the producer broke the protocol.
    #[inline]
    pub fn drain(&mut self, most: usize, mut each: impl FnMut(M)) -> Result<usize, Error> {
        self.await_one()?;
        let mut left = u32::try_from(most).unwrap_or(u32::MAX).min(self.end.ahead());
        let count = usize::try_from(left).unwrap_or(0);
        while left > 0 {
            // A run that neither goes beyond the ring's end nor delays a release.
            let to_end = self.end.units().wrapping_sub(self.end.offset());
            let run = left.min(to_end).min(self.end.due());
            let mut first = self.first();
            for _ in 0..run {
                each(M::from_words(M::Words::load(&self.data, first)));
                first = first.wrapping_add(M::Words::LEN);
            }
            self.end.advance(run);
            left = left.wrapping_sub(run);
        }
        Ok(count)
    }

    /// Makes sure that something is there.
    #[inline(always)]
    fn await_one(&mut self) -> Result<(), Error> {
        self.end.check()?;
        if self.end.ahead() > 0 { Ok(()) } else { self.look_for_one() }
    }

    #[inline(never)]
    fn look_for_one(&mut self) -> Result<(), Error> {
        // The producer may be waiting for this room.
        self.end.publish();
        self.end.look()?;
        if self.end.ahead() > 0 { Ok(()) } else { Err(Error::Empty) }
    }

    /// Index of the first word of the slot at the own position.
    #[inline(always)]
    fn first(&self) -> usize {
        usize::try_from(self.end.offset()).unwrap_or(0).wrapping_mul(M::Words::LEN)
    }

    /// Messages that are there, as far as is known: at least as many can be received.
    #[must_use]
    pub const fn available(&self) -> u32 {
        self.end.ahead()
    }

    /// Gives back the room of what was received. To be called before the consumer does something else for
    /// long.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] once latched.
    #[inline]
    pub fn release(&mut self) -> Result<(), Error> {
        self.end.check()?;
        self.end.publish();
        Ok(())
    }

    /// Gives all room back, and asks to be woken when `messages` are there: at least one, at most half the
    /// ring. `true`: they are not yet, the caller may sleep (STR-11, STR-12).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the producer broke the protocol.
    pub fn arm(&mut self, messages: u32) -> Result<bool, Error> {
        let wanted = self.end.threshold(messages);
        self.end.arm(self.end.at.wrapping_add(wanted))
    }

    /// Why the ring is corrupt on this side, if it is.
    #[must_use]
    pub const fn corrupt(&self) -> Option<Corrupt> {
        self.end.corrupt()
    }

    /// The producer's state word; `UNBOUND` before it came and after it left.
    #[must_use]
    pub fn peer(&self) -> StateWord {
        self.end.peer()
    }

    /// Gives all room back and leaves.
    pub fn close(self) {
        self.end.close();
    }
}

impl<W: Words, const N: usize, B: Bell> Consumer<W, [u64; N], B> {
    /// Receives as many messages as are there, or as `out` has room for, at its start, without looking at the
    /// producer more than once. The result is their number, at least one unless `out` is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] when there is none, [`Error::Corrupt`] when the producer broke the protocol.
    #[inline]
    pub fn pop_slice(&mut self, out: &mut [[u64; N]]) -> Result<usize, Error> {
        self.await_one()?;
        let mut count = 0usize;
        while let Some(rest) = out.get_mut(count..) {
            let to_end = self.end.units().wrapping_sub(self.end.offset());
            let run = self.end.ahead().min(to_end).min(self.end.due());
            let run = run.min(u32::try_from(rest.len()).unwrap_or(u32::MAX));
            let len = usize::try_from(run).unwrap_or(0);
            let Some(now) = rest.get_mut(..len).filter(|_| run > 0) else { break };
            let first = self.first();
            if crate::planted!("slice-released-early") {
                self.end.advance(run);
            }
            self.data.load_words(first, now.as_flattened_mut(), Site::RingBody);
            self.end.advance(if crate::planted!("slice-released-early") { 0 } else { run });
            count = count.wrapping_add(len);
        }
        Ok(count)
    }
}
