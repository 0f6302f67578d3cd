// SPDX-License-Identifier: MIT OR Apache-2.0
//! Disks by the shim.

use crate::case::{Case, Ctx, Fail, Lacks, Outcome, check, equal};
use crate::cases::device::rig::{ARENA, DISK};
use crate::cases::tools::case;
use crate::shim::{SuitePlatform, failed};
use tenon_abi::{DeviceKind, Granule, Status};
use tenon_guest::block::{self, Io, List, Payload};
use tenon_guest::device::{Arena, Info};
use tenon_guest::{Block, Buffer, Device, Error, Pages, Session, Vcpu};

/// The cases.
pub const CASES: &[Case] = &[
    case("block.shim-info", &["BLK-2", "DEV-4"], DISK, info),
    case("block.shim-writes-and-reads", &["BLK-4", "BLK-5", "BLK-6"], DISK, writes),
    case("block.shim-many", &["BLK-4", "CALL-7"], DISK, many),
    case("block.shim-list", &["BLK-3"], DISK, list),
    case("block.shim-is-refused", &["BLK-3"], DISK, refused),
    case("block.shim-cancels", &["BLK-10", "CALL-22"], DISK, cancels),
    case("block.shim-closes", &["DEV-11", "DEV-12"], DISK, closes),
    case("block.shim-submits-again", &["CALL-18", "SES-7", "DEV-12"], DISK, again),
];

type Own<'p> = SuitePlatform;
type Shim<'p, T> = Block<'p, Own<'p>, T, 16>;

/// A disk by the shim.
struct Set<'p> {
    session: Session<'p, SuitePlatform>,
    vcpu: Vcpu<'p, SuitePlatform>,
    told: Info,
    disk: block::Info,
    pages: Pages,
    page: Buffer,
}

impl<'p> Set<'p> {
    fn new(ctx: &Ctx, platform: &'p SuitePlatform) -> Result<Self, Fail> {
        let (session, vcpu) = platform.attach()?;
        let page = Buffer::new(platform.pages(4096, Granule::K4)?);
        let told = vcpu.devices().find(DeviceKind::BLOCK, &page);
        let told = told.map_err(|error| failed("DEVICE_QUERY", error))?;
        let told = told.ok_or(Fail::Skip(Lacks::Device("disk")))?;
        let disk = told.block().map_err(|error| failed("what a disk tells", error))?;
        let pages = crate::shim::own_pages(ctx.env, ARENA)?;
        Ok(Self { session, vcpu, told, disk, pages, page })
    }

    fn open<T: Payload>(&mut self) -> Result<(Device<'p, SuitePlatform>, Shim<'p, T>), Fail> {
        let arena = Arena::of(&self.pages);
        let device = self.session.open_device(&self.vcpu, &self.told, 0, arena, None);
        let device = device.map_err(|error| failed("DEVICE_OPEN", error))?;
        let block = device.block(&self.vcpu, 0, None, &mut self.pages);
        Ok((device, block.map_err(|error| failed("QUEUE_OPEN", error))?))
    }

    /// A buffer of the arena, of one granule, filled with a word.
    fn buffer(&mut self, word: u64) -> Result<Buffer, Fail> {
        let pages = self.pages.split(4096, self.session.granule());
        let buffer = Buffer::new(pages.map_err(|error| failed("pages of the arena", error))?);
        fill(&buffer, word)?;
        Ok(buffer)
    }
}

/// Fills a buffer of one granule with words that follow from one.
fn fill(buffer: &Buffer, word: u64) -> Outcome {
    let stored = (0..512u64).all(|index| buffer.write(index as usize * 8, &(word ^ index).to_le_bytes()));
    check(stored, "a buffer of a granule")
}

/// Whether a buffer holds what [`fill`] would have left there.
fn holds(buffer: &Buffer, word: u64) -> Outcome {
    for index in 0..512u64 {
        let mut found = [0; 8];
        check(buffer.read(index as usize * 8, &mut found), "a buffer of a granule")?;
        equal(u64::from_le_bytes(found), word ^ index, "what the shim has read")?;
    }
    Ok(())
}

/// One request, and its payload.
fn one<'p, T: Payload>(block: &mut Shim<'p, T>, io: Io<T>, what: &'static str) -> Result<Option<T>, Fail> {
    let token = block.submit(io).map_err(|(error, _)| failed(what, error))?;
    for _ in 0..8 {
        match block.wait(token) {
            Err(Error::Pending) => {}
            Err(error) => return Err(failed(what, error)),
            Ok(done) => {
                done.result.map_err(|status| Fail::Failed(what, u64::from(status.0), 0))?;
                return Ok(done.payload);
            }
        }
    }
    Err(Fail::Failed("a request of the shim's does not end", 0, 0))
}

