// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads of a disk, so many under way at a time, by Tenon and by virtio in turns.
//!
//! Boot parameters: `depth`; `polled` = 1: neither side tells the other, and both look all the time; `each`,
//! requests of a round.

use crate::line::line;
use crate::number;
use crate::platform::{Bench, pages};
use crate::time::{in_turns, timed};
use crate::virtio::{BLOCK, DEPTH, Driver, Tells};
use core::hint::spin_loop;
use tenon_abi::DeviceKind;
use tenon_guest::block::{Block, Io, Payload, Segment};
use tenon_guest::device::Arena;
use tenon_guest::{Buffer, Error, Pages, Session, Vcpu};
use tenon_guest_rt as rt;

/// Where Tenon's disk tells of answers.
const PORT: u32 = 1;
const VECTOR: u32 = 0x34;

/// A way to a disk.
pub(crate) trait Disk {
    /// Asks for a block, without telling.
    fn read(&mut self, place: usize, block: u64) -> Result<(), Error>;
    /// Tells the host of what was asked.
    fn tell(&mut self);
    /// A place whose request was answered, and the first word of what was read.
    fn take(&mut self) -> Option<Result<(usize, u64), Error>>;
    /// Says that it will sleep; `false` where something has come meanwhile.
    fn arm(&mut self) -> bool;
}

impl Disk for Driver {
    #[inline(always)]
    fn read(&mut self, place: usize, block: u64) -> Result<(), Error> {
        Driver::read(self, place, block * (BLOCK / 512) as u64)
    }

    #[inline(always)]
    fn tell(&mut self) {
        Driver::tell(self);
    }

    #[inline(always)]
    fn take(&mut self) -> Option<Result<(usize, u64), Error>> {
        let place = Driver::take(self)?;
        Some(place.map(|place| (place, self.word(place))))
    }

    /// The crate has said from which answer on it wants an interrupt, when it took the last one.
    #[inline(always)]
    fn arm(&mut self) -> bool {
        !self.is_answered()
    }
}

/// How requests are made.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) depth: usize,
    pub(crate) polled: bool,
    /// Blocks of the disk, each of which begins with its number.
    pub(crate) blocks: u64,
}

/// The ticks that so many reads take at random places.
pub(crate) fn run(disk: &mut impl Disk, plan: Plan, count: u64, seed: &mut u64) -> Result<u64, Error> {
    let Plan { depth, polled, blocks } = plan;
    let mut asked = [0u64; DEPTH];
    let mut next = || {
        // A generator of Marsaglia's: three shifts.
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed % blocks
    };
    let (ticks, result) = timed(|| {
        let (mut submitted, mut taken) = (0, 0);
        for (place, asked) in asked.iter_mut().take(depth).enumerate() {
            *asked = next();
            disk.read(place, *asked)?;
            submitted += 1;
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
            } else if polled {
                spin_loop();
            } else if taken < count {
                rt::irq_disable();
                if disk.arm() {
                    rt::wait_for_interrupt();
                }
                rt::irq_enable();
            }
        }
        Ok(())
    });
    result.map(|()| ticks)
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
    block: Block<'p, Bench, Slot, 64>,
    slots: [Option<Slot>; DEPTH],
}

impl Disk for Ours<'_> {
    #[inline(always)]
    fn read(&mut self, place: usize, block: u64) -> Result<(), Error> {
        let into = self.slots.get_mut(place).and_then(Option::take).ok_or(Error::Pending)?;
        let asked = self.block.push(Io::Read { offset: block * BLOCK as u64, into });
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
}

/// The first disk's first queue.
fn ours<'p>(
    session: &Session<'p, Bench>,
    vcpu: &Vcpu<'p, Bench>,
    polled: bool,
    pages: &mut Pages,
) -> Result<Option<Ours<'p>>, Error> {
    let arena = Arena::of(pages);
    let buffer = Buffer::new(pages.split(BLOCK as u64, session.granule())?);
    let Some(info) = vcpu.devices().find(DeviceKind::BLOCK, &buffer)? else { return Ok(None) };
    let device = session.open_device(vcpu, &info, 0, arena, None)?;
    let port = if polled { None } else { Some(PORT) };
    if !polled {
        // A direct port: one interrupt, as virtio has.
        vcpu.bind_direct(PORT, 0, VECTOR)?;
    }
    let block = device.block(vcpu, 0, port, pages)?;
    let mut slots = [const { None }; DEPTH];
    for (place, slot) in slots.iter_mut().enumerate() {
        *slot = Some(Slot { place, buffer: Buffer::new(pages.split(BLOCK as u64, session.granule())?) });
    }
    Ok(Some(Ours { block, slots }))
}

/// Times both in turns: a round is so many requests of either.
pub(crate) fn times(session: &Session<'_, Bench>, vcpu: &Vcpu<'_, Bench>) -> Result<(), Error> {
    let (depth, polled) = (number("depth") as usize, number("polled") == 1);
    let plan = Plan { depth: depth.clamp(1, DEPTH), polled, blocks: number("blocks").max(1) };
    let tells = if polled { Tells::Never } else { Tells::ByIndex };
    let mut pages = pages(1 << 18)?;
    let Some(mut ours) = ours(session, vcpu, polled, &mut pages)? else { return Err(Error::NotPresent) };
    let mut theirs = Driver::new(tells, false)?;
    rt::set_upcall_handler(|_, _| {});
    rt::irq_enable();
    let (each, warm) = (number("each").max(1), number("warm").max(1));
    let (mut one, mut other) = (0x2545_f491_4f6c_dd1d, 0x2545_f491_4f6c_dd1d);
    // What is touched first, and caches.
    run(&mut ours, plan, warm, &mut one)?;
    run(&mut theirs, plan, warm, &mut other)?;
    line("begin", &[]);
    let result = in_turns(
        number("rounds"),
        1,
        || run(&mut ours, plan, each, &mut one),
        || run(&mut theirs, plan, each, &mut other),
    );
    rt::irq_disable();
    result
}
