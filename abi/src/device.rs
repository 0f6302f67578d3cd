// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices: what a guest is told of one, and the parts of a device's request queue.

use crate::wire::{flags, numbers, offsets, wire};
use crate::word::{pack, unpack};
use zerocopy::little_endian::{U32, U64};

wire! {
    pub struct DeviceInfo: 128, "What is known of a device: what DEVICE_QUERY writes." {
        0x00 kind: U32, "DEV-4", "what it is: `DeviceKind`";
        0x04 flags: U32, "DEV-4", "how it is: `DeviceFlags`";
        0x08 incarnation: U32, "DEV-5", "which device of this number it is";
        0x0c max_queues: U32, "DEV-8", "queue indices are below this";
        0x10 change: U64, "DEV-3", "how often what is told of it became another";
        0x18 features: U64, "DEV-6", "features that the guest may choose when it opens the device";
        0x20 identity: [U64; 2], "DEV-4", "what names it for the guest, for as long as the embedder says";
        0x30 max_depth: U32, "DEV-8", "largest size of a queue: slots, or words of a data ring";
        0x34 reserved0: U32, "GEN-5", "zero";
        0x38 reserved1: U64, "GEN-5", "zero";
        0x40 own: [U64; 8], "DEV-4", "what its kind tells: `BlockInfo` or `NetInfo`";
    }
}

numbers! {
    pub struct DeviceKind(u32), "What a device is. A guest leaves devices alone whose kind it does not know." {
        1 BLOCK, "BLK-1", "a disk";
        2 NET, "NET-1", "a network interface";
    }
}

flags! {
    pub struct DeviceFlags(u32), "How a device is." {
        0 REMOVED, "DEV-13", "the host has taken it away, and the guest is to close it";
        1 OPEN, "DEV-6", "the guest has opened it";
    }
}

/// The port argument of an open that wants no port (DEV-7).
pub const NO_PORT: u64 = 0xffff_ffff;

offsets! {
    pub mod guest, "Offsets in the guest's part of a request queue (DEV-9)." {
        0x00 COMPLETIONS_ARMED, "CALL-16", "U64: completion position from which the port is to be raised (32 bits), zero (32 bits)";
        0x40 SUBMISSIONS, "CALL-1", "`Submission[size]`";
    }
}

offsets! {
    pub mod host, "Offsets in the host's part of a request queue (DEV-9)." {
        0x00 STATE, "CALL-15", "U64: state word";
        0x08 KICK_WANTED, "CALL-25", "U64: position from which a kick is wanted (32 bits), kind (32 bits): 1 if that position counts, else 0";
        0x40 COMPLETIONS, "CALL-1", "`Completion[size]`";
    }
}

/// A device with its incarnation, or one of its queues: how arguments name them (DEV-6, DEV-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named {
    /// The device's number.
    pub device: u32,
    /// Its incarnation, or the queue's index.
    pub index: u32,
}

impl Named {
    /// The wire word.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        pack(self.device, self.index)
    }

    /// From the wire word.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let (device, index) = unpack(word);
        Self { device, index }
    }
}

/// Bytes of the guest's part of a request queue. The size must be valid.
#[must_use]
pub const fn guest_len(size: u32) -> u64 {
    guest::SUBMISSIONS.saturating_add(pack(size, 0).saturating_mul(64))
}

/// Bytes of the host's part of a request queue. The size must be valid.
#[must_use]
pub const fn host_len(size: u32) -> u64 {
    host::COMPLETIONS.saturating_add(pack(size, 0).saturating_mul(16))
}
