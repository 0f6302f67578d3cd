// SPDX-License-Identifier: MIT OR Apache-2.0
//! The discovery record: the first thing a guest reads, in one layout for ever (DISC-1).

use crate::wire::{flags, numbers, wire};
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
        0x2c irq_first: U32, "VCPU-8", "lowest interrupt number of upcalls and direct ports; zero where there are none";
        0x30 bind_base: U64, "DISC-8", "where a frame number is handed over";
        0x38 window_len: U64, "DISC-5", "length of the window in bytes, this record included";
        0x40 max_vcpus: U32, "DISC-9", "vCPU numbers are below this";
        0x44 max_depth: U32, "DISC-9", "largest call queue depth";
        0x48 max_events: U32, "DISC-9", "largest event ring, in entries";
        0x4c max_ports: U32, "DISC-9", "port numbers are below this";
        0x50 max_payload: U32, "DISC-9", "largest payload of one call in bytes";
        0x54 irq_last: U32, "VCPU-8", "highest interrupt number of upcalls and direct ports; zero where there are none";
        0x58 region0_len: U64, "REG-1", "length of region 0 in bytes";
        0x60 reserved2: [U64; 4], "GEN-5", "zero";
        0x80 session: U64, "SES-1", "seed (32 bits), session number (32 bits)";
        0x88 active: U64, "NEG-5", "the session's major (16 bits), minor (16 bits), log2 of the granule (16 bits), state (16 bits)";
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

flags! {
    pub struct Features(u64), "Feature bits of a host or a session (NEG-2)." {
        0 WINDOW since 1, "NEG-6", "the host supplies its control pages in the window";
        1 EVENTS since 1, "EVT-1", "ports and event rings";
        2 DIRECT since 1, "EVT-22", "direct ports";
        3 UPCALL since 1, "VCPU-8", "upcalls can be injected";
        4 SMP since 1, "VCPU-5", "vCPUs can be started and stopped";
        5 CONSOLE since 1, "CON-1", "console output and input";
        6 LIFECYCLE since 1, "LIFE-1", "exit, restart and crash record";
        7 ENTROPY since 2, "ENT-1", "random bytes";
        8 PAGES since 2, "PAGE-1", "pages that the host writes for the guest to read";
        9 TIME since 2, "TIME-1", "clocks and timers";
        10 GENERATION since 2, "LIFE-5", "generations, and suspension with the guest's consent";
        11 METER since 2, "MET-1", "counts of what the host does";
        12 MEMORY since 2, "MEM-1", "memory can be given back to the host, and taken again";
        13 CLOSED since 2, "MEM-10", "the host sees only memory that was handed over or shared";
        14 STOLEN since 2, "VCPU-11", "time stolen from vCPUs is counted";
        15 DEVICES since 2, "DEV-1", "devices, their queues and their changes";
        16 BLOCK since 2, "BLK-1", "block devices";
        17 NET since 2, "NET-1", "network interfaces";
    }
}

impl Features {
    /// The minor version that brought the newest of them.
    #[must_use]
    pub const fn newest() -> u16 {
        let (mut newest, mut rest) = (0, Self::SINCE);
        while let [(_, since), others @ ..] = rest {
            newest = if *since > newest { *since } else { newest };
            rest = others;
        }
        newest
    }

    /// What each minor version knows, from 0 to the newest: a guest has a table of words, and no loop.
    const KNOWN: [Self; Self::VERSIONS] = {
        let mut known = [Self::empty(); Self::VERSIONS];
        let (mut minor, mut index) = (0, 0);
        while index < Self::VERSIONS {
            let mut rest = Self::SINCE;
            while let [(feature, since), others @ ..] = rest {
                if *since <= minor {
                    known[index] = known[index].union(*feature);
                }
                rest = others;
            }
            minor += 1;
            index += 1;
        }
        known
    };
    const VERSIONS: usize = {
        let (mut count, mut left) = (1, Self::newest());
        while left > 0 {
            count += 1;
            left -= 1;
        }
        count
    };

    /// What a minor version knows (NEG-2).
    #[must_use]
    pub fn of_minor(minor: u16) -> Self {
        Self::KNOWN.get(usize::from(minor)).copied().unwrap_or(Self::all())
    }
}

flags! {
    pub struct ConduitFlags(u16), "Conduit capabilities (DISC-6)." {
        0 SYNCHRONOUS, "DISC-10", "what a kick completes is in memory when the kick returns";
        1 PRIVILEGED, "DISC-11", "the host can tell kicks and binds of user mode and refuses them";
        2 VMMCALL, "DISC-12", "on x86 a hypercall is VMMCALL; without this it is VMCALL";
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
        crate::word::pack(self.seed, self.number)
    }

    /// From the wire word.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let (seed, number) = crate::word::unpack(word);
        Self { number, seed }
    }
}

/// Whether a session's number and seed may be used: no turn of a ring's first lap may be zero (CALL-5).
#[must_use]
pub const fn seed_is_valid(seed: u32) -> bool {
    // The longest ring has 65,536 places, so first-lap turns are seed + 1 up to seed + 65,536.
    seed < u32::MAX - 65_536
}
