// SPDX-License-Identifier: MIT OR Apache-2.0
//! The broker against clients that are none, a process as its guest, and QEMU where there is one.
#![cfg(target_os = "linux")]

mod guests;
mod half_way;
mod metrics;
mod run;
mod socket;
mod tools;

#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
