// SPDX-License-Identifier: MIT OR Apache-2.0
//! What both rings of a pair are made of.
#![allow(unsafe_code, reason = "a data ring is handed its memory once, and only its owner knows that")]

use super::header::Rules;
use crate::calls::Calls;
use crate::device::{Device, Queue, Wanted};
use crate::error::Error;
use crate::memory::Pages;
use crate::platform::Platform;
use core::mem::offset_of;
use tenon_abi::{NetFeatures, RingLine};
use tenon_rings::stream::{ConsumerSide, ProducerSide};
use tenon_rings::{Mapping, RingMemory};

/// Opens a ring of a pair.
pub(super) fn open<'p, P: Platform>(
    device: &Device<'p, P>,
    calls: &dyn Calls,
    pair: u32,
    side: Side,
    words: u32,
    port: Option<u32>,
    pages: &mut Pages,
) -> Result<(Queue<'p, P>, Rules), Error> {
    let to_host = side == Side::ToHost;
    let info = device.info().net()?;
    let features = NetFeatures::from_bits_retain(device.features());
    let longest = [info.longest_frame(false), info.longest_frame(true)];
    let index = pair.checked_mul(2).and_then(|even| even.checked_add(u32::from(!to_host)));
    let wanted = Wanted {
        index: index.ok_or(Error::BadMemory)?,
        size: words,
        port,
        fills: to_host,
        state_at: u64::try_from(offset_of!(RingLine, state)).map_err(|_| Error::BadMemory)?,
    };
    let granule = device.granule().size();
    let lens = [granule, granule, u64::from(words).wrapping_mul(8)];
    if !words.is_power_of_two() {
        return Err(Error::BadMemory);
    }
    let queue = Queue::open(device, calls, wanted, lens, pages)?;
    Ok((queue, Rules::new(features, to_host, longest)))
}

/// Which ring of a pair it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    ToHost,
    ToGuest,
}

/// Both sides of a ring. The guest takes the one that is its own, and the other is dropped.
pub(super) fn sides<P>(
    queue: &Queue<'_, P>,
    side: Side,
) -> Result<(ProducerSide<Mapping>, ConsumerSide<Mapping>), Error> {
    let (own, other, data) = (queue.parts.guest()?, queue.parts.host()?, queue.parts.data()?);
    let (producer, consumer) = match side {
        Side::ToHost => (own, other),
        Side::ToGuest => (other, own),
    };
    // SAFETY: these parts are the queue's alone, which comes from pages that are nobody else's, and each
    // queue takes one side once after it was opened. The other side is the host's.
    let memory = unsafe { RingMemory::from_parts(producer, consumer, data) };
    Ok(memory.map_err(|_| Error::BadMemory)?.split())
}

/// Bytes of so many words.
pub(super) fn bytes(words: u32) -> Result<usize, Error> {
    usize::try_from(u64::from(words).wrapping_mul(8)).map_err(|_| Error::BadMemory)
}

/// The host opened a queue of which no ring can be made: it is closed, and its pages come back if it is.
pub(super) fn undo<P: Platform>(
    queue: &mut Queue<'_, P>,
    calls: &dyn Calls,
    pages: &mut Pages,
    error: Error,
) -> Error {
    let _ = queue.close(calls);
    if let Some(front) = queue.take_pages() {
        pages.put_back(&front);
    }
    error
}

/// What a ring says, for a kernel.
pub(super) fn error(error: tenon_rings::Error) -> Error {
    match error {
        tenon_rings::Error::TooLong => Error::TooLong,
        other => other.into(),
    }
}
