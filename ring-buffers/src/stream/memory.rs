// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory of a data ring, and who may take which side of it.
#![allow(unsafe_code, reason = "only the caller knows that nobody else uses this memory")]

use super::channel::{self, Message};
use super::end::{End, EndState, Role};
use super::{Bell, Consumer, Producer};
use crate::order::Site;
use crate::words::Words;
use core::fmt;
use core::sync::atomic::AtomicU64;
use tenon_abi::stream::{LINE_WORDS, MAX_MESSAGE_WORDS, MAX_UNITS, MIN_RECORD_UNITS};
use tenon_abi::{Granule, RingShape};

/// What every part of a ring is aligned to, at least, where it is mapped.
const CACHE_LINE: usize = 64;

/// Why a ring cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// The granule is none of 4, 16 and 64 KiB.
    BadGranule,
    /// The memory does not begin on a cache line.
    Misaligned,
    /// The size is zero.
    Zero,
    /// The size is not a power of two.
    NotPowerOfTwo,
    /// The size, or the message's, is a power of two that no ring has.
    OutOfRange,
    /// The memory given holds less than that.
    TooSmall,
    /// Somebody has, or had, this side in this session.
    Taken,
    /// Another session lives in this memory: [`RingMemory::clear`] it once that is over.
    Alive,
    /// No side of such a ring can stand so.
    BadState,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadGranule => "the granule is none of 4, 16 and 64 KiB",
            Self::Misaligned => "the memory does not begin on a cache line",
            Self::Zero => "the size is zero",
            Self::NotPowerOfTwo => "the size is not a power of two",
            Self::OutOfRange => "no ring has this size",
            Self::TooSmall => "the memory is too small for that",
            Self::Taken => "this side of the ring was taken in this session",
            Self::Alive => "another session lives in this memory",
            Self::BadState => "no side of such a ring can stand so",
        })
    }
}

impl core::error::Error for SetupError {}

/// The memory of one data ring: the producer's control page, the consumer's, and the data (STR-1).
///
/// It is not `Clone`, and splitting it uses it up: so nobody gets a role twice.
#[derive(Debug)]
pub struct RingMemory<W> {
    producer: W,
    consumer: W,
    data: W,
}

impl<'a> RingMemory<&'a [AtomicU64]> {
    /// Plain memory of this process, laid out in one piece with a granule of 2 to the power of
    /// `granule_shift` bytes.
    ///
    /// # Errors
    ///
    /// [`SetupError::BadGranule`], [`SetupError::Misaligned`] or [`SetupError::TooSmall`].
    pub fn from_mut(memory: &'a mut [AtomicU64], granule_shift: u32) -> Result<Self, SetupError> {
        // SAFETY: the exclusive borrow says that nobody else uses it.
        unsafe { Self::new(&*memory, granule_shift) }
    }
}

impl<W: Words> RingMemory<W> {
    /// Memory laid out in one piece: a granule for each control page, then the data.
    ///
    /// # Safety
    ///
    /// In this process nobody else accesses the memory, be it through another `RingMemory` or not, but for
    /// whoever has the *other* side of the same ring, through another `RingMemory`. What other processes do
    /// with it is no matter.
    ///
    /// # Errors
    ///
    /// [`SetupError::BadGranule`], [`SetupError::Misaligned`] or [`SetupError::TooSmall`].
    pub unsafe fn new(memory: W, granule_shift: u32) -> Result<Self, SetupError> {
        let granule = Granule::from_shift(granule_shift).ok_or(SetupError::BadGranule)?;
        // At most 64 KiB.
        let page = usize::try_from(granule.size() / 8).map_err(|_| SetupError::BadGranule)?;
        let rest = memory.len().checked_sub(page.saturating_mul(2)).ok_or(SetupError::TooSmall)?;
        let part = |first: usize, len| memory.slice(first, len).ok_or(SetupError::TooSmall);
        let (producer, consumer) = (part(0, page)?, part(page, page)?);
        // SAFETY: the caller's contract.
        unsafe { Self::from_parts(producer, consumer, part(page.saturating_mul(2), rest)?) }
    }

