// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices by Tenon and by virtio in turns.
//!
//! Boot parameters: `polled` = 1: neither side tells the other, and both look all the time; `rounds`, and
//! `each` and `lead`, what a round does and what it does before, which does not count; `pause`, ticks before
//! that, in which the other one's thread falls asleep.

mod disk;
mod frames;

pub(crate) use disk::times as disk;
pub(crate) use frames::times as frames;

use crate::line::line;
use crate::number;
use crate::time::{in_turns, pause};
use core::sync::atomic::{AtomicU64, Ordering};
use tenon_guest::Error;
use tenon_guest_rt as rt;

/// Where Tenon's device tells the guest.
const PORT: u32 = 1;
const VECTOR: u32 = 0x34;

/// Interrupts that were taken.
static INTERRUPTS: AtomicU64 = AtomicU64::new(0);
/// How often the CPU was halted.
static HALTS: AtomicU64 = AtomicU64::new(0);

/// Counts, and nobody else does: there is one CPU.
fn add(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Sleeps until an interrupt comes, unless `arm` says that something has come.
#[inline(always)]
fn sleep(arm: impl FnOnce() -> bool) {
    rt::irq_disable();
    if arm() {
        add(&HALTS);
        rt::wait_for_interrupt();
    }
    rt::irq_enable();
}

/// One of the two ways.
trait Way {
    /// Does something so many times, and says what ticks that took.
    fn run(&mut self, count: u64) -> Result<u64, Error>;
    /// Wakes a host that looks without being told.
    fn wake(&mut self);
    /// Doorbells that were rung.
    fn doorbells(&self) -> u64;
}

/// What a way caused while it was timed.
#[derive(Default)]
struct Counts {
    done: u64,
    doorbells: u64,
    halts: u64,
    interrupts: u64,
}

fn turn(way: &mut impl Way, counts: &mut Counts, each: u64, lead: u64) -> Result<u64, Error> {
    pause(number("pause"));
    way.wake();
    way.run(lead)?;
    let seen = |way: &_| {
        let (halts, interrupts) = (HALTS.load(Ordering::Relaxed), INTERRUPTS.load(Ordering::Relaxed));
        [Way::doorbells(way), halts, interrupts]
    };
    let [doorbells, halts, interrupts] = seen(way);
    let ticks = way.run(each)?;
    let now = seen(way);
    counts.done += each;
    counts.doorbells += now[0] - doorbells;
    counts.halts += now[1] - halts;
    counts.interrupts += now[2] - interrupts;
    Ok(ticks)
}

/// Times both, and says what they caused. Without `theirs` nothing is done in its turn.
fn both(ours: &mut impl Way, mut theirs: Option<impl Way>) -> Result<(), Error> {
    rt::set_upcall_handler(|_, _| add(&INTERRUPTS));
    rt::irq_enable();
    let (each, lead) = (number("each").max(1), number("lead").max(1));
    let (mut one, mut other) = (Counts::default(), Counts::default());
    // What is touched first, and caches.
    ours.wake();
    ours.run(number("warm").max(1))?;
    if let Some(theirs) = &mut theirs {
        pause(number("pause"));
        theirs.wake();
        theirs.run(number("warm").max(1))?;
    }
    line("begin", &[]);
    let result = in_turns(
        number("rounds"),
        1,
        || turn(ours, &mut one, each, lead),
        || theirs.as_mut().map_or(Ok(1), |theirs| turn(theirs, &mut other, each, lead)),
    );
    rt::irq_disable();
    for (word, counts) in [("ours", one), ("theirs", other)] {
        line(word, &[counts.done, counts.doorbells, counts.halts, counts.interrupts]);
    }
    result
}
