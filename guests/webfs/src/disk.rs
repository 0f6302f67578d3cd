// SPDX-License-Identifier: MIT OR Apache-2.0
//! The disk: reads that are waited for, through a small cache, and reads that are not.

use crate::platform::{Kernel, memory};
use crate::rest::{DISK, Rest};
use core::cell::RefCell;
use core::fmt;
use hadris_io::{Error as Told, ErrorKind, ErrorType};
use hadris_storage::sync::BlockDevice;
use hadris_storage::{BlockIndex, BlockSize};
use tenon_abi::{Granule, Status};
use tenon_guest::block::{Block, Cut, Io, Token};
use tenon_guest::device::Device;
use tenon_guest::memory::Buffer;
use tenon_guest::{Error, Pages, Vcpu};
use tenon_guest_fileserver::{Refused, Transfers};
use tenon_rings::Waiter;

/// Clients at once.
pub(crate) const CLIENTS: usize = 32;
/// Requests at once: one for each client, and one that is waited for.
const DEPTH: usize = 64;
/// Bytes that a client's buffer takes of a file.
const PIECE: usize = 32 << 10;
/// Blocks of a disk are no longer than this.
const BLOCK_MAX: usize = 4096;
/// A line of the cache, and how many there are.
const LINE: usize = 4096;
const LINES: usize = 64;
/// How often a request that is waited for may sleep: something else wakes the sleeper too.
const SLEEPS: u32 = 100_000;

/// Bytes of an arena for this.
pub(crate) const ARENA: usize = (CLIENTS + 2) * (PIECE + 2 * BLOCK_MAX) + (64 << 10);

/// A client's buffer.
enum Slot {
    /// What the last read brought lies behind this many bytes that were read for the disk's sake.
    Here(Buffer, usize),
    Reading(Token, usize),
    /// Between two states.
    Gone,
}

struct Line {
    /// The first byte of the disk that it has; none yet.
    from: Option<u64>,
    bytes: &'static mut [u8],
    used: u64,
}

/// The disk and what is in flight.
pub(crate) struct Queue<'v> {
    queue: Block<'v, Kernel, Cut, DEPTH>,
    waiter: Waiter,
    bytes: u64,
    block: u64,
    slots: [Slot; CLIENTS],
    own: Option<Buffer>,
    lines: [Line; LINES],
    clock: u64,
}

/// The disk, as the server's two halves share it.
pub(crate) struct Disk<'v> {
    queue: RefCell<Queue<'v>>,
    rest: &'v RefCell<Rest<'v>>,
}

impl<'v> Disk<'v> {
    pub(crate) fn open(
        device: &Device<'v, Kernel>,
        vcpu: &Vcpu<'_, Kernel>,
        pages: &mut Pages,
        rest: &'v RefCell<Rest<'v>>,
    ) -> Result<Self, Error> {
        let info = device.info().block()?;
        let block = u64::from(info.block);
        let longest = u64::from(info.max_transfer.min(info.max_segment));
        if !block.is_power_of_two() || block > BLOCK_MAX as u64 || longest < (PIECE + 2 * BLOCK_MAX) as u64 {
            return Err(Error::NoMatch);
        }
        let queue = device.block(vcpu, 0, Some(DISK), pages)?;
        let mut buffer = |len: usize| pages.split(len as u64, Granule::K4).map(Buffer::new);
        let own = Some(buffer(LINE)?);
        let mut slots = [const { Slot::Gone }; CLIENTS];
        for slot in &mut slots {
            *slot = Slot::Here(buffer(PIECE + 2 * BLOCK_MAX)?, 0);
        }
        let mut lines = [const { None }; LINES];
        for line in &mut lines {
            *line = Some(Line { from: None, bytes: memory(LINE)?, used: 0 });
        }
        let lines = lines.map(|line| line.unwrap_or(Line { from: None, bytes: &mut [], used: 0 }));
        let waiter = Waiter::new(16, 4096);
        let queue = Queue { queue, waiter, bytes: info.bytes, block, slots, own, lines, clock: 0 };
        Ok(Self { queue: RefCell::new(queue), rest })
    }

    /// Asks for an event when a read ends; `true`: none has.
    pub(crate) fn arm(&self) -> Result<bool, Error> {
        self.queue.borrow_mut().queue.arm()
    }
}

