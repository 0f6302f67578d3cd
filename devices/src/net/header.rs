// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands before a frame that a guest sends, held against the frame (NET-4 to NET-7, NET-12).

use tenon_abi::net::{FRAME_EXTRA, MIN_FRAME};
use tenon_abi::{NetFeatures, NetFlags, NetHeader, SegmentKind};
use zerocopy::FromBytes;
use zerocopy::little_endian::{U16, U32};

/// Bytes of it on the wire.
pub(super) const LEN: usize = size_of::<NetHeader>();

/// Where a checksum is to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) start: usize,
    pub(super) offset: usize,
}

/// How a frame is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) kind: SegmentKind,
    pub(super) header_len: usize,
    pub(super) size: usize,
}

/// What is to be done with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) sum: Option<Sum>,
    pub(super) cut: Option<Cut>,
}

/// What one guest may send, and may be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) features: NetFeatures,
    pub(super) mtu: u32,
    pub(super) max_frame: u32,
}

impl Rules {
    /// The longest frame without segments.
    pub(super) fn plain(&self) -> usize {
        self.mtu.saturating_add(FRAME_EXTRA) as usize
    }
}

impl Header {
    /// The header and the frame of a record; `None` where it breaks NET-4 to NET-7.
    pub(super) fn split<'r>(record: &'r mut [u8], rules: &Rules) -> Option<(Self, &'r mut [u8])> {
        let (told, frame) = record.split_at_mut_checked(LEN)?;
        let told = NetHeader::read_from_bytes(told).ok()?;
        let flags = NetFlags::from_bits(told.flags.get())?;
        // The guest never says that a sum is right, and has no hash (NET-5, NET-7).
        if flags.contains(NetFlags::CHECKED) || told.hash.get() != 0 {
            return None;
        }
        let kind = SegmentKind(told.segment_kind.get());
        let sum = Sum { start: told.csum_start.get().into(), offset: told.csum_offset.get().into() };
        let size = usize::from(told.segment_size.get());
        let cut = Cut { kind, header_len: told.header_len.get().into(), size };
        let sum = flags.contains(NetFlags::NEEDS_CSUM).then_some(sum).map_or_else(
            || (sum.start == 0 && sum.offset == 0).then_some(None),
            |sum| {
                let inside = sum.start >= MIN_FRAME as usize && sum.start + sum.offset + 2 <= frame.len();
                (inside && rules.features.contains(NetFeatures::CSUM_TO_HOST)).then_some(Some(sum))
            },
        )?;
        let cut = if kind == SegmentKind::NONE {
            (cut.header_len == 0 && cut.size == 0).then_some(None)
        } else {
            let known = kind == SegmentKind::TCP4 || kind == SegmentKind::TCP6;
            let inside = (MIN_FRAME as usize..frame.len()).contains(&cut.header_len) && cut.size != 0;
            let chosen = rules.features.contains(NetFeatures::SEGMENT_TO_HOST);
            (known && inside && chosen && sum.is_some()).then_some(Some(cut))
        }?;
        let longest = if cut.is_some() { rules.max_frame as usize } else { rules.plain() };
        (MIN_FRAME as usize..=longest).contains(&frame.len()).then_some((Self { sum, cut }, frame))
    }

    /// The wire bytes: nothing is said to be checked, and there is no hash (NET-12).
    pub(super) fn to_wire(self) -> NetHeader {
        let word = |value: usize| U16::new(u16::try_from(value).unwrap_or(0));
        let sum = self.sum.unwrap_or(Sum { start: 0, offset: 0 });
        let cut = self.cut.unwrap_or(Cut { kind: SegmentKind::NONE, header_len: 0, size: 0 });
        let flags = if self.sum.is_some() { NetFlags::NEEDS_CSUM } else { NetFlags::empty() };
        NetHeader {
            flags: U16::new(flags.bits()),
            segment_kind: U16::new(cut.kind.0),
            header_len: word(cut.header_len),
            segment_size: word(cut.size),
            csum_start: word(sum.start),
            csum_offset: word(sum.offset),
            hash: U32::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromZeros, IntoBytes};

    const ALL: Rules = Rules { features: NetFeatures::all(), mtu: 1500, max_frame: 20_000 };

    fn told(flags: u16, words: [u16; 5], hash: u32, len: usize, rules: &Rules) -> Option<Header> {
        let [kind, header_len, size, start, offset] = words.map(U16::new);
        let mut wire = NetHeader::new_zeroed();
        wire.flags.set(flags);
        (wire.segment_kind, wire.header_len, wire.segment_size) = (kind, header_len, size);
        (wire.csum_start, wire.csum_offset) = (start, offset);
        wire.hash.set(hash);
        let mut record = wire.as_bytes().to_vec();
        record.resize(LEN + len, 7);
        Header::split(&mut record, rules).map(|(header, frame)| {
            assert_eq!(frame.len(), len);
            header
        })
    }

    #[test]
    fn what_fits_is_taken_and_written_again_as_it_was() {
        for (flags, words, len) in [
            (0, [0; 5], 14),
            (0, [0; 5], 1518),
            (1, [0, 0, 0, 34, 16], 60),
            (1, [0, 0, 0, 14, 44], 60),
            (1, [1, 54, 1460, 34, 16], 20_000),
            (1, [2, 59, 1, 54, 4], 60),
        ] {
            let header = told(flags, words, 0, len, &ALL).expect("it fits");
            let wire = header.to_wire();
            let again =
                [wire.segment_kind, wire.header_len, wire.segment_size, wire.csum_start, wire.csum_offset];
            assert_eq!((wire.flags.get(), again.map(U16::get), wire.hash.get()), (flags, words, 0));
        }
    }

    #[test]
    fn what_does_not_fit_is_none() {
        for (what, flags, words, hash, len) in [
            ("no frame", 0, [0; 5], 0, 0),
            ("half an Ethernet header", 0, [0; 5], 0, 13),
            ("too long", 0, [0; 5], 0, 1519),
            ("too long for segments", 1, [1, 54, 1460, 34, 16], 0, 20_001),
            ("a flag that is not known", 4, [0; 5], 0, 60),
            ("CHECKED", 2, [0; 5], 0, 60),
            ("a hash", 0, [0; 5], 1, 60),
            ("a sum in the Ethernet header", 1, [0, 0, 0, 13, 0], 0, 60),
            ("a sum behind the frame", 1, [0, 0, 0, 34, 25], 0, 60),
            ("a sum far behind the frame", 1, [0, 0, 0, 0xffff, 0xffff], 0, 60),
            ("a place without a sum", 0, [0, 0, 0, 34, 16], 0, 60),
            ("segments without a sum", 0, [1, 54, 1460, 0, 0], 0, 60),
            ("segments of nothing", 1, [1, 54, 0, 34, 16], 0, 60),
            ("headers as long as the frame", 1, [1, 60, 1460, 34, 16], 0, 60),
            ("segments that are not known", 1, [3, 54, 1460, 34, 16], 0, 60),
            ("a size without segments", 0, [0, 0, 1460, 0, 0], 0, 60),
        ] {
            assert_eq!(told(flags, words, hash, len, &ALL), None, "{what}");
        }
        let none = Rules { features: NetFeatures::CSUM_TO_GUEST, ..ALL };
        assert_eq!(told(1, [0, 0, 0, 34, 16], 0, 60, &none), None, "that was chosen for the other direction");
        let sums = Rules { features: NetFeatures::CSUM_TO_HOST, ..ALL };
        assert_eq!(told(1, [1, 54, 1460, 34, 16], 0, 60, &sums), None, "segments were not chosen");
        assert_eq!(Header::split(&mut [0; 15], &ALL), None, "half a header");
    }
}
