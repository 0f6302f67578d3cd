// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processor's side of the orderings: what the models take for granted of a fence, on real threads.

use crate::mapping::mapping;
use crate::memory;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tenon_rings::order::Operation;
use tenon_rings::{Site, Words};

const ROUNDS: u64 = 2000;
/// A cache line in words.
const LINE: usize = 8;

/// Stores `own`, fences and loads `other`, in each round at about the same time as the other thread: what it
/// saw in each.
fn side<W: Words>(words: &W, own: usize, other: usize, arrived: &AtomicU64, site: Site) -> Vec<u64> {
    (1..=ROUNDS)
        .map(|round| {
            arrived.fetch_add(1, Ordering::Relaxed);
            let mut spins = 0;
            while arrived.load(Ordering::Relaxed) < 2 * round {
                spins += 1;
                // The other thread may be waiting for this processor.
                if spins > 1000 { thread::yield_now() } else { std::hint::spin_loop() }
            }
            words.store(own, round, Site::Status);
            words.fence(site);
            words.load(other, Site::Status)
        })
        .collect()
}

fn one_of_two_sees_the_other<W: Words + Send + Sync>(words: &W, site: Site) {
    let arrived = AtomicU64::new(0);
    let (ours, theirs) = thread::scope(|scope| {
        let theirs = scope.spawn(|| side(words, LINE, 0, &arrived, site));
        (side(words, 0, LINE, &arrived, site), theirs.join().unwrap())
    });
    for (round, seen) in (1..).zip(ours.into_iter().zip(theirs)) {
        assert!(
            seen.0 >= round || seen.1 >= round,
            "{site:?}: round {round}: each looked before the other's store"
        );
    }
}

/// EVT-8, EVT-9, EVT-12, CALL-16: without the fence a processor's store may wait in its buffer while it
/// looks.
#[test]
fn a_fence_is_one() {
    // One that orders loads alone, or stores alone, does not: models show what it does (PAGE-3, PAGE-4).
    let is_full = |site: &&Site| site.operation() == Operation::Fence && site.ordering() == Ordering::SeqCst;
    for &site in Site::ALL.iter().filter(is_full) {
        let words = memory(2 * LINE);
        one_of_two_sees_the_other(&&words[..], site);
        let words = memory(2 * LINE);
        one_of_two_sees_the_other(&mapping(&words), site);
    }
}

#[test]
fn no_words_are_empty() {
    let words = memory(2);
    assert!(!Words::is_empty(&&words[..]) && !mapping(&words).is_empty());
    assert!(Words::is_empty(&&words[..0]) && mapping(&words).slice(2, 0).unwrap().is_empty());
}
