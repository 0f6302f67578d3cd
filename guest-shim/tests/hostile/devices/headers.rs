// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host tells of a disk and of a network interface, word by word.

use tenon_abi::{BlockFlags, BlockInfo, DeviceInfo, NetFeatures, NetInfo};
use tenon_guest::device::Devices;
use tenon_guest::{Error, block, net};
use zerocopy::{FromBytes, IntoBytes};

use super::model::{Model, card, disk};
use crate::lies::host;

/// What is wrong, and what the host writes for it.
type Case<'a, T> = (&'static str, &'a dyn Fn(&mut T));

/// What the shim makes of `own`, if the host tells that.
fn told(info: DeviceInfo, own: &[u8]) -> (Result<block::Info, Error>, Result<net::Info, Error>) {
    let host = host();
    let model = Model::new(&host, info);
    model.info.borrow_mut().own.as_mut_bytes().copy_from_slice(own);
    let info = Devices::over(&model).query(0, &host.buffer()).expect("the rest is sound");
    (info.block(), info.net())
}

#[test]
fn a_disk_that_cannot_be_is_none() {
    let sound = BlockInfo::read_from_bytes(disk().own.as_bytes()).expect("so long it is");
    let ask = |spoil: &dyn Fn(&mut BlockInfo)| {
        let mut own = sound;
        spoil(&mut own);
        told(disk(), own.as_bytes())
    };
    let (info, other) = ask(&|_| ());
    let info = info.expect("it is sound");
    assert_eq!(
        (info.bytes, info.block, info.max_segments, info.flags),
        (1 << 20, 512, 256, BlockFlags::empty())
    );
    assert_eq!(other.err(), Some(Error::NoMatch), "a disk is no interface");
    let cases: &[Case<'_, BlockInfo>] = &[
        ("no block", &|own| own.block.set(0)),
        ("a block that is no power of two", &|own| own.block.set(1536)),
        ("a block that is too short", &|own| own.block.set(256)),
        ("a block that is too long", &|own| own.block.set(1 << 17)),
        ("a size of parts of blocks", &|own| own.bytes.set((1 << 20) + 1)),
        ("a size near the end of all numbers", &|own| own.bytes.set(u64::MAX)),
        ("what is written in less than a block", &|own| own.physical.set(256)),
        ("what is written in no power of two", &|own| own.physical.set(4097)),
        ("no alignment", &|own| own.align.set(0)),
        ("an alignment that is no power of two", &|own| own.align.set(3)),
        ("an alignment above a page", &|own| own.align.set(8192)),
        ("too short transfers", &|own| own.max_transfer.set(65_535)),
        ("too short segments", &|own| own.max_segment.set(4095)),
        ("one segment", &|own| own.max_segments.set(1)),
        ("257 segments", &|own| own.max_segments.set(257)),
        ("no unit of discarding", &|own| own.discard_align.set(0)),
        ("a unit of parts of blocks", &|own| own.discard_align.set(513)),
        ("a flag that is not known", &|own| own.flags.set(8)),
        ("what is reserved", &|own| own.reserved0.set(1)),
        ("what is reserved, above", &|own| own.reserved1.set(1 << 40)),
    ];
    for (what, spoil) in cases {
        assert_eq!(ask(spoil).0, Err(Error::NoMatch), "{what}");
    }
    let sound: &[Case<'_, BlockInfo>] = &[
        ("an empty disk", &|own| own.bytes.set(0)),
        ("as large as can be", &|own| own.bytes.set(u64::MAX << 9)),
        ("nothing is discarded", &|own| {
            own.max_discard.set(0);
            own.discard_align.set(0);
        }),
        ("all flags", &|own| own.flags.set(7)),
    ];
    for (what, spoil) in sound {
        assert!(ask(spoil).0.is_ok(), "{what}");
    }
}

#[test]
fn an_interface_that_cannot_be_is_none() {
    let sound = NetInfo::read_from_bytes(card(0).own.as_bytes()).expect("so long it is");
    let ask = |spoil: &dyn Fn(&mut NetInfo)| {
        let mut own = sound;
        spoil(&mut own);
        told(card(0), own.as_bytes())
    };
    let (other, info) = ask(&|_| ());
    let info = info.expect("it is sound");
    assert_eq!((info.mac, info.mtu, info.link, info.pairs), ([2, 2, 3, 4, 5, 6], 1500, true, 2));
    assert_eq!(other.err(), Some(Error::NoMatch), "an interface is no disk");
    let cases: &[Case<'_, NetInfo>] = &[
        ("seven bytes of address", &|own| own.mac.set(1 << 48)),
        ("too short an MTU", &|own| own.mtu.set(67)),
        ("too long an MTU", &|own| own.mtu.set(65_536)),
        ("an MTU that wraps", &|own| own.mtu.set(u32::MAX)),
        ("frames shorter than the MTU's", &|own| own.max_frame.set(1517)),
        ("too long frames", &|own| own.max_frame.set(65_551)),
        ("half a link", &|own| own.link.set(2)),
        ("no pair", &|own| own.pairs.set(0)),
        ("257 pairs", &|own| own.pairs.set(257)),
        ("what is reserved", &|own| own.reserved0.set(1)),
        ("what is reserved, behind", &|own| own.reserved1[3].set(1)),
    ];
    for (what, spoil) in cases {
        assert_eq!(ask(spoil).1, Err(Error::NoMatch), "{what}");
    }
}

#[test]
fn the_smallest_ring_holds_four_of_the_longest_records() {
    let info = told(card(0), card(0).own.as_bytes()).1.expect("it is sound");
    let words = |features, to_host| info.least_words(features, to_host);
    // A header of 16 bytes and one of 8 are before 1518 bytes: 193 words.
    assert_eq!((words(NetFeatures::empty(), true), info.longest_frame(false)), (1024, 1518));
    assert_eq!(words(NetFeatures::SEGMENT_TO_GUEST, true), 1024, "that is the other direction");
    // 20,000 bytes are 2503 words.
    assert_eq!((words(NetFeatures::SEGMENT_TO_GUEST, false), info.longest_frame(true)), (16_384, 20_000));
    assert_eq!(words(NetFeatures::SEGMENT_TO_HOST, true), 16_384);
    for words in [1024, 16_384] {
        let longest = if words == 1024 { 1518 } else { 20_000 };
        assert!(tenon_abi::stream::max_record(words) >= longest + 16);
        assert!(tenon_abi::stream::max_record(words / 2) < longest + 16);
    }
}