    /// Memory whose parts lie anywhere: the producer's line, the consumer's, the data.
    ///
    /// # Safety
    ///
    /// As for [`Self::new`], for each part.
    ///
    /// # Errors
    ///
    /// [`SetupError::Misaligned`] or [`SetupError::TooSmall`].
    pub unsafe fn from_parts(producer: W, consumer: W, data: W) -> Result<Self, SetupError> {
        if [&producer, &consumer, &data].into_iter().any(|part| !part.is_aligned(CACHE_LINE)) {
            return Err(SetupError::Misaligned);
        }
        if producer.len() < LINE_WORDS || consumer.len() < LINE_WORDS {
            return Err(SetupError::TooSmall);
        }
        Ok(Self { producer, consumer, data })
    }

    /// Clears both control lines, for the next session: the last one is over, and neither side of it uses the
    /// memory any more. Who donates the memory does this, before the other side hears of it.
    pub fn clear(&mut self) {
        for index in 0..LINE_WORDS {
            self.producer.store(index, 0, Site::Status);
            self.consumer.store(index, 0, Site::Status);
        }
    }

    /// The two sides. Where the other one is another process's, its side is to be dropped here.
    pub fn split(self) -> (ProducerSide<W>, ConsumerSide<W>) {
        let Self { producer, consumer, data } = self;
        let own = Side { own: producer.clone(), other: consumer.clone(), data: data.clone() };
        (ProducerSide(own), ConsumerSide(Side { own: consumer, other: producer, data }))
    }
}

/// One side's view.
#[derive(Debug)]
struct Side<W> {
    own: W,
    other: W,
    data: W,
}

impl<W: Words> Side<W> {
    /// Attaches, and cuts the data to what the ring uses.
    fn attach<B: Bell, R: Role>(
        self,
        shape: RingShape,
        seed: u32,
        bell: B,
    ) -> Result<(End<W, B, R>, W), SetupError> {
        let data = self.data(shape)?;
        Ok((End::attach(self.own, self.other, shape, seed, bell)?, data))
    }

    /// The same, for a side that goes on.
    fn attach_at<B: Bell, R: Role>(
        self,
        shape: RingShape,
        seed: u32,
        bell: B,
        state: EndState,
    ) -> Result<(End<W, B, R>, W), SetupError> {
        let data = self.data(shape)?;
        Ok((End::attach_at(self.own, self.other, shape, seed, bell, state)?, data))
    }

    fn data(&self, shape: RingShape) -> Result<W, SetupError> {
        let words = u64::from(shape.units).saturating_mul(u64::from(shape.message.max(1)));
        let words = usize::try_from(words).map_err(|_| SetupError::TooSmall)?;
        self.data.slice(0, words).ok_or(SetupError::TooSmall)
    }
}

/// Checks a number of units (STR-2).
fn units(units: u32, least: u32) -> Result<u32, SetupError> {
    match units {
        0 => Err(SetupError::Zero),
        _ if !units.is_power_of_two() => Err(SetupError::NotPowerOfTwo),
        _ if units < least || units > MAX_UNITS => Err(SetupError::OutOfRange),
        _ => Ok(units),
    }
}

/// The shape of a ring of records with that many bytes of data.
fn records(size: usize) -> Result<RingShape, SetupError> {
    // What is not a multiple of eight is not a power of two, but for 1, 2 and 4.
    if size != 0 && !size.is_power_of_two() {
        return Err(SetupError::NotPowerOfTwo);
    }
    let words = u32::try_from(size.div_ceil(8)).map_err(|_| SetupError::OutOfRange)?;
    Ok(RingShape { units: units(words, MIN_RECORD_UNITS)?, message: 0 })
}

