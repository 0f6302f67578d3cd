// SPDX-License-Identifier: MIT OR Apache-2.0
//! The floor of every round trip: cache lines that two processors pass to each other.

use std::hint::spin_loop;
use std::sync::atomic::Ordering;

use super::memory::Pages;
use super::pair::{together, wait};
use super::sample::Variant;

/// Far enough apart that no prefetcher takes them for neighbours.
const APART: usize = 1024;
const WARM: u64 = 256;

/// A count goes out on one line and comes back on the same one, or on one of its own. `paced` as for a
/// queue's round trip.
#[must_use]
pub fn ping_pong(group: &str, name: &'static str, one: bool, paced: bool) -> Variant {
    let pace = move || {
        if paced {
            spin_loop();
        }
    };
    let back = if one { 0 } else { APART };
    let run = move |count: u64| {
        let pages = Pages::new(2 * APART);
        let (ping, pong) = (pages.word(0), pages.word(back));
        let turns = |warm| if warm { 1..=WARM } else { WARM + 1..=WARM + count };
        // On one line the answer is the next number.
        let reading = together(
            |warm| {
                for turn in turns(warm) {
                    ping.store(2 * turn - 1, Ordering::Release);
                    pace();
                    wait(|| pong.load(Ordering::Acquire) == 2 * turn);
                }
            },
            |warm| {
                for turn in turns(warm) {
                    wait(|| ping.load(Ordering::Acquire) == 2 * turn - 1);
                    pong.store(2 * turn, Ordering::Release);
                    pace();
                }
            },
        );
        (count, reading)
    };
    Variant { group: group.to_owned(), name, run: Box::new(run) }
}
