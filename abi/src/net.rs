// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network interfaces: what one tells, and the header of a frame.

use crate::wire::{flags, numbers, wire};
use zerocopy::little_endian::{U16, U32, U64};

wire! {
    pub struct NetInfo: 64, "What a network interface tells: `DeviceInfo::own`." {
        0x00 mac: U64, "NET-2", "its address: 48 bits, the first byte lowest";
        0x08 mtu: U32, "NET-2", "most bytes behind the Ethernet header: from 68 to 65,535";
        0x0c max_frame: U32, "NET-4", "longest frame with segments, in bytes: from 14 + 4 + `mtu` to 65,550";
        0x10 link: U32, "NET-2", "1: the link is up; 0: it is down";
        0x14 speed: U32, "NET-2", "megabits per second, or zero";
        0x18 pairs: U32, "NET-3", "pairs of rings: half of `max_queues`, from 1 to 256";
        0x1c reserved0: U32, "GEN-5", "zero";
        0x20 reserved1: [U64; 4], "GEN-5", "zero";
    }
    pub struct NetHeader: 16, "What stands before each frame in a record. Offsets count from the frame's first byte." {
        0x00 flags: U16, "NET-5", "what was done and is to do: `NetFlags`";
        0x02 segment_kind: U16, "NET-6", "what the frame is cut into: `SegmentKind`";
        0x04 header_len: U16, "NET-6", "bytes of the headers that each segment gets; zero without segments";
        0x06 segment_size: U16, "NET-6", "most bytes behind them in a segment; zero without segments";
        0x08 csum_start: U16, "NET-5", "where the sum begins; zero without NEEDS_CSUM";
        0x0a csum_offset: U16, "NET-5", "where the sum is stored, from `csum_start`; zero without NEEDS_CSUM";
        0x0c hash: U32, "NET-7", "a number that frames of one flow share, or zero";
    }
}

flags! {
    pub struct NetFeatures(u64), "Features of a network interface, chosen by DEVICE_OPEN." {
        0 CSUM_TO_HOST, "NET-5", "frames to the host may need a checksum";
        1 CSUM_TO_GUEST, "NET-5", "frames to the guest may need a checksum, or be checked already";
        2 SEGMENT_TO_HOST, "NET-6", "frames to the host may be cut by the host; needs CSUM_TO_HOST";
        3 SEGMENT_TO_GUEST, "NET-6", "frames to the guest may be ones that are to be cut; needs CSUM_TO_GUEST";
        4 HASH, "NET-7", "frames to the guest may carry a hash";
    }
}

flags! {
    pub struct NetFlags(u16), "What was done with a frame, and is to do." {
        0 NEEDS_CSUM, "NET-5", "the checksum at `csum_start` + `csum_offset` is to be computed";
        1 CHECKED, "NET-5", "its checksums were found right";
    }
}

numbers! {
    pub struct SegmentKind(u16), "What a long frame is cut into." {
        0 NONE, "NET-6", "nothing: it goes as it is";
        1 TCP4, "NET-6", "segments of TCP over IPv4";
        2 TCP6, "NET-6", "segments of TCP over IPv6";
    }
}

flags! {
    pub struct FilterMode(u64), "Which frames the guest wants, beside those to its own address (NET-9)." {
        0 BROADCAST, "NET-9", "those to all";
        1 ALL_MULTICAST, "NET-9", "those to any group";
        2 PROMISCUOUS, "NET-9", "all frames";
    }
}

/// The shortest frame in bytes: an Ethernet header (NET-4).
pub const MIN_FRAME: u32 = 14;
/// Bytes that a frame may have beside its payload: the header and one VLAN tag (NET-4).
pub const FRAME_EXTRA: u32 = 18;
/// The longest frame of any interface in bytes (NET-4).
pub const MAX_FRAME: u32 = 65_550;
/// Bytes of each address in the list of NET_FILTER (NET-9).
pub const FILTER_ENTRY: u64 = 8;
/// Addresses in the list of NET_FILTER at most (NET-9).
pub const FILTER_MAX: u32 = 64;
