// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads of a disk, so many under way at a time.
//!
//! Boot parameters beside those of `io`: `depth`; `blocks` of the disk, each of which begins with its number,
//! and the `bytes` of one; `along` = 1: one after the other, and by Tenon alone, else at random places;
//! `indirect` = 1: virtio's descriptors stand in tables.

use super::{PORT, VECTOR, Way, both, sleep};
use crate::line::line;
use crate::number;
use crate::platform::{Bench, pages};
use crate::time::timed;
use crate::virtio::{self, BLOCK, DEPTH, Tells};
use core::hint::spin_loop;
use tenon_abi::DeviceKind;
use tenon_guest::block::{Block, Io, Payload, Segment};
use tenon_guest::device::Arena;
use tenon_guest::{Buffer, Error, Pages, Session, Vcpu};

/// A way to a disk.
trait Disk {
    /// Asks for a block, without telling.
    fn read(&mut self, place: usize, block: u64) -> Result<(), Error>;
    /// Tells the host of what was asked.
    fn tell(&mut self);
    /// A place whose request was answered, and the first word of what was read.
    fn take(&mut self) -> Option<Result<(usize, u64), Error>>;
    /// Says that it will sleep; `false` where something has come meanwhile.
    fn arm(&mut self) -> bool;
    fn wake(&mut self);
    fn doorbells(&self) -> u64;
}

impl Disk for virtio::Disk {
    #[inline(always)]
    fn read(&mut self, place: usize, block: u64) -> Result<(), Error> {
        Self::read(self, place, block * (BLOCK / 512) as u64)
    }

    #[inline(always)]
    fn tell(&mut self) {
        Self::tell(self);
    }

    #[inline(always)]
    fn take(&mut self) -> Option<Result<(usize, u64), Error>> {
        let place = Self::take(self)?;
        Some(place.map(|place| (place, self.word(place))))
    }

    /// The crate has said from which answer on it wants an interrupt, when it took the last one.
    #[inline(always)]
    fn arm(&mut self) -> bool {
        !self.is_answered()
    }

    fn wake(&mut self) {
        Self::wake(self);
    }

    fn doorbells(&self) -> u64 {
        Self::doorbells(self)
    }
}

/// How requests are made.
#[derive(Clone, Copy)]
struct Plan {
    depth: usize,
    polled: bool,
    blocks: u64,
    along: bool,
}

/// A disk, and which block of it is the next.
struct Reads<D> {
    disk: D,
    plan: Plan,
    seed: u64,
}

impl<D: Disk> Reads<D> {
    const fn new(disk: D, plan: Plan) -> Self {
        Self { disk, plan, seed: 0x2545_f491_4f6c_dd1d }
    }
}

impl<D: Disk> Way for Reads<D> {
    fn run(&mut self, count: u64) -> Result<u64, Error> {
        let Self { disk, plan: Plan { depth, polled, blocks, along }, seed } = self;
        let mut asked = [0u64; DEPTH];
        let mut next = || {
            if *along {
                *seed = seed.wrapping_add(1);
            } else {
                // A generator of Marsaglia's: three shifts.
                *seed ^= *seed << 13;
                *seed ^= *seed >> 7;
                *seed ^= *seed << 17;
            }
            *seed % *blocks
        };
        let (ticks, result) = timed(|| {
            let (mut submitted, mut taken) = (0, 0);
            for (place, asked) in asked.iter_mut().take(*depth).enumerate() {
                if submitted < count {
                    *asked = next();
                    disk.read(place, *asked)?;
                    submitted += 1;
                }
            }
            disk.tell();
            while taken < count {
                let mut again = false;
                while let Some(answer) = disk.take() {
                    let (place, word) = answer?;
                    let Some(asked) = asked.get_mut(place) else { return Err(Error::Pending) };
                    if word != *asked {
                        line("wrong", &[*asked, word]);
                        return Err(Error::Pending);
                    }
                    taken += 1;
                    if submitted < count {
                        *asked = next();
                        disk.read(place, *asked)?;
                        (submitted, again) = (submitted + 1, true);
                    }
                }
                if again {
                    disk.tell();
                } else if *polled {
                    spin_loop();
                } else if taken < count {
                    sleep(|| disk.arm());
                }
            }
            Ok(())
        });
        result.map(|()| ticks)
    }

    fn wake(&mut self) {
        self.disk.wake();
    }

