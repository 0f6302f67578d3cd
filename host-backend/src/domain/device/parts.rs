// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a queue of a device lies, and the end that is laid over it (DEV-8, DEV-9, NET-3).
#![allow(
    unsafe_code,
    reason = "a data ring's memory is named by addresses, whose parts are checked to be apart"
)]

use crate::device::{End, Owed, QueueName, Ring, Tag};
use crate::devices::Parts;
use crate::domain::Domain;
use crate::memory::Memory;
use crate::range::Range;
use alloc::sync::Arc;
use tenon_abi::call::{MAX_DEPTH, pack};
use tenon_abi::device::{guest, guest_len, host, host_len};
use tenon_abi::net::{FRAME_EXTRA, MAX_FRAME};
use tenon_abi::status::{QueueState, StateWord};
use tenon_abi::stream::{MAX_UNITS, MIN_RECORD_UNITS, max_record};
use tenon_abi::{Address, DeviceKind, NetFeatures, Reason, Status};
use tenon_rings::call::{CompleterState, Parts as Slots, Queue};
use tenon_rings::stream::{EndState, RingMemory};
use tenon_rings::{Site, Words, planted};

/// Where the end of a queue stood.
#[allow(clippy::large_enum_variant, reason = "used up at once")]
pub(crate) enum Stood {
    Requests(CompleterState),
    Ring(EndState),
}

/// Bytes of a `NetHeader`.
const HEADER: u32 = 16;

impl<M: Memory> Domain<M> {
    /// The parts of a queue that is to be opened (DEV-8, BLK-1, NET-3).
    pub(crate) fn check_parts_of(
        &self,
        name: QueueName,
        size: u32,
        [guest, host, data]: [u64; 3],
    ) -> Result<Parts, Status> {
        let slot = self.base.devices.slot(name.device).ok_or(Status::NOT_FOUND)?;
        let granule = self.base.granule();
        let is_net = slot.device.kind == DeviceKind::NET;
        if !is_net && data != 0 {
            return Err(Status::BAD_RESERVED);
        }
        let least = if is_net { MIN_RECORD_UNITS } else { 1 };
        let most = slot.device.max_depth.min(if is_net { MAX_UNITS } else { MAX_DEPTH });
        if !size.is_power_of_two() || size < least || size > most {
            return Err(Status::BAD_ARGUMENT);
        }
        if is_net && max_record(size) < self.longest_record(name).ok_or(Status::BAD_STATE)? {
            return Err(Status::BAD_ARGUMENT);
        }
        let words = u64::from(size).saturating_mul(8);
        let lens = if is_net {
            [granule.size(), granule.size(), words]
        } else {
            [guest_len(size), host_len(size), 0]
        };
        let [guest_bytes, host_bytes, data_bytes] = lens;
        let part = |address: u64, len: u64, others: &[Range]| {
            let len = granule.round_up(len).ok_or(Status::BAD_RANGE)?;
            self.check_part(name, Range::check_area(&self.base.memory, address, len, granule.size())?, others)
        };
        let guest = part(guest, guest_bytes, &[])?;
        let host = part(host, host_bytes, &[guest])?;
        let data = if is_net { Some(part(data, data_bytes, &[guest, host])?) } else { None };
        Ok(Parts { size, guest, host, data })
    }

    /// One part, which lies on whole granules.
    fn check_part(&self, name: QueueName, range: Range, others: &[Range]) -> Result<Range, Status> {
        let open = self.base.devices.open(name.device).ok_or(Status::BAD_STATE)?;
        let inside = range.offset >= open.arena.offset()
            && range.end() <= open.arena.offset().saturating_add(open.arena.len());
        let whole = open.arena.resolve(Address::new(0, range.offset).map_or(u64::MAX, |at| at.0), range.len);
        if (!inside || whole.is_err()) && !planted!("part-outside-arena") {
            return Err(Status::BAD_RANGE);
        }
        if !planted!("part-overlap-unchecked") {
            self.base.check_apart(range, others)?;
        }
        Ok(range)
    }

    /// Bytes of the longest record of a ring, its header included (NET-4).
    fn longest_record(&self, name: QueueName) -> Option<u32> {
        let slot = self.base.devices.slot(name.device)?;
        let features = NetFeatures::from_bits_retain(slot.open.as_ref()?.features);
        let [_, word, ..] = slot.device.own;
        let (mtu, max_frame) = tenon_abi::call::unpack(word);
        let to_host = name.index.is_multiple_of(2);
        let wanted = if to_host { NetFeatures::SEGMENT_TO_HOST } else { NetFeatures::SEGMENT_TO_GUEST };
        let frame = if features.contains(wanted) { max_frame } else { mtu.saturating_add(FRAME_EXTRA) };
        Some(frame.min(MAX_FRAME).saturating_add(HEADER))
    }

