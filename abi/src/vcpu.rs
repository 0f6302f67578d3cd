// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two areas of a vCPU: one that only the guest writes, one that only the host writes (VCPU-3, VCPU-4).

use crate::call::{DEFAULT_DEPTH, MAX_DEPTH, pack};
use crate::event::{DEFAULT_ENTRIES, MAX_ENTRIES};
use crate::wire::offsets;

offsets! {
    pub mod guest, "Offsets in the area that the guest writes (VCPU-3)." {
        0x000 COMPLETIONS_ARMED, "CALL-16", "U64: completion position from which an upcall is wanted (32 bits), zero (32 bits)";
        0x040 TAKEN0, "EVT-8", "U64: position behind the last entry taken from ring 0 (32 bits), zero (32 bits)";
        0x048 ARMED0, "EVT-11", "U64: position of ring 0 from which an upcall is wanted (32 bits), zero (32 bits)";
        0x080 TAKEN1, "EVT-8", "U64: position behind the last entry taken from ring 1 (32 bits), zero (32 bits)";
        0x088 ARMED1, "EVT-11", "U64: position of ring 1 from which an upcall is wanted (32 bits), zero (32 bits)";
        0x100 MASK_HINTS, "EVT-15", "`U64[16]`: the hint of port p is bit p mod 64 of word p div 64";
        0x180 EMERGENCY, "CALL-23", "`Submission`: the slot of the emergency lane";
        0x200 SUBMISSIONS, "CALL-1", "`Submission[depth]`: the call queue";
    }
}

offsets! {
    pub mod host, "Offsets in the area that the host writes (VCPU-4)." {
        0x000 CALL_STATE, "CALL-15", "U64: state word of the call queue";
        0x008 EMERGENCY_STATE, "CALL-15", "U64: state word of the emergency lane";
        0x010 EVENT_STATE0, "EVT-20", "U64: state word of event ring 0";
        0x018 EVENT_STATE1, "EVT-20", "U64: state word of event ring 1";
        0x020 KICK_WANTED, "CALL-25", "U64: call position from which a kick is wanted (32 bits), kind (32 bits): 1 if that position counts, else 0";
        0x028 STOLEN, "VCPU-11", "U64: nanoseconds that the vCPU could have run and did not; zero without STOLEN";
        0x040 EMERGENCY, "CALL-23", "`Completion`: the slot of the emergency lane";
        0x080 COMPLETIONS, "CALL-1", "`Completion[depth]`, then the entries of event ring 0, then those of ring 1";
    }
}

/// What a guest chooses for one vCPU when it binds it (VCPU-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Depth of the call queue: a power of two from 1 to 4096.
    pub depth: u32,
    /// Entries of the event rings by class: powers of two from 1 to 65,536.
    pub events: [u32; 2],
}

impl Default for Sizes {
    fn default() -> Self {
        Self { depth: DEFAULT_DEPTH, events: [DEFAULT_ENTRIES; 2] }
    }
}

impl Sizes {
    /// Whether each size is a power of two in its range.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        let [a, b] = self.events;
        self.depth.is_power_of_two()
            && self.depth <= MAX_DEPTH
            && a.is_power_of_two()
            && a <= MAX_ENTRIES
            && b.is_power_of_two()
            && b <= MAX_ENTRIES
    }

    /// Bytes of the guest-written area (VCPU-3). Sizes must be valid.
    #[must_use]
    pub const fn guest_len(self) -> u64 {
        guest::SUBMISSIONS.saturating_add(wide(self.depth).saturating_mul(64))
    }

    /// Offset of the entries of an event ring in the host-written area (VCPU-4). Sizes must be valid.
    #[must_use]
    pub const fn ring_offset(self, class: u32) -> u64 {
        let rings = host::COMPLETIONS.saturating_add(wide(self.depth).saturating_mul(16));
        let [first, _] = self.events;
        // Each ring starts on a cache line of its own: rings of fewer than eight entries are padded.
        let first = line(wide(first).saturating_mul(8));
        if class == 0 { line(rings) } else { line(rings).saturating_add(first) }
    }

    /// Bytes of the host-written area (VCPU-4). Sizes must be valid.
    #[must_use]
    pub const fn host_len(self) -> u64 {
        let [_, second] = self.events;
        self.ring_offset(1).saturating_add(line(wide(second).saturating_mul(8)))
    }
}

/// `From` is not for constants yet.
const fn wide(value: u32) -> u64 {
    pack(value, 0)
}

const fn line(len: u64) -> u64 {
    len.saturating_add(63) & !63
}

/// The queue number of a vCPU's call queue (VCPU-7).
#[must_use]
pub const fn call_queue(vcpu: u32) -> u32 {
    vcpu.wrapping_mul(2)
}

/// The queue number of a vCPU's emergency lane (VCPU-7).
#[must_use]
pub const fn emergency_queue(vcpu: u32) -> u32 {
    vcpu.wrapping_mul(2).wrapping_add(1)
}
