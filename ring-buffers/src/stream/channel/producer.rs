// SPDX-License-Identifier: MIT OR Apache-2.0
//! The producer of messages.

use super::{Message, Run};
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::stream::Bell;
use crate::stream::end::{End, Produces};
use crate::words::Words;
use core::marker::PhantomData;
use tenon_abi::status::StateWord;

/// Sends messages. One for each ring; obtained from [`crate::stream::ProducerSide::messages`].
///
/// What is sent is published when it amounts to an eighth of the ring, when there is no room, when the
/// producer arms, and by [`Self::flush`].
#[derive(Debug)]
pub struct Producer<W, M, B = ()> {
    end: End<W, B, Produces>,
    data: W,
    message: PhantomData<fn(M)>,
}

impl<W: Words, M: Message, B: Bell> Producer<W, M, B> {
    pub(in crate::stream) const fn new(end: End<W, B, Produces>, data: W) -> Self {
        Self { end, data, message: PhantomData }
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] when there is no room, [`Error::Corrupt`] when the consumer broke the protocol:
    /// nothing was sent.
    #[inline]
    pub fn push(&mut self, message: M) -> Result<(), Error> {
        self.make_room()?;
        self.store(message);
        self.end.advance(1);
        Ok(())
    }

    /// Sends messages while there are some and there is room for them, without looking at the consumer more
    /// than once. The result is their number: where it is less than there were, the rest is still to come
    /// from `messages`.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] when there is no room at all, [`Error::Corrupt`] when the consumer broke the protocol:
    /// `messages` was not touched.
    #[inline]
    pub fn push_all(&mut self, messages: &mut impl Iterator<Item = M>) -> Result<usize, Error> {
        self.make_room()?;
        let mut count = 0usize;
        loop {
            // A run that neither fills the ring, nor goes beyond its end, nor delays a publication.
            let to_end = self.end.units().wrapping_sub(self.end.offset());
            let run = self.end.room().min(to_end).min(self.end.due());
            let mut sent = 0u32;
            let mut first = self.first();
            while sent < run {
                let Some(message) = messages.next() else { break };
                message.to_words().store(&self.data, first);
                first = first.wrapping_add(M::Words::LEN);
                sent = sent.wrapping_add(1);
            }
            self.end.advance(sent);
            count = count.wrapping_add(usize::try_from(sent).unwrap_or(0));
            if sent < run || run == 0 {
                return Ok(count);
            }
        }
    }

    #[inline(always)]
    fn store(&self, message: M) {
        message.to_words().store(&self.data, self.first());
    }

    /// Index of the first word of the slot at the own position.
    #[inline(always)]
    fn first(&self) -> usize {
        usize::try_from(self.end.offset()).unwrap_or(0).wrapping_mul(M::Words::LEN)
    }

    #[inline(always)]
    fn make_room(&mut self) -> Result<(), Error> {
        self.end.check()?;
        if self.end.room() > 0 { Ok(()) } else { self.look_for_room() }
    }

    #[inline(never)]
    fn look_for_room(&mut self) -> Result<(), Error> {
        // What is not published cannot be taken.
        self.end.publish();
        self.end.look()?;
        if self.end.room() > 0 { Ok(()) } else { Err(Error::Full) }
    }

    /// Messages that there is room for, as far as is known: at least as many can be sent.
    #[must_use]
    pub const fn room(&self) -> u32 {
        self.end.room()
    }

    /// Publishes what was sent. To be called before the producer does something else for long.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] once latched.
    #[inline]
    pub fn flush(&mut self) -> Result<(), Error> {
        self.end.check()?;
        self.end.publish();
        Ok(())
    }

    /// Publishes, and asks to be woken when there is room for `messages`: at least one, at most half the
    /// ring. `true`: there is not yet, the caller may sleep (STR-11, STR-12).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the consumer broke the protocol.
    pub fn arm(&mut self, messages: u32) -> Result<bool, Error> {
        let wanted = self.end.threshold(messages);
        self.end.arm(self.end.at_room(wanted))
    }

    /// Why the ring is corrupt on this side, if it is.
    #[must_use]
    pub const fn corrupt(&self) -> Option<Corrupt> {
        self.end.corrupt()
    }

    /// The consumer's state word; `UNBOUND` before it came and after it left.
    #[must_use]
    pub fn peer(&self) -> StateWord {
        self.end.peer()
    }

    /// Publishes and leaves. The consumer can still take what is there.
    pub fn close(self) {
        self.end.close();
    }
}

impl<W: Words, const N: usize, B: Bell> Producer<W, [u64; N], B> {
    /// Sends as many messages of a slice as there is room for, from its start on, without looking at the
    /// consumer more than once: the fastest way for messages that lie in memory already. The result is their
    /// number, at least one unless there are none.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] when there is no room at all, [`Error::Corrupt`] when the consumer broke the protocol:
    /// nothing was sent.
    #[inline]
    pub fn push_slice(&mut self, messages: &[[u64; N]]) -> Result<usize, Error> {
        self.make_room()?;
        let mut rest = messages;
        loop {
            let to_end = self.end.units().wrapping_sub(self.end.offset());
            let room = if crate::planted!("slice-over-untaken") { to_end } else { self.end.room() };
            let run = room.min(to_end).min(self.end.due());
            let run = run.min(u32::try_from(rest.len()).unwrap_or(u32::MAX));
            let count = usize::try_from(run).unwrap_or(0);
            let Some((now, later)) = rest.split_at_checked(count).filter(|_| run > 0) else { break };
            let first = self.first();
            if crate::planted!("slice-published-early") {
                self.end.advance(run);
            }
            self.data.store_words(first, now.as_flattened(), Site::RingBody);
            self.end.advance(if crate::planted!("slice-published-early") { 0 } else { run });
            rest = later;
        }
        Ok(messages.len().wrapping_sub(rest.len()))
    }
}