    /// Lays the host's end over the parts of a queue. `stood`: it goes on where one stood; else what the host
    /// writes is cleared, and begins anew (DEV-8).
    pub(crate) fn lay_out(
        &mut self,
        name: QueueName,
        parts: Parts,
        stood: Option<Stood>,
    ) -> Result<End<M::Words>, Status> {
        self.base.devices.serial = self.base.devices.serial.saturating_add(1);
        let tag = Tag { domain: Arc::clone(&self.base.devices.domain), serial: self.base.devices.serial };
        let slot = self.base.devices.slot(name.device).ok_or(Status::NOT_FOUND)?;
        let open = slot.open.as_ref().ok_or(Status::BAD_STATE)?;
        let (kind, arena, features) = (slot.device.kind, open.arena.clone(), open.features);
        let (guest, host) = (parts.guest.words(&self.base.memory)?, parts.host.words(&self.base.memory)?);
        let data = parts.data.map(|data| data.words(&self.base.memory)).transpose()?;
        let to_host = name.index.is_multiple_of(2);
        if stood.is_none() {
            clear(&host);
            if let Some(data) = data.as_ref().filter(|_| !to_host) {
                clear(data);
            }
        }
        let (seed, owed) = (self.base.session.seed, Owed::default());
        // The state word of a request queue; none of a data ring (DEV-9).
        let word = usize::from(data.is_none());
        let state =
            host.slice(usize::try_from(host::STATE / 8).unwrap_or(0), word).ok_or(Status::BAD_RANGE)?;
        let ring = match data {
            None => {
                let at = match stood {
                    Some(Stood::Requests(state)) => state,
                    _ => CompleterState::at(0),
                };
                requests(&guest, &host, seed, parts.size, at)?
            }
            Some(data) => {
                let (producer, consumer) = if to_host { (guest, host) } else { (host, guest) };
                // SAFETY: the parts were checked to be apart from each other and from everything else that
                // the host uses, and nobody else makes an end of this queue.
                let memory = unsafe { RingMemory::from_parts(producer, consumer, data) };
                let memory = memory.map_err(|_| Status::BAD_RANGE)?;
                data_ring(memory, parts.size, seed, &owed, to_host, stood)?
            }
        };
        Ok(End { tag, queue: name, kind, arena, features, owed, ring, state })
    }
}

/// The end of a request queue. Its state word says that it runs.
fn requests<W: Words>(
    guest_part: &W,
    host_part: &W,
    seed: u32,
    size: u32,
    state: CompleterState,
) -> Result<Ring<W>, Status> {
    let part = |words: &W, offset: u64, len: u64| {
        let (first, len) = (usize::try_from(offset / 8).ok(), usize::try_from(len / 8).ok());
        words.slice(first?, len?)
    };
    let slots = |bytes: u64| pack(size, 0).saturating_mul(bytes);
    let slots = Slots {
        submissions: part(guest_part, guest::SUBMISSIONS, slots(64)).ok_or(Status::BAD_RANGE)?,
        completions: part(host_part, host::COMPLETIONS, slots(16)).ok_or(Status::BAD_RANGE)?,
        armed: part(guest_part, guest::COMPLETIONS_ARMED, 8).ok_or(Status::BAD_RANGE)?,
        kick: part(host_part, host::KICK_WANTED, 8).ok_or(Status::BAD_RANGE)?,
    };
    let corrupt = state.corrupt;
    let queue = Queue::new(slots, seed, size).and_then(|mut queue| queue.completer_at(state));
    let completer = queue.map_err(|_| Status::BAD_RANGE)?;
    if corrupt.is_none() {
        show(host_part, REQUESTS, QueueState::RUNNING);
    }
    Ok(Ring::Requests(completer))
}

/// The end of a data ring of records.
fn data_ring<W: Words>(
    memory: RingMemory<W>,
    words: u32,
    seed: u32,
    owed: &Owed,
    to_host: bool,
    stood: Option<Stood>,
) -> Result<Ring<W>, Status> {
    let bytes = usize::try_from(words).unwrap_or(0).saturating_mul(8);
    let (near, far) = memory.split();
    let bell = owed.clone();
    let ring = match (to_host, stood) {
        (true, Some(Stood::Ring(state))) => far.records_at(bytes, seed, bell, state).map(Ring::ToHost),
        (true, _) => far.records(bytes, seed, bell).map(Ring::ToHost),
        (false, Some(Stood::Ring(state))) => near.records_at(bytes, seed, bell, state).map(Ring::ToGuest),
        (false, _) => near.records(bytes, seed, bell).map(Ring::ToGuest),
    };
    // The guest's line is of another session, or was not cleared.
    ring.map_err(|_| Status::BAD_STATE)
}

/// Index of the state word in the host's part of a request queue (DEV-9).
pub(super) const REQUESTS: usize = 0;
/// The same of a data ring (STR-13).
pub(super) const RING: usize = 3;

/// Shows what a queue is.
pub(super) fn show<W: Words>(host_part: &W, at: usize, state: QueueState) {
    let word = StateWord { state, reason: Reason::NONE, position: 0 }.to_word();
    host_part.store(at, word, Site::Status);
}

fn clear<W: Words>(words: &W) {
    for index in 0..words.len() {
        words.store(index, 0, Site::Status);
    }
}
