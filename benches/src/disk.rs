// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest's disk in one thread with what answers its requests, so that the shim's instructions can be
//! counted. What answers is the host's end of the queue alone, and moves no data.
#![allow(unsafe_code, reason = "memory comes as addresses")]

use std::cell::RefCell;

use tenon_abi::device::{guest, host};
use tenon_abi::{BlockInfo, DeviceInfo, DeviceKind, Granule, Op, Status, Submission};
use tenon_guest::block::{Block, Io};
use tenon_guest::device::{Arena, Devices};
use tenon_guest::{Buffer, Calls, Error, Pages};
use tenon_rings::call::{Parts, Queue};
use tenon_rings::{Completer, Mapping, Site, Ticket, Words};
use zerocopy::{FromZeros, IntoBytes};

use crate::process::{Kernel, with_session};

/// Where the arena lies in region 0, and its length.
const ARENA: u64 = 1 << 30;
const LEN: usize = 1 << 20;
/// Bytes of a request.
const BLOCK: u64 = 4096;
/// Requests at once, at most.
pub const DEPTH: usize = 64;

/// A disk's queue with a buffer for each request.
pub type Disk<'p> = Block<'p, Kernel, Buffer, DEPTH>;

/// The host's end of a queue, and its state word.
pub type Host = (Completer<Mapping>, Mapping);

/// Answers the calls that open a queue.
struct Control {
    arena: Mapping,
    seed: u32,
    completer: RefCell<Option<Host>>,
}

impl Control {
    fn part(&self, address: u64, bytes: u64) -> Option<Mapping> {
        self.arena
            .slice(usize::try_from(address.checked_sub(ARENA)? / 8).ok()?, usize::try_from(bytes / 8).ok()?)
    }

    fn open(&self, own: u64, other: u64) -> Option<u64> {
        let (depth, slots) = (u32::try_from(DEPTH).ok()?, DEPTH as u64);
        let parts = Parts {
            submissions: self.part(own + guest::SUBMISSIONS, slots * 64)?,
            completions: self.part(other + host::COMPLETIONS, slots * 16)?,
            armed: self.part(own + guest::COMPLETIONS_ARMED, 8)?,
            kick: self.part(other + host::KICK_WANTED, 8)?,
        };
        let mut completer = Queue::new(parts, self.seed, depth).ok()?.completer().ok()?;
        // It looks by itself: no kick is wanted.
        let _ = completer.rest();
        self.part(other + host::KICK_WANTED, 8)?.store(0, 1 << 32 | 1 << 31, Site::KickPublish);
        let state = self.part(other + host::STATE, 8)?;
        *self.completer.borrow_mut() = Some((completer, state));
        Some(100)
    }

    fn tell(&self, address: u64) -> Option<u64> {
        let (mut info, mut own) = (DeviceInfo::new_zeroed(), BlockInfo::new_zeroed());
        own.bytes.set(1 << 20);
        own.block.set(512);
        own.physical.set(512);
        own.align.set(4);
        own.max_transfer.set(1 << 20);
        own.max_segment.set(1 << 16);
        own.max_segments.set(256);
        info.kind.set(DeviceKind::BLOCK.0);
        info.max_queues.set(1);
        info.max_depth.set(DEPTH as u32);
        info.own.as_mut_bytes().copy_from_slice(own.as_bytes());
        let place = usize::try_from(address.checked_sub(ARENA)?).ok()?;
        self.arena.write(place, info.as_bytes()).then_some(info.as_bytes().len() as u64)
    }
}

impl Calls for Control {
    fn call_with(&self, submission: Submission) -> Result<u64, Error> {
        let [_, address, _, own, other, _] = submission.args.map(|word| word.get());
        match submission.op() {
            Op::DEVICE_QUERY => self.tell(address).ok_or(Error::BadMemory),
            Op::QUEUE_OPEN => self.open(own, other).ok_or(Error::BadMemory),
            _ => Ok(0),
        }
    }

    fn submit(&self, _: Submission) -> Result<Ticket, Error> {
        Err(Error::Full)
    }

    fn poll(&self, _: &mut Option<Ticket>) -> Result<u64, Error> {
        Err(Error::Pending)
    }

    fn wait(&self, _: &mut Option<Ticket>) -> Result<u64, Error> {
        Err(Error::Pending)
    }

    fn give_up(&self, _: Ticket) {}

    fn emergency(&self, _: Submission) -> Result<u64, Error> {
        Err(Error::Pending)
    }

    fn end(&self, _: Submission) -> Error {
        Error::Pending
    }
}

/// Reads by all of `buffers` at once, and takes the results. Counted without what lies in
/// [`disk_host_kick`].
#[inline(never)]
pub fn guest_reads<const N: usize>(
    disk: &mut Disk<'_>,
    host: &mut Completer<Mapping>,
    buffers: &mut [Option<Buffer>; N],
) -> Result<(), Error> {
    for buffer in &mut *buffers {
        let into = buffer.take().ok_or(Error::Full)?;
        disk.push(Io::Read { offset: 0, into }).map_err(|(error, _)| error)?;
    }
    disk.kick();
    disk_host_kick(host);
    for buffer in buffers {
        let done = disk.next_done()?.ok_or(Error::Pending)?;
        done.result.map_err(Error::Refused)?;
        *buffer = done.payload;
    }
    Ok(())
}

/// Answers whatever was asked.
#[inline(never)]
pub fn disk_host_kick(host: &mut Completer<Mapping>) {
    while let Ok(fetched) = host.fetch() {
        let _ = host.complete(fetched.id, Status::OK, BLOCK);
    }
}

/// Runs [`guest_reads`] so many times.
///
/// # Errors
///
/// One line: what was refused.
pub fn repeat<const N: usize>(count: u64) -> Result<(), String> {
    with_disk(|disk, (mut host, _), _, buffers| {
        (0..count).try_for_each(|_| guest_reads::<N>(disk, &mut host, buffers))
    })
}

/// Runs `body` with a disk's queue, the host's end of it, the arena with its address in region 0, and a
/// buffer for each request.
///
/// # Errors
///
/// One line: what was refused.
pub fn with_disk<T, const N: usize>(
    body: impl FnOnce(&mut Disk<'_>, Host, (u64, Mapping), &mut [Option<Buffer>; N]) -> Result<T, Error>,
) -> Result<T, String> {
    with_session(|session, _| {
        let memory: &'static mut [u64] = Vec::leak(vec![0; LEN / 8]);
        // SAFETY: the memory is never freed, and reached through mappings alone from here on.
        let arena = unsafe { Mapping::new(memory.as_mut_ptr().cast(), LEN) }.ok_or(Error::BadMemory)?;
        // SAFETY: as above; it is handed out once.
        let mut pages = unsafe { Pages::new(arena.base(), LEN, ARENA) }?;
        let control = Control { arena, seed: session.seed(), completer: RefCell::default() };
        let area = Arena::of(&pages);
        let mut buffer = || pages.split(BLOCK, Granule::K4).map(Buffer::new);
        let info = Devices::over(&control).query(0, &buffer()?)?;
        let mut buffers = [const { None }; N];
        for place in &mut buffers {
            *place = Some(buffer()?);
        }
        let device = session.open_device(&control, &info, 0, area, None)?;
        let mut disk: Disk<'_> = device.block(&control, 0, None, &mut pages)?;
        let host = control.completer.take().ok_or(Error::NotPresent)?;
        body(&mut disk, host, (ARENA, arena), &mut buffers)
    })
}
