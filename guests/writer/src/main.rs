// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes numbered pages to a disk, flushes, and says on the console which of them are durable. Whoever kills
//! its host at any moment finds these on the disk.
//!
//! Boot parameters: `first=N`, the number of the first write; `durable=1`: some writes are durable by
//! themselves; `again=1`: after an error it boots anew. The console has `failed` if the disk is FAILED,
//! `begins`, and from then on lines `flushed N` (a FLUSH is done, and each write
//! up to this number was completed before it was submitted) and `durable N`. It has no end but an error,
//! whose exit code is 1.
#![no_std]
#![no_main]

mod pattern;
#[path = "../../webfs/src/platform.rs"]
mod platform;

use core::fmt::Write as _;
use pattern::{PAGE, fill, page_of};
use platform::Kernel;
use tenon_abi::{BlockFlags, DeviceKind, Granule};
use tenon_guest::block::{Block, Done, Io, Token};
use tenon_guest::device::Arena;
use tenon_guest::memory::Buffer;
use tenon_guest::{Error, Session, Vcpu, Wish};
use tenon_guest_rt::Params;

tenon_guest_rt::entry!(main);
tenon_guest_rt::panic_with_message!();

/// Memory for session and vCPU.
const SHARED: usize = 1 << 18;
/// Requests at once.
const DEPTH: usize = 32;
/// Bytes of the disk's arena: a buffer for each request, and the queue itself.
const ARENA: usize = (DEPTH + 16) * PAGE;

fn main() -> u32 {
    let _ = platform::on_long_stack(start);
    1
}

extern "C" fn start() {
    if let Err(error) = begin() {
        let _ = writeln!(tenon_guest_rt::Serial, "writer: no host: {error}");
    }
}

fn begin() -> Result<u32, Error> {
    let (found, kernel) = platform::find()?;
    let kernel = platform::keep(kernel)?;
    let mut pages = platform::pages(SHARED)?;
    let session = Session::open(kernel, found, &mut pages, Wish::default())?;
    let vcpu: Vcpu<'_, _> = session.bind(0, &mut pages, [64, 64])?;
    let buffer = pages.split(4096, Granule::K4).map(Buffer::new)?;
    let info = vcpu.devices().find(DeviceKind::BLOCK, &buffer)?.ok_or(Error::NotPresent)?;
    let mut arena = platform::pages(ARENA)?;
    let device = session.open_device(&vcpu, &info, 0, Arena::of(&arena), None)?;
    let disk = device.block(&vcpu, 0, None, &mut arena)?;
    let mut spare = [const { None }; DEPTH];
    for buffer in &mut spare {
        *buffer = Some(arena.split(PAGE as u64, Granule::K4).map(Buffer::new)?);
    }
    let first = Params::number("first").unwrap_or(1);
    let durable = Params::number("durable") == Some(1);
    let mut writer = Writer { disk, spare, flying: [None; DEPTH], next: first, dice: first, durable };
    if info.block()?.flags.contains(BlockFlags::FAILED) {
        let _ = writeln!(vcpu.console(), "failed");
    }
    let _ = writeln!(vcpu.console(), "begins");
    let error = match writer.run(&vcpu) {
        Err(error) => error,
        Ok(never) => match never {},
    };
    let _ = writeln!(vcpu.console(), "writer: {error}");
    // Comes back only if the host did not end the domain.
    let life = vcpu.lifecycle();
    Err(if Params::number("again") == Some(1) { life.restart() } else { life.exit(1) })
}

/// What is under way.
#[derive(Clone, Copy)]
enum Work {
    Write {
        page: usize,
        version: u64,
        durable: bool,
    },
    /// Up to this version all was completed before it was submitted.
    Flush {
        completed: u64,
    },
}

struct Writer<'v> {
    disk: Block<'v, Kernel, Buffer, DEPTH>,
    spare: [Option<Buffer>; DEPTH],
    flying: [Option<(Token, Work)>; DEPTH],
    next: u64,
    dice: u64,
    durable: bool,
}

impl Writer<'_> {
    fn run(&mut self, vcpu: &Vcpu<'_, Kernel>) -> Result<core::convert::Infallible, Error> {
        loop {
            while let Some(done) = self.disk.next_done()? {
                self.settle(done, vcpu)?;
            }
            match self.throw(10) {
                0 => {
                    let completed = self.completed();
                    self.submit(Io::Flush, Work::Flush { completed })?;
                }
                dice => self.write(self.durable && dice == 1)?,
            }
        }
    }

    /// A number below `end`. It only spreads the writes.
    fn throw(&mut self, end: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.dice >> 33) % end
    }

    fn write(&mut self, durable: bool) -> Result<(), Error> {
        let version = self.next;
        let page = page_of(version);
        // Of two writes of one page at once either might win.
        let same = |work: Work| matches!(work, Work::Write { page: busy, .. } if busy == page);
        if self.flying.iter().flatten().any(|(_, work)| same(*work)) {
            return Ok(());
        }
        let Some(from) = self.spare.iter_mut().find_map(Option::take) else { return Ok(()) };
        let mut bytes = [0; PAGE];
        fill(version, &mut bytes);
        if !from.write(0, &bytes) {
            return Err(Error::TooLong);
        }
        let io = Io::Write { offset: (page * PAGE) as u64, from, durable };
        if self.submit(io, Work::Write { page, version, durable })? {
            self.next += 1;
        }
        Ok(())
    }

    /// `false`: there is no room now.
    fn submit(&mut self, io: Io<Buffer>, work: Work) -> Result<bool, Error> {
        match self.disk.submit(io) {
            Ok(token) => {
                // There is a place for each request that the queue can hold.
                let place = self.flying.iter_mut().find(|place| place.is_none()).ok_or(Error::Full)?;
                *place = Some((token, work));
                Ok(true)
            }
            Err((error, io)) => {
                self.keep(io.into_payload());
                if error == Error::Full { Ok(false) } else { Err(error) }
            }
        }
    }

    fn keep(&mut self, buffer: Option<Buffer>) {
        if let Some(place) = self.spare.iter_mut().find(|place| place.is_none()) {
            *place = buffer;
        }
    }

    /// All writes up to this version are completed.
    fn completed(&self) -> u64 {
        let versions = self.flying.iter().filter_map(|work| match work {
            Some((_, Work::Write { version, .. })) => Some(*version),
            _ => None,
        });
        versions.min().unwrap_or(self.next) - 1
    }

    fn settle(&mut self, done: Done<Buffer>, vcpu: &Vcpu<'_, Kernel>) -> Result<(), Error> {
        self.keep(done.payload);
        done.result.map_err(Error::Refused)?;
        let found = self.flying.iter_mut().find(|work| work.is_some_and(|(token, _)| token == done.token));
        match found.and_then(Option::take) {
            Some((_, Work::Flush { completed })) => say(vcpu, "flushed", completed),
            Some((_, Work::Write { version, durable: true, .. })) => say(vcpu, "durable", version),
            _ => {}
        }
        Ok(())
    }
}

fn say(vcpu: &Vcpu<'_, Kernel>, what: &str, version: u64) {
    // A line that is lost promises nothing.
    let _ = writeln!(vcpu.console(), "{what} {version}");
}