/// The shape of a ring of that many messages.
fn messages<M: Message>(slots: u32) -> Result<RingShape, SetupError> {
    let message = u32::try_from(<M::Words as channel::Run>::LEN).map_err(|_| SetupError::OutOfRange)?;
    match message {
        0 => Err(SetupError::Zero),
        1..=MAX_MESSAGE_WORDS => Ok(RingShape { units: units(slots, 1)?, message }),
        _ => Err(SetupError::OutOfRange),
    }
}

/// The producing side of a ring: becomes one producer.
#[derive(Debug)]
pub struct ProducerSide<W>(Side<W>);

impl<W: Words> ProducerSide<W> {
    /// A producer of records over `size` bytes of data, a power of two from 64 to 2^33, in the session with
    /// this seed.
    ///
    /// # Errors
    ///
    /// What is wrong with the size or the memory; [`SetupError::Taken`] or [`SetupError::Alive`] when it is
    /// in use (STR-3).
    pub fn records<B: Bell>(self, size: usize, seed: u32, bell: B) -> Result<Producer<W, B>, SetupError> {
        let (end, data) = self.0.attach(records(size)?, seed, bell)?;
        Ok(Producer::new(end, data))
    }

    /// A producer of records that goes on where another one of this session stood, over memory as that one
    /// left it: after the whole of both was saved and restored. Whoever restores rings the other side once,
    /// because a wake may have been lost on the way.
    ///
    /// # Errors
    ///
    /// What is wrong with the size or the memory; [`SetupError::BadState`].
    pub fn records_at<B: Bell>(
        self,
        size: usize,
        seed: u32,
        bell: B,
        state: EndState,
    ) -> Result<Producer<W, B>, SetupError> {
        let (end, data) = self.0.attach_at(records(size)?, seed, bell, state)?;
        Ok(Producer::new(end, data))
    }

    /// A producer of messages over `slots` slots, a power of two up to 2^30.
    ///
    /// # Errors
    ///
    /// As [`Self::records`].
    pub fn messages<M: Message, B: Bell>(
        self,
        slots: u32,
        seed: u32,
        bell: B,
    ) -> Result<channel::Producer<W, M, B>, SetupError> {
        let (end, data) = self.0.attach(messages::<M>(slots)?, seed, bell)?;
        Ok(channel::Producer::new(end, data))
    }
}

/// The consuming side of a ring: becomes one consumer.
#[derive(Debug)]
pub struct ConsumerSide<W>(Side<W>);

impl<W: Words> ConsumerSide<W> {
    /// A consumer of records. The size is the producer's, else whoever looks first finds the ring corrupt.
    ///
    /// # Errors
    ///
    /// As [`ProducerSide::records`].
    pub fn records<B: Bell>(self, size: usize, seed: u32, bell: B) -> Result<Consumer<W, B>, SetupError> {
        let (end, data) = self.0.attach(records(size)?, seed, bell)?;
        Ok(Consumer::new(end, data))
    }

    /// A consumer of records that goes on where another one stood.
    ///
    /// # Errors
    ///
    /// As [`ProducerSide::records_at`].
    pub fn records_at<B: Bell>(
        self,
        size: usize,
        seed: u32,
        bell: B,
        state: EndState,
    ) -> Result<Consumer<W, B>, SetupError> {
        let (end, data) = self.0.attach_at(records(size)?, seed, bell, state)?;
        Ok(Consumer::new(end, data))
    }

    /// A consumer of messages. Slots and message are the producer's, else whoever looks first finds the ring
    /// corrupt.
    ///
    /// # Errors
    ///
    /// As [`ProducerSide::records`].
    pub fn messages<M: Message, B: Bell>(
        self,
        slots: u32,
        seed: u32,
        bell: B,
    ) -> Result<channel::Consumer<W, M, B>, SetupError> {
        let (end, data) = self.0.attach(messages::<M>(slots)?, seed, bell)?;
        Ok(channel::Consumer::new(end, data))
    }
}