impl Queue<'_> {
    /// Reads into `own` and waits.
    fn read_now(&mut self, from: u64, len: usize, rest: &RefCell<Rest<'_>>) -> Result<&Buffer, Error> {
        let Some(own) = self.own.take() else { return Err(Error::Busy) };
        let cut = match Cut::new(own, len) {
            Ok(cut) => cut,
            Err((error, own)) => {
                self.own = Some(own);
                return Err(error);
            }
        };
        let token = match self.queue.submit(Io::Read { offset: from, into: cut }) {
            Ok(token) => token,
            Err((error, io)) => {
                self.own = io.into_payload().map(Cut::into_buffer);
                return Err(error);
            }
        };
        // If nobody answers, the buffer stays with the request, and the disk is lost.
        let sleep = || _ = rest.borrow().sleep();
        let done = self.queue.wait_asleep(token, &mut self.waiter, SLEEPS, sleep)?;
        self.own = done.payload.map(Cut::into_buffer);
        done.result.map_err(Error::Refused)?;
        self.own.as_ref().ok_or(Error::Busy)
    }

    /// The cache's line with this byte, read if it is not there.
    fn line(&mut self, offset: u64, rest: &RefCell<Rest<'_>>) -> Result<&Line, Error> {
        let from = offset - offset % LINE as u64;
        self.clock += 1;
        let here = self.lines.iter().position(|line| line.from == Some(from));
        let index = match here {
            Some(index) => index,
            None => {
                let oldest = self.lines.iter().enumerate().min_by_key(|(_, line)| line.used);
                let index = oldest.map_or(0, |(index, _)| index);
                let left = self.bytes.checked_sub(from).ok_or(Error::TooLong)?;
                let len = LINE.min(usize::try_from(left).unwrap_or(LINE));
                if let Some(line) = self.lines.get_mut(index) {
                    line.from = None;
                }
                self.read_now(from, len, rest)?;
                let Some((line, own)) = self.lines.get_mut(index).zip(self.own.as_ref()) else {
                    return Err(Error::Busy);
                };
                // A copy: the host may change the buffer at any time.
                let room = line.bytes.get_mut(..len).ok_or(Error::TooLong)?;
                if !own.read(0, room) {
                    return Err(Error::TooLong);
                }
                line.from = Some(from);
                index
            }
        };
        let used = self.clock;
        let line = self.lines.get_mut(index).ok_or(Error::Busy)?;
        line.used = used;
        Ok(line)
    }
}

/// Why a read failed.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Error);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::error::Error for Failure {}

/// Reads that are waited for: what FAT says of itself.
pub(crate) struct Waited<'d, 'v>(pub(crate) &'d Disk<'v>);

impl ErrorType for Waited<'_, '_> {
    type Error = Failure;
}

/// The driver of FAT thinks in such blocks, whatever the disk's are.
const SECTOR: usize = 512;

impl BlockDevice for Waited<'_, '_> {
    fn block_size(&self) -> BlockSize {
        const { BlockSize::new(SECTOR as u32).unwrap() }
    }

    fn block_count(&self) -> u64 {
        self.0.queue.borrow().bytes / SECTOR as u64
    }

    fn read_blocks(&mut self, first: BlockIndex, buf: &mut [u8]) -> Result<(), Told<Failure>> {
        let mut queue = self.0.queue.borrow_mut();
        let end = first.get().checked_mul(SECTOR as u64).and_then(|at| at.checked_add(buf.len() as u64));
        if end.is_none_or(|end| end > queue.bytes) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut at = first.get() * SECTOR as u64;
        for part in buf.chunks_mut(SECTOR) {
            let line = queue
                .line(at, self.0.rest)
                .map_err(|error| Told::device(Failure(error), "the disk does not answer well"))?;
            let into = (at % LINE as u64) as usize;
            let from = line.bytes.get(into..).and_then(|bytes| bytes.get(..part.len()));
            part.copy_from_slice(from.ok_or(ErrorKind::InvalidInput)?);
            at += part.len() as u64;
        }
        Ok(())
    }
}

/// Reads that others do not wait for: the bytes of files.
pub(crate) struct Unwaited<'d, 'v>(pub(crate) &'d Disk<'v>);

impl Transfers for Unwaited<'_, '_> {
    fn size(&self) -> usize {
        PIECE
    }

    fn begin(&mut self, number: usize, offset: u64, len: usize) -> Result<(), Refused> {
        let queue = &mut *self.0.queue.borrow_mut();
        let slot = queue.slots.get_mut(number).ok_or(Refused::Failed)?;
        let end = offset.checked_add(len as u64).filter(|&end| end <= queue.bytes).ok_or(Refused::Failed)?;
        let from = offset - offset % queue.block;
        let to = end.next_multiple_of(queue.block);
        let Slot::Here(buffer, _) = core::mem::replace(slot, Slot::Gone) else { return Err(Refused::Failed) };
        let cut = match Cut::new(buffer, (to - from) as usize) {
            Ok(cut) => cut,
            Err((_, buffer)) => {
                *slot = Slot::Here(buffer, 0);
                return Err(Refused::Failed);
            }
        };
        match queue.queue.submit(Io::Read { offset: from, into: cut }) {
            Ok(token) => {
                *slot = Slot::Reading(token, (offset - from) as usize);
                Ok(())
            }
            Err((error, io)) => {
                if let Some(cut) = io.into_payload() {
                    *slot = Slot::Here(cut.into_buffer(), 0);
                }
                Err(if error == Error::Full { Refused::Busy } else { Refused::Failed })
            }
        }
    }

    fn end(&mut self, number: usize) -> Option<Result<(), Refused>> {
        let queue = &mut *self.0.queue.borrow_mut();
        let Some(slot) = queue.slots.get_mut(number) else { return Some(Err(Refused::Failed)) };
        let Slot::Reading(token, skip) = slot else { return Some(Err(Refused::Failed)) };
        match queue.queue.poll(*token) {
            Err(Error::Pending) => None,
            // The queue is lost, and the buffer with it.
            Err(_) => Some(Err(Refused::Failed)),
            Ok(done) => {
                let skip = *skip;
                *slot = done.payload.map_or(Slot::Gone, |cut| Slot::Here(cut.into_buffer(), skip));
                Some(done.result.map_err(|_: Status| Refused::Failed))
            }
        }
    }

    fn copy(&self, number: usize, at: usize, to: &mut [u8]) {
        let queue = self.0.queue.borrow();
        if let Some(Slot::Here(buffer, skip)) = queue.slots.get(number) {
            // The server asks for no more than the read brought.
            let _ = buffer.read(skip.saturating_add(at), to);
        }
    }
}
