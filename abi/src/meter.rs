// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host counts for its guest: [`crate::Op::METER_READ`].

use crate::wire::{numbers, wire};
use zerocopy::little_endian::U64;

wire! {
    pub struct MeterRow: 16, "One count in the answer to METER_READ, behind the epoch. Written by the host only." {
        0x00 number: U64, "MET-2", "what is counted: `Meter`";
        0x08 value: U64, "MET-4", "how much of it there was in this epoch";
    }
}

/// Bytes of the epoch, which stands before the rows (MET-1).
pub const EPOCH_LEN: u64 = 8;
/// The shortest range that METER_READ takes: the epoch and one row (MET-3).
pub const READ_MIN: u64 = 24;

numbers! {
    pub struct Meter(u64), "What a row of METER_READ counts. A guest passes over numbers that it does not know (MET-2)." {
        1 CALLS, "CALL-2", "submissions that the host fetched, in both queues of each vCPU";
        2 BATCHES, "CALL-14", "looks of the host at a queue that found submissions";
        3 CONTROLS, "SES-4", "control requests that the host answered";
        4 EVENTS, "EVT-9", "ports that were raised while they were bound, by the guest or for it";
        5 UPCALLS, "VCPU-8", "upcalls that the host sent";
        6 DIRECT_INTERRUPTS, "EVT-22", "interrupts of direct ports that the host sent";
        7 CONSOLE_OUT, "CON-2", "bytes of console output that the host accepted";
        8 CONSOLE_IN, "CON-4", "bytes of console input that the guest was given";
        9 ENTROPY, "ENT-1", "random bytes that the guest was given";
        10 TIMERS, "MET-5", "timers that expired";
        11 GIVEN, "MET-5", "bytes of memory that the guest gave to the host";
        12 TAKEN, "MET-5", "bytes of memory that the guest took again";
        13 SHARED, "MET-5", "bytes of memory that the guest shared with a host that sees nothing else";
    }
}