fn info(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let set = Set::new(ctx, &platform)?;
    let limits = set.vcpu.devices().limits().map_err(|error| failed("DEVICE_LIMITS", error))?;
    check(limits.devices != 0 && limits.queues != 0, "limits")?;
    check(set.disk.bytes != 0 && set.disk.block >= 512, "what a disk tells")?;
    let again = set.vcpu.devices().query(set.told.device, &set.page);
    let again = again.map_err(|error| failed("DEVICE_QUERY", error))?;
    equal(again.own[0], set.disk.bytes, "bytes of the disk")
}

fn writes(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut set = Set::new(ctx, &platform)?;
    let (_device, mut block) = set.open()?;
    let none = Fail::Failed("a payload does not come back", 0, 0);
    for (offset, word) in [(0, 0x1111), (4096, 0x2222), (set.disk.bytes - 4096, 0x3333)] {
        let from = set.buffer(word)?;
        let write = Io::Write { offset, from, durable: offset == 0 };
        let buffer = one(&mut block, write, "WRITE")?.ok_or(none)?;
        one(&mut block, Io::Flush, "FLUSH")?;
        fill(&buffer, 0)?;
        let buffer = one(&mut block, Io::Read { offset, into: buffer }, "READ")?.ok_or(none)?;
        holds(&buffer, word)?;
    }
    Ok(())
}

fn many(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut set = Set::new(ctx, &platform)?;
    let (_device, mut block) = set.open()?;
    for index in 0..8 {
        let from = set.buffer(0x40 + index)?;
        let write = Io::Write { offset: index * 4096, from, durable: false };
        block.push(write).map_err(|(error, _)| failed("WRITE", error))?;
    }
    block.kick();
    let mut done = 0;
    for _ in 0..ctx.env.patience().saturating_mul(4) {
        match block.next_done().map_err(|error| failed("a completion", error))? {
            Some(one) => {
                one.result.map_err(|status| Fail::Failed("WRITE", u64::from(status.0), 0))?;
                check(one.payload.is_some(), "a payload does not come back")?;
                done += 1;
            }
            None if done == 8 => break,
            None => ctx.env.relax(),
        }
    }
    equal(done, 8, "requests that ended")?;
    for index in 0..8 {
        let into = set.buffer(0)?;
        let buffer = one(&mut block, Io::Read { offset: index * 4096, into }, "READ")?;
        holds(&buffer.ok_or(Fail::Failed("a payload does not come back", 0, 0))?, 0x40 + index)?;
    }
    equal(block.in_flight() as u64, 0, "requests in flight")
}

fn list(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut set = Set::new(ctx, &platform)?;
    let (_device, mut block) = set.open::<List<Buffer, 4>>()?;
    if set.disk.max_segments < 4 {
        return Ok(());
    }
    let mut list = List::new(Some(set.buffer(0)?));
    for index in 0..4 {
        let part = set.buffer(0x50 + index)?;
        list.push(part).map_err(|_| Fail::Failed("a list of four takes no fourth part", index, 0))?;
    }
    let list = one(&mut block, Io::Write { offset: 0, from: list, durable: false }, "WRITE of a list")?;
    let list = list.ok_or(Fail::Failed("a list does not come back", 0, 0))?;
    for index in 0..4 {
        let part = list.part(index).ok_or(Fail::Failed("a part is missing", index as u64, 0))?;
        fill(part, 0)?;
    }
    let list = one(&mut block, Io::Read { offset: 0, into: list }, "READ of a list")?;
    let list = list.ok_or(Fail::Failed("a list does not come back", 0, 0))?;
    for index in 0..4 {
        holds(list.part(index).ok_or(Fail::Failed("a part is missing", 0, 0))?, 0x50 + index as u64)?;
    }
    Ok(())
}

fn refused(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut set = Set::new(ctx, &platform)?;
    let (_device, mut block) = set.open()?;
    let into = set.buffer(7)?;
    let token = block.submit(Io::Read { offset: set.disk.bytes, into });
    let token = token.map_err(|(error, _)| failed("READ behind the end", error))?;
    let done = block.wait(token).map_err(|error| failed("READ behind the end", error))?;
    check(done.result == Err(Status::BAD_RANGE), "READ behind the end")?;
    let buffer = done.payload.ok_or(Fail::Failed("a payload does not come back", 0, 0))?;
    holds(&buffer, 7)?;
    let again = block.poll(token);
    check(matches!(again, Err(Error::Refused(Status::NOT_FOUND))), "a result that was taken")
}