    fn doorbells(&self) -> u64 {
        self.disk.doorbells()
    }
}

/// A buffer that knows its place.
struct Slot {
    place: usize,
    buffer: Buffer,
}

impl Payload for Slot {
    #[inline(always)]
    fn count(&self) -> usize {
        1
    }

    #[inline(always)]
    fn segment(&self, index: usize) -> Option<Segment> {
        self.buffer.segment(index)
    }
}

/// A queue of Tenon's, with a buffer for each request.
struct Ours<'p> {
    platform: &'p Bench,
    block: Block<'p, Bench, Slot, 64>,
    slots: [Option<Slot>; DEPTH],
    bytes: u64,
}

impl Disk for Ours<'_> {
    #[inline(always)]
    fn read(&mut self, place: usize, block: u64) -> Result<(), Error> {
        let into = self.slots.get_mut(place).and_then(Option::take).ok_or(Error::Pending)?;
        let asked = self.block.push(Io::Read { offset: block * self.bytes, into });
        asked.map(|_| ()).map_err(|(error, _)| error)
    }

    #[inline(always)]
    fn tell(&mut self) {
        self.block.kick();
    }

    #[inline(always)]
    fn take(&mut self) -> Option<Result<(usize, u64), Error>> {
        let done = match self.block.next_done() {
            Ok(done) => done?,
            Err(error) => return Some(Err(error)),
        };
        let mut word = [0; 8];
        let slot = match (done.result, done.payload) {
            (Ok(()), Some(slot)) if slot.buffer.read(0, &mut word) => slot,
            _ => return Some(Err(Error::Pending)),
        };
        let place = slot.place;
        if let Some(home) = self.slots.get_mut(place) {
            *home = Some(slot);
        }
        Some(Ok((place, u64::from_le_bytes(word))))
    }

    #[inline(always)]
    fn arm(&mut self) -> bool {
        self.block.arm().unwrap_or(false)
    }

    /// Its first request does that.
    fn wake(&mut self) {}

    fn doorbells(&self) -> u64 {
        self.platform.kicks()
    }
}

/// The first disk's first queue.
fn ours<'p>(
    session: &Session<'p, Bench>,
    vcpu: &Vcpu<'p, Bench>,
    platform: &'p Bench,
    plan: Plan,
    bytes: u64,
    pages: &mut Pages,
) -> Result<Ours<'p>, Error> {
    let arena = Arena::of(pages);
    let granule = session.granule();
    let told = Buffer::new(pages.split(BLOCK as u64, granule)?);
    let info = vcpu.devices().find(DeviceKind::BLOCK, &told)?.ok_or(Error::NotPresent)?;
    let device = session.open_device(vcpu, &info, 0, arena, None)?;
    let port = if plan.polled { None } else { Some(PORT) };
    if !plan.polled {
        // A direct port: one interrupt, as virtio has.
        vcpu.bind_direct(PORT, 0, VECTOR)?;
    }
    let block = device.block(vcpu, 0, port, pages)?;
    let mut slots = [const { None }; DEPTH];
    for (place, slot) in slots.iter_mut().take(plan.depth).enumerate() {
        *slot = Some(Slot { place, buffer: Buffer::new(pages.split(bytes, granule)?) });
    }
    Ok(Ours { platform, block, slots, bytes })
}

/// Times both in turns: a round is so many requests of either.
pub(crate) fn times<'p>(
    session: &Session<'p, Bench>,
    vcpu: &Vcpu<'p, Bench>,
    platform: &'p Bench,
) -> Result<(), Error> {
    let (depth, polled, along) = (number("depth") as usize, number("polled") == 1, number("along") == 1);
    let plan = Plan { depth: depth.clamp(1, DEPTH), polled, blocks: number("blocks").max(1), along };
    let bytes = number("bytes").max(BLOCK as u64);
    let arena = (plan.depth * bytes as usize + (1 << 17)).next_power_of_two();
    let mut pages = pages(arena)?;
    let ours = ours(session, vcpu, platform, plan, bytes, &mut pages)?;
    let tells = if polled { Tells::Never } else { Tells::ByIndex };
    let theirs = match along {
        true => None,
        false => Some(Reads::new(virtio::Disk::new(tells, number("indirect") == 1)?, plan)),
    };
    both(&mut Reads::new(ours, plan), theirs)
}
