// SPDX-License-Identifier: MIT OR Apache-2.0
//! SHM-6: a device whose memory says something else each time it is looked at, while the shim attaches.
#![allow(unsafe_code, reason = "the test plays the device")]

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tenon_abi::Granule;
use tenon_guest::shared::attach;
use tenon_rings::Mapping;

/// The device's memory: eight pages of 64 KiB.
const BYTES: usize = 0x8_0000;
/// A good record by word: magic, version and length, granules and conduit, kick, bind, window, length of
/// region 0.
const GOOD: [(usize, u64); 7] = [
    (0x00, u64::from_le_bytes(*b"Tenon\0DR")),
    (0x08, (1 << 16) | (256 << 32)),
    (0x18, (1 << 12) | (4 << 32)),
    (0x20, 0),
    (0x30, 0x1_0000),
    (0x38, 0x1_0000),
    (0x58, BYTES as u64),
];
/// What the words change to: each is sound by itself beside some of the others, and none of the last three
/// is.
const OTHER: [u64; 6] = [0x2_0000, 0x3_0000, 0x4_0000, 0x8_0008, u64::MAX, 1];
const ATTEMPTS: usize = 100_000_000;
/// So many of either kind are enough.
const ENOUGH: u32 = 1000;
const PIECE: u64 = 0x1_0000;

/// No attempt panics; what is taken lies in the memory, in order, and is the one record that was looked at.
#[test]
fn a_record_that_changes_while_attaching_does_no_harm() {
    let words: Vec<AtomicU64> = (0..BYTES / 8).map(|_| AtomicU64::new(0)).collect();
    let store = |offset: usize, value: u64| words[offset / 8].store(value, Ordering::Relaxed);
    GOOD.iter().for_each(|&(offset, value)| store(offset, value));
    // SAFETY: atomics, which outlive every use of the mapping.
    let memory = unsafe { Mapping::new(words.as_ptr().cast_mut().cast(), BYTES) }.unwrap();
    let doorbell = AtomicU32::new(0);
    let ended = AtomicBool::new(false);
    let until = Instant::now() + Duration::from_secs(20);
    let (mut taken, mut refused) = (0_u32, 0_u32);
    thread::scope(|scope| {
        scope.spawn(|| {
            for lap in 0_usize.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let (offset, value) = GOOD[lap % GOOD.len()];
                store(offset, OTHER[lap / GOOD.len() % OTHER.len()]);
                store(offset, value);
            }
        });
        for _ in 0..ATTEMPTS {
            if Instant::now() > until || taken.min(refused) >= ENOUGH {
                break;
            }
            // SAFETY: the register is a word of this test's own, the memory as above.
            match unsafe { attach(memory, doorbell.as_ptr()) } {
                Ok(mut attached) => {
                    let window = attached.found.window().byte_len() as u64;
                    let at = attached.pages.address();
                    let pieces = || attached.pages.split(PIECE, Granule::K64).ok();
                    let len = std::iter::from_fn(pieces).count() as u64 * PIECE;
                    let [_, word] = attached.conduit.places();
                    let bind = word.checked_sub(memory.base().addr()).expect("behind the beginning") as u64;
                    assert!(window <= bind && bind + 8 <= at, "in this order: {window:#x} {bind:#x} {at:#x}");
                    assert!(at.is_multiple_of(PIECE) && at + len <= BYTES as u64, "{at:#x} {len:#x}");
                    taken += 1;
                }
                Err(_) => refused += 1,
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    println!("{taken} taken, {refused} refused");
    assert!(taken > 0 && refused > 0, "the record never changed, or never stood still");
}
