// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads of a disk, so many under way at a time, by Tenon and by virtio in turns.
//!
//! Boot parameters: `depth`; `polled` = 1: neither side tells the other, and both look all the time; `each`,
//! requests of a round.

use crate::line::line;
use crate::number;
use crate::time::timed;
use crate::virtio::{BLOCK, DEPTH, Driver, Tells};
use core::hint::spin_loop;
use tenon_guest::Error;
use tenon_guest_rt as rt;

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
        let place = Driver::take(self, None)?;
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

/// Times both in turns: a round is so many requests of either.
pub(crate) fn times() -> Result<(), Error> {
    let (depth, polled) = (number("depth") as usize, number("polled") == 1);
    let plan = Plan { depth: depth.clamp(1, DEPTH), polled, blocks: number("blocks").max(1) };
    let tells = if polled { Tells::Never } else { Tells::ByIndex };
    let mut theirs = Driver::new(tells, false)?;
    rt::set_upcall_handler(|_, _| {});
    rt::irq_enable();
    let mut seed = 0x2545_f491_4f6c_dd1d;
    let each = number("each").max(1);
    // Warm: what is touched first, and caches.
    run(&mut theirs, plan, number("warm").max(1), &mut seed)?;
    line("begin", &[]);
    let rounds = number("rounds");
    line("block", &[each, rt::ticks()]);
    for _ in 0..rounds {
        let b = run(&mut theirs, plan, each, &mut seed)?;
        line("round", &[b, b, rt::ticks()]);
    }
    rt::irq_disable();
    Ok(())
}
