// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shim under a host that breaks its promises (GEN-8): it never panics, never waits for ever, and stays
//! in its pages.
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]

mod attach;
mod busy;
mod devices;
mod doorbells;
mod ends;
mod found;
mod generation;
mod host;
mod lies;
mod masks;
mod memory;
mod meter;
mod odds;
mod pages;
mod session;
mod small;
mod stolen;
mod successor;
mod time;
mod words;

/// The tests see the faults that are planted for them.
#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
