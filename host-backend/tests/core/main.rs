// SPDX-License-Identifier: MIT OR Apache-2.0
//! The core alone, driven word by word: what a guest may do to it, and what an embedder may.

mod budget;
mod calls;
mod config;
mod control;
mod device;
mod direct;
mod event;
mod generation;
mod late;
mod limits;
mod lost;
mod memory;
mod meter;
mod metrics;
mod order;
mod page;
mod pieces;
mod saved;
mod stolen;
mod stop;
mod time;
mod tools;
mod window;

/// The tests see the faults that are planted for them.
#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
