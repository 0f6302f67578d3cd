// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands before a frame ([NET-5] to [NET-7]).
//!
//! [NET-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
//! [NET-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces

use tenon_abi::net::MIN_FRAME;
use tenon_abi::{NetFeatures, NetFlags, NetHeader, SegmentKind};
use tenon_rings::planted;
use zerocopy::FromBytes;
use zerocopy::little_endian::{U16, U32};

/// Bytes, and words, of it on the wire.
pub(super) const LEN: usize = size_of::<NetHeader>();
pub(super) const WORDS: usize = LEN / 8;

/// What was done with a frame, and what is to be done. All offsets count from the frame's first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// A checksum is to be computed.
    pub checksum: Option<Checksum>,
    /// The frame is to be cut; it then needs a checksum too.
    pub segments: Option<Segments>,
    /// To the guest: its checksums were found right.
    pub checked: bool,
    /// To the guest: what frames of one flow share, or zero.
    pub hash: u32,
}

/// Where a checksum is to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Where the sum begins; it goes to the end of the frame.
    pub start: u16,
    /// Where it is stored, from `start`. The sum of the pseudo-header is there.
    pub offset: u16,
}

/// How a frame is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// What into.
    pub kind: SegmentKind,
    /// Bytes of the headers that each segment gets.
    pub header_len: u16,
    /// Most bytes behind them in a segment.
    pub size: u16,
}

/// What a direction admits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) checksums: bool,
    pub(super) segments: bool,
    /// Whether the host says CHECKED, and hashes.
    pub(super) checked: bool,
    pub(super) hash: bool,
    /// The longest frame without segments, and with them.
    pub(super) longest: [u32; 2],
}

impl Rules {
    pub(super) const fn new(features: NetFeatures, to_host: bool, longest: [u32; 2]) -> Self {
        let (checksums, segments) = if to_host {
            (NetFeatures::CSUM_TO_HOST, NetFeatures::SEGMENT_TO_HOST)
        } else {
            (NetFeatures::CSUM_TO_GUEST, NetFeatures::SEGMENT_TO_GUEST)
        };
        let checksums = features.contains(checksums);
        Self {
            checksums,
            segments: features.contains(segments),
            checked: checksums && !to_host,
            hash: features.contains(NetFeatures::HASH) && !to_host,
            longest,
        }
    }

    /// Whether a frame of `len` bytes may have this header ([NET-4] to [NET-7]).
    ///
    /// [NET-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
    /// [NET-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
    pub(super) fn admit(&self, header: &Header, len: usize) -> bool {
        let [plain, long] = self.longest;
        let longest = if header.segments.is_some() { long } else { plain };
        let Ok(len) = u32::try_from(len) else { return false };
        let fits = (MIN_FRAME..=longest).contains(&len) || planted!("frame-length-believed");
        let sum = planted!("checksum-place-believed")
            || header.checksum.is_none_or(|sum| {
                let (start, offset) = (u32::from(sum.start), u32::from(sum.offset));
                let end = start.saturating_add(offset).saturating_add(2);
                self.checksums && start >= MIN_FRAME && end <= len
            });
        let cut = planted!("segments-believed")
            || header.segments.is_none_or(|cut| {
                let known = cut.kind == SegmentKind::TCP4 || cut.kind == SegmentKind::TCP6;
                let inside = (MIN_FRAME..len).contains(&u32::from(cut.header_len));
                self.segments && known && inside && cut.size != 0 && header.checksum.is_some()
            });
        fits && sum && cut && (!header.checked || self.checked) && (header.hash == 0 || self.hash)
    }
}

impl Header {
    /// The wire bytes.
    pub(super) fn to_wire(self) -> NetHeader {
        let flags = [(self.checksum.is_some(), NetFlags::NEEDS_CSUM), (self.checked, NetFlags::CHECKED)];
        let flags =
            flags.iter().filter(|(set, _)| *set).fold(NetFlags::empty(), |all, (_, flag)| all | *flag);
        let cut = self.segments.unwrap_or(Segments { kind: SegmentKind::NONE, header_len: 0, size: 0 });
        let sum = self.checksum.unwrap_or(Checksum { start: 0, offset: 0 });
        NetHeader {
            flags: U16::new(flags.bits()),
            segment_kind: U16::new(cut.kind.0),
            header_len: U16::new(cut.header_len),
            segment_size: U16::new(cut.size),
            csum_start: U16::new(sum.start),
            csum_offset: U16::new(sum.offset),
            hash: U32::new(self.hash),
        }
    }

    /// Of the words that the host wrote, a copy; `None` where fields say what no header can.
    pub(super) fn from_words(words: [u64; WORDS]) -> Option<Self> {
        let bytes = words.map(u64::to_le_bytes);
        let told = NetHeader::read_from_bytes(bytes.as_flattened()).ok()?;
        let flags = NetFlags::from_bits(told.flags.get())?;
        let needs = flags.contains(NetFlags::NEEDS_CSUM);
        let sum = Checksum { start: told.csum_start.get(), offset: told.csum_offset.get() };
        let kind = SegmentKind(told.segment_kind.get());
        let cut = Segments { kind, header_len: told.header_len.get(), size: told.segment_size.get() };
        let no_cut = kind == SegmentKind::NONE;
        // Zero where it means nothing (NET-5, NET-6).
        let stray =
            !needs && (sum.start != 0 || sum.offset != 0) || no_cut && (cut.header_len != 0 || cut.size != 0);
        if stray && !planted!("stray-header-fields") {
            return None;
        }
        Some(Self {
            checksum: needs.then_some(sum),
            segments: (!no_cut).then_some(cut),
            checked: flags.contains(NetFlags::CHECKED),
            hash: told.hash.get(),
        })
    }
}
