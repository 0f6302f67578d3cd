// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that is given back and taken again (MEM-1 to MEM-9).

use crate::base::Base;
use crate::config;
use crate::family::Family;
use crate::ledger::Work;
use crate::memory::Memory;
use crate::range::{Range, pieces};
use crate::request::{Call, Done};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::{MemoryInfo, MemoryPiece, Op, Rights, Status};
use tenon_rings::planted;
use zerocopy::{FromZeros, IntoBytes};

/// Pieces that MEMORY_INFO tells of, however long its range is.
const MAX_TOLD: usize = 256;

/// What the host wants of a guest's memory, and whom it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Balloon {
    /// Bytes that the guest is to have; `None`: all that there are.
    pub(crate) target: Option<u64>,
    /// The port that is raised, for as long as the session lasts (MEM-5).
    pub(crate) watch: Option<u32>,
}

impl Family for Balloon {
    fn call<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        match call.op {
            Op::MEMORY_INFO => self.info(base, call),
            Op::MEMORY_WATCH => {
                let [port, ..] = call.numbers();
                if !base.is_port_bound(port) {
                    return Err(Status::NOT_FOUND);
                }
                self.watch = Some(port);
                Ok(Done::Value(0))
            }
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    fn end_session(&mut self) {
        self.watch = None;
    }
}

impl Balloon {
    /// What a guest is told (MEM-3).
    fn info<M: Memory>(&self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        let range = call.range(base)?;
        let settings = base.config.balloon.ok_or(Status::NOT_SUPPORTED)?;
        let all: Vec<_> = pieces(&base.memory).take(MAX_TOLD).collect();
        let stats = self.stats(base);
        let mut info = MemoryInfo::new_zeroed();
        info.target.set(stats.target);
        info.memory.set(stats.memory);
        info.given.set(if planted!("memory-says-half") { stats.given / 2 } else { stats.given });
        info.give_granule.set(settings.granule);
        info.max_range.set(settings.max_range);
        info.pieces.set(u32::try_from(all.len()).unwrap_or(0));
        let mut bytes = info.as_bytes().to_vec();
        for (offset, len) in all {
            bytes.extend_from_slice(MemoryPiece { offset: offset.into(), len: len.into() }.as_bytes());
        }
        bytes.truncate(usize::try_from(range.len).unwrap_or(usize::MAX));
        if !base.memory.write(range.region, range.offset, &bytes) {
            return Err(Status::BAD_RANGE);
        }
        Ok(Done::Value(u64::try_from(bytes.len()).unwrap_or(0)))
    }

    /// The same for the embedder.
    pub(crate) fn stats<M: Memory>(&self, base: &Base<M>) -> Stats {
        let memory = pieces(&base.memory).fold(0u64, |sum, (_, len)| sum.saturating_add(len));
        let granule = base.config.balloon.map_or(1, |balloon| balloon.granule);
        let target = self.target.unwrap_or(memory).min(memory);
        let target = target.wrapping_sub(target.checked_rem(granule).unwrap_or(0));
        Stats { memory, given: base.ledger.given.bytes(), target }
    }

    /// A port that is released is not told any more (MEM-5).
    pub(crate) fn unbound(&mut self, call: &Call<'_>) {
        let [port, ..] = call.numbers();
        self.watch = self.watch.filter(|watch| *watch != port || planted!("memory-told-after-unbind"));
    }

    /// Tells the guest that something of the above is another now (MEM-5).
    pub(crate) fn tell<M: Memory>(&self, base: &mut Base<M>) {
        if let Some(port) = self.watch.filter(|_| !planted!("memory-not-told")) {
            // A port that is gone, or whose ring is corrupt, is told of nothing.
            let _ = base.raise_port(port);
        }
    }
}

/// A guest's memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// All of it, also what is given.
    pub memory: u64,
    /// What is given.
    pub given: u64,
    /// What the host wants the guest to have.
    pub target: u64,
}

impl<M: Memory> Base<M> {
    /// The range of GIVE, TAKE and HINT, as far as one call goes, and what is to be done there (MEM-2, MEM-6
    /// to MEM-8).
    pub(crate) fn check_giving(&self, call: &Call<'_>) -> Result<(Work, Range), Status> {
        let config::Balloon { granule, max_range, max_ranges } =
            self.config.balloon.ok_or(Status::NOT_SUPPORTED)?;
        let whole = self.check_ground(call, granule)?;
        let limit = usize::try_from(max_ranges).unwrap_or(usize::MAX);
        let range = Range { len: whole.len.min(max_range), ..whole };
        let given = &self.ledger.given;
        let work = match call.op {
            Op::TAKE if planted!("take-of-anything") => Work::Take,
            Op::TAKE => {
                if !given.covers(whole, Rights::empty()) {
                    return Err(Status::NOT_FOUND);
                }
                if given.splits(range) && given.count() >= limit {
                    return Err(Status::NO_CAPACITY);
                }
                Work::Take
            }
            op => {
                if given.touches(whole) && !(planted!("given-twice") && op == Op::GIVE) {
                    return Err(if op == Op::GIVE { Status::EXISTS } else { Status::BAD_STATE });
                }
                let arena = self.devices.arenas().any(|arena| arena.overlaps(whole));
                let in_use = self.is_area(whole) || arena && !planted!("arena-is-given");
                if in_use && !planted!("area-is-given") || self.ledger.shared.touches(whole) {
                    return Err(Status::BAD_STATE);
                }
                if op == Op::GIVE && given.count() >= limit {
                    return Err(Status::NO_CAPACITY);
                }
                if op == Op::GIVE { Work::Give } else { Work::Hint }
            }
        };
        if self.ledger.is_moving(whole) {
            return Err(Status::BAD_STATE);
        }
        Ok((work, range))
    }

    /// The range of an operation on memory: some of it, aligned, in region 0, without a hole.
    pub(crate) fn check_ground(&self, call: &Call<'_>, align: u64) -> Result<Range, Status> {
        let [address, len, ..] = call.arguments.words;
        if len == 0 {
            return Err(Status::BAD_ARGUMENT);
        }
        let range = Range::check_area(&self.memory, address, len, align)?;
        if !len.is_multiple_of(align) {
            return Err(Status::BAD_ALIGNMENT);
        }
        if range.is_memory(&self.memory) { Ok(range) } else { Err(Status::BAD_RANGE) }
    }

    /// Whether an area lies in the range.
    pub(crate) fn is_area(&self, range: Range) -> bool {
        let places = self.vcpus.iter().filter_map(|vcpu| Some(vcpu.areas.as_ref()?.place));
        let areas = places.flat_map(|place| place.in_region()).chain(self.pages.donated());
        areas.chain(self.devices.parts()).any(|area| area.overlaps(range))
    }

    /// An area may lie there: the guest has not given it, and nothing is under way (MEM-9).
    pub(crate) fn check_had(&self, range: Range) -> Result<(), Status> {
        if self.ledger.given.touches(range) || self.ledger.is_moving(range) {
            return Err(Status::BAD_STATE);
        }
        Ok(())
    }
}
