// SPDX-License-Identifier: MIT OR Apache-2.0
//! One thread, or two on two processors, and how long they took.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::Instant;

use crate::quiet::{Seat, sit, switches, thread as this_thread};

/// How long one sample took, in nanoseconds, and whether it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// From the first message to the last, both ends.
    pub nanos: f64,
    /// No thread that took part was switched away against its will.
    pub quiet: bool,
}

/// Times `work` in the calling thread.
pub fn alone(work: impl FnOnce()) -> Reading {
    let before = switches(this_thread());
    let start = Instant::now();
    work();
    let nanos = start.elapsed().as_nanos() as f64;
    Reading { nanos, quiet: switches(this_thread()) == before }
}

/// Runs both ends with `true`, untimed, so that caches and pages are warm, and then with `false`. The calling
/// thread sits on the host's processor, the other one on the guest's.
pub fn together(mut mine: impl FnMut(bool), mut theirs: impl FnMut(bool) + Send) -> Reading {
    let (partner, go, done, leave) =
        (AtomicI32::new(0), AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            sit(Seat::Guest);
            theirs(true);
            partner.store(this_thread(), Ordering::Release);
            wait(|| go.load(Ordering::Acquire));
            theirs(false);
            done.store(true, Ordering::Release);
            // A thread that has ended has no count of switches.
            wait(|| leave.load(Ordering::Acquire));
        });
        mine(true);
        wait(|| partner.load(Ordering::Acquire) != 0);
        let disturbed = || switches(this_thread()) + switches(partner.load(Ordering::Relaxed));
        let before = disturbed();
        let start = Instant::now();
        go.store(true, Ordering::Release);
        mine(false);
        wait(|| done.load(Ordering::Acquire));
        let nanos = start.elapsed().as_nanos() as f64;
        let quiet = disturbed() == before;
        leave.store(true, Ordering::Release);
        Reading { nanos, quiet }
    })
}

/// Spins until something holds.
#[inline(always)]
pub fn wait(mut holds: impl FnMut() -> bool) {
    while !holds() {
        spin_loop();
    }
}

/// Pauses of an end that found nothing where many are under way.
const PAUSES: u32 = 8;

/// Lets the other end go on: each look takes a line away from who is about to write it.
#[inline(always)]
pub fn rest() {
    (0..PAUSES).for_each(|_| spin_loop());
}

/// An end's private state, where no line of it is also the other end's.
#[repr(align(256))]
pub struct Apart<T>(pub T);

/// Puts each of two ends into lines of its own.
pub fn apart<A, B>((mine, theirs): (A, B)) -> (Box<Apart<A>>, Box<Apart<B>>) {
    (Box::new(Apart(mine)), Box::new(Apart(theirs)))
}
