// SPDX-License-Identifier: MIT OR Apache-2.0
//! The project's own floor: a queue of the same wire with nothing checked. No id is looked at, no index is
//! masked against a length that is not known, no state is kept but two positions a side. It is what the
//! checks of the real one are measured against, and for nothing else.
#![allow(unsafe_code, reason = "the point of it is to check nothing")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::Pages;
use super::queue::{DEPTH, Queue};

const SLOTS: u64 = DEPTH;
const SUBMISSION: u64 = 64;
const COMPLETION: u64 = 16;
const COMPLETIONS: usize = (SLOTS * SUBMISSION) as usize;

/// The floor.
pub struct Bare;

/// One end.
pub struct End {
    pages: Arc<Pages>,
    submissions: u64,
    completions: u64,
    sum: u64,
}

impl End {
    /// The words of the slot at `position`.
    #[inline(always)]
    fn slot(&self, base: usize, position: u64, size: u64) -> *const AtomicU64 {
        self.pages.base().wrapping_add(base + ((position & (SLOTS - 1)) * size) as usize).cast()
    }
}

impl Queue for Bare {
    type Driver = End;
    type Device = End;
    const WORDS: u64 = 7;

    fn make() -> (End, End) {
        let pages = Pages::new(COMPLETIONS + (SLOTS * COMPLETION) as usize);
        let end = || End { pages: Arc::clone(&pages), submissions: 0, completions: 0, sum: 0 };
        (end(), end())
    }

    #[inline(always)]
    fn submit(driver: &mut End, number: u64) {
        let slot = driver.slot(0, driver.submissions, SUBMISSION);
        driver.submissions += 1;
        // SAFETY: a slot of the pages, and no reference to it but to atomics.
        unsafe {
            for word in 0..7 {
                (*slot.add(word)).store(number + word as u64, Ordering::Relaxed);
            }
            (*slot.add(7)).store(driver.submissions, Ordering::Release);
        }
    }

    #[inline(always)]
    fn reap(driver: &mut End) -> bool {
        let slot = driver.slot(COMPLETIONS, driver.completions, COMPLETION);
        // SAFETY: as above.
        unsafe {
            if (*slot.add(1)).load(Ordering::Acquire) != driver.completions + 1 {
                return false;
            }
            driver.sum = driver.sum.wrapping_add((*slot).load(Ordering::Relaxed));
        }
        driver.completions += 1;
        true
    }

    #[inline(always)]
    fn serve(device: &mut End, most: u64) -> u64 {
        let first = device.submissions;
        while device.submissions - first < most {
            let slot = device.slot(0, device.submissions, SUBMISSION);
            // SAFETY: as above.
            let words: [u64; 7] = unsafe {
                if (*slot.add(7)).load(Ordering::Acquire) != device.submissions + 1 {
                    break;
                }
                std::array::from_fn(|word| (*slot.add(word)).load(Ordering::Relaxed))
            };
            device.submissions += 1;
            let sum = words.iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
            let slot = device.slot(COMPLETIONS, device.completions, COMPLETION);
            device.completions += 1;
            // SAFETY: as above.
            unsafe {
                (*slot).store(sum, Ordering::Relaxed);
                (*slot.add(1)).store(device.completions, Ordering::Release);
            }
        }
        device.submissions - first
    }

    fn sum(driver: &End, _: &End) -> u64 {
        driver.sum
    }
}