fn cancels(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut set = Set::new(ctx, &platform)?;
    let (_device, mut block) = set.open()?;
    let mut buffer = set.buffer(9)?;
    for _ in 0..16 {
        let token = block.submit(Io::Read { offset: 0, into: buffer });
        let token = token.map_err(|(error, _)| failed("READ", error))?;
        let cancelled = match block.cancel(token) {
            // It was done before it was to be cancelled.
            Err(Error::Refused(Status::NOT_FOUND)) => false,
            answer => answer.map_err(|error| failed("CANCEL", error))?,
        };
        let done = block.wait(token).map_err(|error| failed("a READ that was cancelled", error))?;
        let wanted = if cancelled { Err(Status::CANCELLED) } else { Ok(()) };
        check(done.result == wanted, "CANCEL and what it cancels")?;
        buffer = done.payload.ok_or(Fail::Failed("a payload does not come back", 0, 0))?;
    }
    Ok(())
}

fn closes(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut set = Set::new(ctx, &platform)?;
    let (mut device, mut block) = set.open()?;
    for index in 0..8 {
        let into = set.buffer(index)?;
        let read = Io::Read { offset: index * 4096, into };
        block.push(read).map_err(|(error, _)| failed("READ", error))?;
    }
    block.kick();
    pending(|| block.close(&set.vcpu), "QUEUE_CLOSE")?;
    let mut ended = 0;
    while let Some(done) = block.next_done().map_err(|error| failed("after closing", error))? {
        check(done.payload.is_some(), "a payload does not come back")?;
        ended += 1;
    }
    ended += block.finish(Status::INDETERMINATE) as u64;
    while let Ok(Some(_)) = block.next_done() {}
    check(ended >= 8, "requests that ended")?;
    check(block.release().is_ok(), "the pages of a closed queue")?;
    pending(|| device.close(&set.vcpu), "DEVICE_CLOSE")
}

/// Calls again while it is pending.
fn pending(mut close: impl FnMut() -> Result<(), Error>, what: &'static str) -> Outcome {
    for _ in 0..16 {
        match close() {
            Err(Error::Pending) => {}
            result => return result.map_err(|error| failed(what, error)),
        }
    }
    Err(Fail::Failed("closing does not end", 0, 0))
}

/// The session ends under requests in flight: in the next one they are submitted again.
fn again(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut set = Set::new(ctx, &platform)?;
    let (_old, mut block) = set.open()?;
    let mut tokens = [None; 8];
    for (index, place) in (0..).zip(&mut tokens) {
        let from = set.buffer(0x90 + index)?;
        let write = Io::Write { offset: index * 4096, from, durable: false };
        *place = Some(block.push(write).map_err(|(error, _)| failed("WRITE", error))?);
    }
    check(crate::raw::reset(ctx.env), "the session cannot be reset")?;
    // What the old one had is its own; the arena and the requests are kept.
    let next = platform.attach()?;
    (set.session, set.vcpu) = next;
    let arena = Arena { address: set.arena_at(), len: ARENA as u64 };
    let device = set.session.open_device(&set.vcpu, &set.told, 0, arena, None);
    let device = device.map_err(|error| failed("DEVICE_OPEN in the next session", error))?;
    let count = block.reopen(&device, &set.vcpu).map_err(|error| failed("submitting again", error))?;
    check(count <= 8, "requests that were submitted again")?;
    for token in tokens.into_iter().flatten() {
        let done = block.wait(token).map_err(|error| failed("a request that was submitted again", error))?;
        done.result.map_err(|status| Fail::Failed("its result", u64::from(status.0), 0))?;
    }
    for index in 0..8 {
        let into = set.buffer(0)?;
        let buffer = one(&mut block, Io::Read { offset: index * 4096, into }, "READ")?;
        holds(&buffer.ok_or(Fail::Failed("a payload does not come back", 0, 0))?, 0x90 + index)?;
    }
    Ok(())
}

impl Set<'_> {
    /// Where the arena begins: pages are taken off its front.
    fn arena_at(&self) -> u64 {
        self.pages.address() + self.pages.mapping().byte_len() as u64 - ARENA as u64
    }
}
