// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to a device that does nothing with them but to read them in full, and their answers.

use std::cell::RefCell;
use std::hint::spin_loop;

use super::pair::{alone, apart, rest, together, wait};
use super::sample::Variant;

/// Requests of one batch.
pub const BATCH: u64 = 32;
/// The most requests under way where the ends are two threads.
pub const DEPTH: u64 = 128;
/// Untimed requests before each sample: more than two laps of the largest ring.
const WARM: u64 = 1024;

/// A way to a device and back. Requests are numbered; the words of number n are n, n + 1, and so on.
pub trait Queue {
    /// Who submits and takes answers.
    type Driver: Send;
    /// Who answers.
    type Device: Send;
    /// Words of a request that the device reads.
    const WORDS: u64;

    /// Both ends, with room for [`DEPTH`] requests.
    fn make() -> (Self::Driver, Self::Device);
    /// Submits a request. There is room.
    fn submit(driver: &mut Self::Driver, number: u64);
    /// Takes an answer, if there is one.
    fn reap(driver: &mut Self::Driver) -> bool;
    /// Answers what is there, at most `most`, and says how much it was.
    fn serve(device: &mut Self::Device, most: u64) -> u64;
    /// The sum of all words of all requests, as it was found.
    fn sum(driver: &Self::Driver, device: &Self::Device) -> u64;

    /// A batch from submission to the last answer, both ends in this thread.
    #[inline(always)]
    fn batch(driver: &mut Self::Driver, device: &RefCell<Self::Device>, first: u64) {
        for number in first..first + BATCH {
            Self::submit(driver, number);
        }
        let (mut served, mut taken) = (0, 0);
        while served < BATCH {
            served += Self::serve(&mut device.borrow_mut(), BATCH);
        }
        while taken < BATCH {
            taken += u64::from(Self::reap(driver));
        }
    }

    /// So many requests from `first` on, at most `depth` of them at once, at least a quarter of that
    /// submitted at a time.
    #[inline(always)]
    fn drive(driver: &mut Self::Driver, first: u64, count: u64, depth: u64) {
        let least = (depth / 4).max(1);
        let (mut submitted, mut taken) = (0, 0);
        while taken < count {
            if submitted - taken + least <= depth && submitted < count {
                let until = count.min(taken + depth);
                while submitted < until {
                    Self::submit(driver, first + submitted);
                    submitted += 1;
                }
            }
            if !Self::reap(driver) {
                rest();
                continue;
            }
            taken += 1;
            while taken < submitted && Self::reap(driver) {
                taken += 1;
            }
        }
    }

    /// Answers so many, up to `depth` at a time.
    #[inline(always)]
    fn attend(device: &mut Self::Device, count: u64, depth: u64) {
        let mut served = 0;
        while served < count {
            let more = Self::serve(device, depth);
            if more == 0 {
                rest();
            }
            served += more;
        }
    }
}

/// What the sum over requests 0 to `count` has to be.
const fn expected(words: u64, count: u64) -> u64 {
    words * (count * count.saturating_sub(1) / 2) + count * (words * (words - 1) / 2)
}

/// Both ends in one thread, in batches.
pub fn one_thread<Q: Queue>(group: &str, name: &'static str) -> Variant {
    let run = move |count: u64| {
        let count = count.next_multiple_of(BATCH);
        let (mut driver, device) = Q::make();
        let device = RefCell::new(device);
        batches::<Q>(&mut driver, &device, 0, WARM);
        let reading = alone(|| batches::<Q>(&mut driver, &device, WARM, count));
        assert_eq!(Q::sum(&driver, &device.borrow()), expected(Q::WORDS, WARM + count), "{name}");
        (count, reading)
    };
    Variant { group: group.to_owned(), name, run: Box::new(run) }
}

#[inline(never)]
fn batches<Q: Queue>(driver: &mut Q::Driver, device: &RefCell<Q::Device>, first: u64, count: u64) {
    for batch in (first..first + count).step_by(BATCH as usize) {
        Q::batch(driver, device, batch);
    }
}

/// Each end in a thread of its own, with up to `depth` requests under way.
pub fn two_threads<Q: Queue>(group: &str, name: &'static str, depth: u64) -> Variant {
    pinned::<Q>(
        group,
        name,
        move |driver, first, count| Q::drive(driver, first, count, depth),
        move |device, count| Q::attend(device, count, depth),
    )
}

/// Each end in a thread of its own, with one request under way. `paced`: an end that has written waits for
/// one pause before it looks for what comes back. A look that is too early takes the line away from who is
/// about to write it.
pub fn round_trip<Q: Queue>(group: &str, name: &'static str, paced: bool) -> Variant {
    let pace = move || {
        if paced {
            spin_loop();
        }
    };
    pinned::<Q>(
        group,
        name,
        move |driver, first, count| {
            for number in first..first + count {
                Q::submit(driver, number);
                pace();
                wait(|| Q::reap(driver));
            }
        },
        move |device, count| {
            for _ in 0..count {
                wait(|| Q::serve(device, 1) == 1);
                pace();
            }
        },
    )
}

fn pinned<Q: Queue>(
    group: &str,
    name: &'static str,
    drive: impl Fn(&mut Q::Driver, u64, u64) + 'static,
    attend: impl Fn(&mut Q::Device, u64) + Sync + 'static,
) -> Variant {
    let run = move |count: u64| {
        let (mut driver, mut device) = apart(Q::make());
        let (driver, device) = (&mut driver.0, &mut device.0);
        let mut first = 0;
        let reading = together(
            |warm| {
                let count = if warm { WARM } else { count };
                drive(driver, first, count);
                first += count;
            },
            |warm| attend(device, if warm { WARM } else { count }),
        );
        assert_eq!(Q::sum(driver, device), expected(Q::WORDS, WARM + count), "{name}");
        (count, reading)
    };
    Variant { group: group.to_owned(), name, run: Box::new(run) }
}
