// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looking for a while, and then sleeping: for either end of a ring.

use core::hint::spin_loop;

/// After so many waits that ended asleep the next one looks as long as it may: what has become faster would
/// not be noticed otherwise.
const PROBE_EVERY: u32 = 16;

/// How long an end looks before it sleeps, learnt from how its last waits ended.
///
/// A wait that was over while looking draws the number of looks towards twice what it took; one that had to
/// sleep halves it. So an end whose peer answers at once never sleeps, and one whose peer is slow hardly
/// looks.
///
/// ```
/// use core::sync::atomic::AtomicU64;
/// use tenon_abi::{Op, Status, Submission};
/// use tenon_rings::call::{Parts, Queue};
/// use tenon_rings::{Error, Submitter, Waiter};
///
/// let submissions = [const { AtomicU64::new(0) }; 16];
/// let completions = [const { AtomicU64::new(0) }; 4];
/// let mut queue = Queue::new(Parts::bare(&submissions[..], &completions[..])?, 7, 2)?;
/// let (mut guest, mut host) = (queue.submitter::<2>()?, queue.completer()?);
/// let mut ticket = Some(guest.submit(Submission::new(Op::NOP, [0; 6]))?);
///
/// let mut waiter = Waiter::new(8, 1024);
/// // While it looks, or sleeps, the host answers.
/// let mut halt = || host.fetch().is_ok_and(|call| host.complete(call.id, Status::OK, 5));
/// let mut look = |guest: &mut Submitter<_, 2>| match guest.poll(ticket.take()?) {
///     Ok(Err(back)) => {
///         ticket = Some(back);
///         None
///     }
///     result => Some(result),
/// };
/// let answer = waiter.wait(&mut guest, 3, &mut look, Submitter::arm, || drop(halt()));
/// assert!(answer.is_some());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    looks: u32,
    least: u32,
    most: u32,
    slept: u32,
}

impl Waiter {
    /// At least `least` looks before a sleep, at first; at most `most`. At least one in any case.
    #[must_use]
    pub const fn new(least: u32, most: u32) -> Self {
        let least = if least == 0 { 1 } else { least };
        let most = if most < least { least } else { most };
        Self { looks: least, least, most, slept: 0 }
    }

    /// Looks before the next sleep.
    #[must_use]
    pub const fn looks(&self) -> u32 {
        self.looks
    }

    /// Waits until `look` finds something, with at most `sleeps` sleeps; `None` if it never does. The bound
    /// on all of it is `sleeps` + 1 times as many looks as `new` allows.
    ///
    /// `arm` asks `end` to be told and looks once more behind a full fence: `true` if nothing is there
    /// ([`Submitter::arm`](crate::Submitter::arm), [`Completer::rest`](crate::Completer::rest),
    /// [`Taker::arm`](crate::Taker::arm)). Only then does `sleep` run: it returns when the end was told, or
    /// earlier.
    pub fn wait<R, T>(
        &mut self,
        end: &mut R,
        sleeps: u32,
        mut look: impl FnMut(&mut R) -> Option<T>,
        mut arm: impl FnMut(&mut R) -> bool,
        mut sleep: impl FnMut(),
    ) -> Option<T> {
        for asleep in 0..=sleeps {
            for looked in 0..self.looks {
                if let Some(found) = look(end) {
                    if asleep == 0 {
                        self.found_after(looked);
                    }
                    return Some(found);
                }
                spin_loop();
            }
            // Who will not sleep again need not be told.
            if asleep < sleeps && arm(end) {
                self.fell_asleep();
                sleep();
            }
        }
        None
    }

    fn found_after(&mut self, looked: u32) {
        let wanted = looked.saturating_mul(2);
        // A quarter of the way there, and never stuck short of it.
        self.looks = if wanted > self.looks {
            self.looks.saturating_add(wanted.saturating_sub(self.looks).div_ceil(4))
        } else {
            self.looks.saturating_sub(self.looks.saturating_sub(wanted).div_ceil(4))
        };
        self.bound();
    }

    fn fell_asleep(&mut self) {
        self.slept = self.slept.wrapping_add(1);
        self.looks = if self.slept.checked_rem(PROBE_EVERY) == Some(0) { self.most } else { self.looks >> 1 };
        self.bound();
    }

    fn bound(&mut self) {
        self.looks = self.looks.max(self.least).min(self.most);
    }
}

/// Says that its caller is seldom there: `core::hint::cold_path`, which Rust 1.85 does not have.
#[cold]
pub(crate) const fn cold_path() {}
