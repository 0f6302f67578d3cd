// SPDX-License-Identifier: MIT OR Apache-2.0
//! The discovery record: the first thing a guest reads, in one layout for ever (DISC-1).

use crate::layout::Number;
use crate::wire::{numbers, wire};
use zerocopy::little_endian::{U16, U32, U64};

/// The first eight bytes of the record: `Tenon\0DR` (DISC-1).
pub const MAGIC: u64 = u64::from_le_bytes(*b"Tenon\0DR");

/// First CPUID leaf that is looked at on x86 (DISC-4).
pub const CPUID_FIRST: u32 = 0x4000_0000;
/// Distance between the leaves that are looked at (DISC-4).
pub const CPUID_STEP: u32 = 0x100;
/// How many leaves are looked at (DISC-4).
pub const CPUID_TRIES: u32 = 256;
/// EBX, ECX, EDX of Tenon's base leaf: `MortiseTenon` (DISC-4).
pub const CPUID_SIGNATURE: [u32; 3] =
    [u32::from_le_bytes(*b"Mort"), u32::from_le_bytes(*b"iseT"), u32::from_le_bytes(*b"enon")];

wire! {
    pub struct Record: 256, "The discovery record, at the start of the window. Written by the host only; frozen in every version." {
        0x00 magic: U64, "DISC-1", "`Tenon\\0DR`";
        0x08 major: U16, "NEG-1", "highest ABI major version that the host speaks";
        0x0a minor: U16, "NEG-1", "highest minor version of that major";
        0x0c size: U32, "DISC-1", "size of this record in bytes: 256";
        0x10 features: U64, "NEG-2", "feature bits that the host offers";
        0x18 granules: U32, "NEG-3", "granules that the host offers: bit n stands for 2^n bytes";
        0x1c conduit: U16, "DISC-6", "conduit kind";
        0x1e conduit_flags: U16, "DISC-6", "conduit capabilities";
        0x20 kick_base: U64, "DISC-7", "where queue 0 is kicked: port, guest-physical address or function number";
        0x28 kick_stride: U32, "DISC-7", "distance between the doorbells of two queues; 0: one doorbell";
        0x2c irq_first: U32, "VCPU-8", "first interrupt that upcalls and direct ports may have; zero where there are none";
        0x30 bind_base: U64, "DISC-8", "where a frame number is handed over";
        0x38 window_len: U64, "DISC-5", "length of the window in bytes, this record included";
        0x40 max_vcpus: U32, "DISC-9", "vCPU numbers are below this";
        0x44 max_depth: U32, "DISC-9", "largest call queue depth";
        0x48 max_events: U32, "DISC-9", "largest event ring, in entries";
        0x4c max_ports: U32, "DISC-9", "port numbers are below this";
        0x50 max_payload: U32, "DISC-9", "largest payload of one call in bytes";
        0x54 irq_last: U32, "VCPU-8", "last one of them";
        0x58 region0_len: U64, "REG-1", "length of region 0 in bytes";
        0x60 reserved2: [U64; 4], "GEN-5", "zero";
        0x80 session: U64, "SES-1", "high 32 bits: session number; low 32 bits: its seed";
        0x88 active: U64, "NEG-5", "major, minor, granule shift and state of the session, 16 bits each from the low end";
        0x90 active_features: U64, "NEG-5", "feature bits of the session";
        0x98 control_value: U64, "SES-4", "value of the last control request";
        0xa0 control_result: U64, "SES-4", "last control request: status (16 bits), zero (16 bits), ticket (32 bits)";
        0xa8 reserved3: [U64; 11], "GEN-5", "zero";
    }
}

numbers! {
    pub struct ConduitKind(u16), "How a guest reaches its host (DISC-6)." {
        0 CALL, "DISC-6", "a function call inside one process";
        1 PORT_IO, "DISC-6", "an aligned 32-bit `out` to an x86 port";
        2 MMIO, "DISC-6", "an aligned 32-bit store to a guest-physical address";
        3 HYPERCALL, "DISC-6", "VMCALL, VMMCALL, HVC or ECALL: function number, then the value";
        4 SHARED, "DISC-6", "a doorbell that carries no value; bind by a word in shared memory";
    }
}

