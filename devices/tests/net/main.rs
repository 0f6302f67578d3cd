// SPDX-License-Identifier: MIT OR Apache-2.0
//! The switch and the echo, with guests that are rings in this process, and datagram sockets.

mod cable;
mod dgram;
mod echo;
mod switch;

/// The tests see the faults that are planted for them.
#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
