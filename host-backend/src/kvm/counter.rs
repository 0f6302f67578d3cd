// SPDX-License-Identifier: MIT OR Apache-2.0
//! The counter that a guest's clocks are told by (TIME-4).

use tenon_abi::CounterKind;

/// The counter that all vCPUs of a machine read: this system's own, and a number that KVM adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestCounter {
    /// Its kind.
    pub kind: CounterKind,
    /// The guest's less the host's, modulo 2^64.
    pub offset: u64,
    /// By how many ticks the offset may be wrong.
    pub error: u64,
}
