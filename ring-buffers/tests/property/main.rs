// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rings against models that are correct at a glance, and against peers that write anything anywhere.
//!
//! What proptest finds gets a test with a name; the seeds that it leaves behind are not kept.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]

mod arm;
mod bells;
mod distance;
mod draft;
#[path = "../ends/mod.rs"]
mod ends;
mod error;
mod event;
mod fetch_once;
mod gate;
mod hint;
mod hostile_event;
mod hostile_queue;
mod lane;
mod mapping;
mod page;
mod queue;
mod stream;
mod stream_bounds;
mod stream_channel;
mod stream_distrust;
mod stream_setup;
mod wait;
mod words;

use ends::{completer, raiser, submitter, taker};
use std::sync::atomic::{AtomicU64, Ordering};

/// The tests see the faults that are planted for them.
#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}

/// Cleared memory.
fn memory(words: usize) -> Vec<AtomicU64> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

/// What a peer does when it does as it likes.
fn scribble(memory: &[AtomicU64], word: usize, value: u64) {
    memory[word].store(value, Ordering::Relaxed);
}

/// The seed that gives `position` the turn `turn`.
fn seed_for(turn: u32, position: u32) -> u32 {
    turn.wrapping_sub(position).wrapping_sub(1)
}
