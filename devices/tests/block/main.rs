// SPDX-License-Identifier: MIT OR Apache-2.0
//! Disks behind queues that the tests make by hand.

mod durable;
mod failing;
mod faults;
mod files;
mod life;
mod media;
mod memory;
mod opening;
#[cfg(feature = "qcow2")]
mod qcow2;
mod rig;
mod writeback;

/// Each planted fault of the block back ends is seen by the test that its row names.
#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