/// Feature bits as data.
pub const FEATURES: &[Number] = &[
    Number {
        name: "WINDOW",
        value: 1 << 0,
        clause: "NEG-6",
        doc: "the host supplies its control pages in the window",
    },
    Number { name: "EVENTS", value: 1 << 1, clause: "EVT-1", doc: "ports and event rings" },
    Number { name: "DIRECT", value: 1 << 2, clause: "EVT-22", doc: "direct ports" },
    Number { name: "UPCALL", value: 1 << 3, clause: "VCPU-8", doc: "upcalls can be injected" },
    Number { name: "SMP", value: 1 << 4, clause: "VCPU-5", doc: "vCPUs can be started and stopped" },
    Number { name: "CONSOLE", value: 1 << 5, clause: "CON-1", doc: "console output and input" },
    Number { name: "LIFECYCLE", value: 1 << 6, clause: "LIFE-1", doc: "exit, restart and crash record" },
];

/// Conduit flags as data.
pub const CONDUIT_FLAGS: &[Number] = &[
    Number {
        name: "SYNCHRONOUS",
        value: 1 << 0,
        clause: "DISC-10",
        doc: "what a kick completes is in memory when the kick returns",
    },
    Number {
        name: "PRIVILEGED",
        value: 1 << 1,
        clause: "DISC-11",
        doc: "the host can tell kicks and binds of user mode and refuses them",
    },
    Number {
        name: "VMMCALL",
        value: 1 << 2,
        clause: "DISC-12",
        doc: "on x86 a hypercall is VMMCALL; without this it is VMCALL",
    },
];

/// Feature bits of a host or a session (NEG-2).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::KnownLayout,
    zerocopy::Immutable,
)]
#[repr(transparent)]
pub struct Features(u64);

bitflags::bitflags! {
    impl Features: u64 {
        /// The host supplies its control pages in the window (NEG-6).
        const WINDOW = 1 << 0;
        /// Ports and event rings (EVT-1).
        const EVENTS = 1 << 1;
        /// Direct ports (EVT-22).
        const DIRECT = 1 << 2;
        /// Upcalls can be injected (VCPU-8).
        const UPCALL = 1 << 3;
        /// vCPUs can be started and stopped (VCPU-5).
        const SMP = 1 << 4;
        /// Console output and input (CON-1).
        const CONSOLE = 1 << 5;
        /// Exit, restart and crash record (LIFE-1).
        const LIFECYCLE = 1 << 6;
    }
}

/// Conduit capabilities (DISC-6).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::KnownLayout,
    zerocopy::Immutable,
)]
#[repr(transparent)]
pub struct ConduitFlags(u16);

bitflags::bitflags! {
    impl ConduitFlags: u16 {
        /// What a kick completes is in memory when the kick returns (DISC-10).
        const SYNCHRONOUS = 1 << 0;
        /// The host can tell kicks and binds of user mode and refuses them (DISC-11).
        const PRIVILEGED = 1 << 1;
        /// On x86 a hypercall is VMMCALL; without this it is VMCALL (DISC-12).
        const VMMCALL = 1 << 2;
    }
}

/// The two halves of [`Record::session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Counts sessions; differs from that of every session before it (SES-1).
    pub number: u32,
    /// What the turns of this session start from (CALL-4).
    pub seed: u32,
}

impl Session {
    /// The wire word.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        crate::call::pack(self.seed, self.number)
    }

    /// From the wire word.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let (seed, number) = crate::call::unpack(word);
        Self { number, seed }
    }
}

/// Whether a session's number and seed may be used: no turn of a ring's first lap may be zero (CALL-5).
#[must_use]
pub const fn seed_is_valid(seed: u32) -> bool {
    // The longest ring has 65,536 places, so first-lap turns are seed + 1 up to seed + 65,536.
    seed < u32::MAX - 65_536
}
