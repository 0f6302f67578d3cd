// SPDX-License-Identifier: MIT OR Apache-2.0
//! Disks: what the cases of the chapter have in common.

pub mod content;
pub mod discard;
pub mod list;
pub mod misuse;
pub mod shim;

use crate::case::{Ctx, Fail, Outcome, check, equal};
use crate::cases::device::rig::{Info, NO_PORT, Queue, Rig};
use crate::cases::tools::{op, status};
use crate::raw::{load, store};
use tenon_rings::Mapping;

/// The flag DURABLE of a WRITE, above the number of segments.
const DURABLE: u64 = 1 << 32;

/// A disk that is open, with one queue and a buffer.
struct Disk {
    rig: Rig,
    info: Info,
    queue: Queue,
    /// Bytes of a block, and of the disk.
    block: u64,
    bytes: u64,
    /// Memory of the arena.
    page: Mapping,
    at: u64,
}

impl Disk {
    /// With a buffer of so many bytes.
    fn new(ctx: &Ctx, buffer: usize) -> Result<Self, Fail> {
        let (mut rig, info, queue) = Rig::disk_queue(ctx)?;
        let (page, at) = rig.arena.take(buffer)?;
        Ok(Self { block: info.own32(8).into(), bytes: info.own[0], rig, info, queue, page, at })
    }

    /// A U32 of `BlockInfo`.
    const fn shape(&self, offset: usize) -> u64 {
        self.info.own32(offset) as u64
    }

    /// Most bytes of one segment, as far as the buffer goes.
    fn most(&self) -> u64 {
        let most = self.shape(0x18).min(self.shape(0x1c)).min(self.page.byte_len() as u64);
        most / self.block * self.block
    }

    /// A request that has to move so many bytes between the disk and the buffer.
    fn moves(&mut self, op: u16, offset: u64, from: u64, len: u64) -> Outcome {
        let args = [offset, self.at + from, len, 0, 0, 1];
        equal(self.queue.expect(op, &args, status::OK, "READ or WRITE")?, len, "bytes of a request")
    }

    fn read(&mut self, offset: u64, from: u64, len: u64) -> Outcome {
        self.moves(op::READ, offset, from, len)
    }

    fn write(&mut self, offset: u64, from: u64, len: u64) -> Outcome {
        self.moves(op::WRITE, offset, from, len)
    }

    /// A request that has to be refused so. One that is too long leaves the arena and the disk too: then the
    /// host chooses (GEN-9).
    fn refuses(&mut self, op: u16, args: [u64; 6], wanted: u16, what: &'static str) -> Outcome {
        self.queue.submit(op, 0, args);
        self.queue.kick();
        let done = self.queue.wait()?;
        let long = args[2].max(args[4]) > self.bytes.min(self.rig.arena.len()) / 4;
        let either = long && wanted == status::BAD_ARGUMENT && done.status == status::BAD_RANGE;
        check(done.value == 0, "a value with a status other than OK")?;
        if either { Ok(()) } else { equal(done.status.into(), wanted.into(), what) }
    }

    /// Fills the buffer with words that follow from `key` and their place.
    fn fill(&self, from: u64, len: u64, key: u64) {
        (0..len).step_by(8).for_each(|at| store(&self.page, (from + at) as usize, word(key, at)));
    }

    /// Whether the buffer holds what [`Self::fill`] would have left.
    fn holds(&self, from: u64, len: u64, key: u64, what: &'static str) -> Outcome {
        for at in (0..len).step_by(8) {
            equal(load(&self.page, (from + at) as usize), word(key, at), what)?;
        }
        Ok(())
    }

    /// Another queue of the disk.
    fn another(&mut self, index: u32) -> Result<Option<Queue>, Fail> {
        if self.info.max_queues <= index {
            return Ok(None);
        }
        self.rig.requests(&self.info, index, self.info.depth(), NO_PORT).map(Some)
    }
}

/// The word at byte `at` of a pattern.
const fn word(key: u64, at: u64) -> u64 {
    (key << 32 ^ at).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// Whether a number is a power of two between two others.
fn power(value: u64, least: u64, most: u64, what: &'static str) -> Outcome {
    check(value.is_power_of_two() && value >= least && value <= most, what)
}
