// SPDX-License-Identifier: MIT OR Apache-2.0
//! Places of BARs: inside what is free, each at its own, kept where firmware gave them.

use crate::model::{Model, Node};
use core::ops::Range;
use tenon_guest::Error;
use tenon_guest::pci::{Bus, Device, IVSHMEM};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Windows of host bridges: of a PC, of `virt` on AArch64 and on RISC-V.
const WINDOWS: [Range<u64>; 3] =
    [0xc000_0000..0xfec0_0000, 0x1000_0000..0x3eff_0000, 0x4000_0000..0x8000_0000];

pub(crate) fn find(model: &Model, free: Range<u64>) -> Vec<Device> {
    let mut found = [None; 8];
    let count = Bus::new(model, free, 4 * GIB).find(IVSHMEM, &mut found);
    let found: Vec<_> = found.into_iter().flatten().collect();
    assert_eq!(found.len(), count.min(8));
    found
}

#[test]
fn bars_get_places_in_the_window() {
    for window in WINDOWS {
        for memory in [MIB, 4 * MIB, 128 * MIB, 256 * MIB] {
            let model = Model::new(vec![Node::other(0), Node::ivshmem(3, memory)]);
            let [device] = *find(&model, window.clone()) else { panic!("there is one") };
            assert_eq!((device.function().bus, device.function().device), (0, 3));
            let bars = [0, 1, 2].map(|index| device.bar(index).expect("it has a place"));
            assert_eq!(bars.map(|bar| bar.len), [256, 4096, memory]);
            for (index, bar) in bars.iter().enumerate() {
                assert!(bar.address % bar.len == 0 && window.contains(&bar.address), "{bar:#x?}");
                assert!(bar.address + bar.len <= window.end, "{bar:#x?}");
                assert_eq!(bar.address, model.root[1].address(index));
            }
            // Memory and registers are mapped in different ways.
            assert_ne!(bars[0].address >> 21, (bars[2].address + memory - 1) >> 21);
            assert_eq!(model.decoded().len(), 3);
            assert_eq!((device.bar(3), device.bar(6)), (Err(Error::NotPresent), Err(Error::NotPresent)));
        }
    }
}

#[test]
fn a_bar_that_does_not_fit_is_not_placed() {
    for window in WINDOWS {
        for memory in [GIB, 2 * GIB, 4 * GIB, 1 << 63] {
            let model = Model::new(vec![Node::ivshmem(3, memory), Node::ivshmem(4, MIB)]);
            let [large, small] = *find(&model, window.clone()) else { panic!("there are two") };
            let missing = [0, 2].map(|index| large.bar(index).err());
            assert!(missing.contains(&Some(Error::BadMemory)), "{large:?}");
            assert!(!model.root[0].decodes(), "a device without a place for all of it was turned on");
            // The next one is none the worse.
            assert!(small.bar(2).is_ok(), "{small:?}");
            assert!(model.decoded().iter().all(|&(at, len)| window.contains(&at) && at + len <= window.end));
        }
    }
}

#[test]
fn what_is_left_of_the_window_counts() {
    // Two of 256 MiB in less than 768: the second lies behind the first, or nowhere.
    let model = Model::new(vec![Node::ivshmem(3, 256 * MIB), Node::ivshmem(4, 256 * MIB)]);
    let [first, second] = *find(&model, 0x1000_0000..0x3eff_0000) else { panic!("there are two") };
    assert_eq!(first.bar(2).map(|bar| bar.address), Ok(0x1000_0000));
    assert_eq!(second.bar(2), Err(Error::BadMemory));
    // One byte less than a BAR needs is too little, and just enough is enough.
    for (end, fits) in [(0x1020_1100, true), (0x1020_10ff, false)] {
        let model = Model::new(vec![Node::ivshmem(3, MIB)]);
        let [device] = *find(&model, 0x1000_0000..end) else { panic!("there is one") };
        assert_eq!(device.bar(0).is_ok(), fits, "{device:x?}");
        assert_eq!(model.root[0].decodes(), fits);
    }
    // Nothing is free at all, and an address of zero is no place.
    let nothing = Model::new(vec![Node::ivshmem(3, MIB)]);
    assert_eq!(find(&nothing, 0..0)[0].bar(2), Err(Error::BadMemory));
    let low = Model::new(vec![Node::ivshmem(3, MIB)]);
    assert_eq!(find(&low, 0..64 * MIB)[0].bar(2).map(|bar| bar.address), Ok(MIB));
}

#[test]
fn places_of_the_firmwares_are_kept() {
    let node = Node::ivshmem(3, 4 * MIB).with(0x10, 0xfebf_0000).with(0x14, 0xfebf_1000);
    let model = Model::new(vec![node.with(0x18, 0xfe00_000c).with(4, 0x0010_0403)]);
    let [device] = *find(&model, 0xc000_0000..0xfec0_0000) else { panic!("there is one") };
    let places = [0, 1, 2].map(|index| device.bar(index).map(|bar| bar.address));
    assert_eq!(places, [Ok(0xfebf_0000), Ok(0xfebf_1000), Ok(0xfe00_0000)]);
    // Decoding and mastery on top of what was there; no bit of the status was cleared.
    assert_eq!(model.root[0].register(4), 0x0010_0407);
}

#[test]
fn what_the_kernel_cannot_map_gets_another_place_or_stays() {
    let high = |memory| {
        let node = Node::ivshmem(3, memory).with(0x10, 0xfebf_0000).with(0x14, 0xfebf_1000);
        Model::new(vec![node.with(0x18, 0xc).with(0x1c, 0x80).with(4, 0x403)])
    };
    let model = high(4 * MIB);
    assert_eq!(find(&model, 0xc000_0000..0xfe00_0000)[0].bar(2).map(|bar| bar.address), Ok(0xc000_0000));
    assert_eq!(model.root[0].address(2), 0xc000_0000);
    // Too long for the window: it is where it was, and decoded as it was.
    let model = high(GIB);
    assert_eq!(find(&model, 0xc000_0000..0xfe00_0000)[0].bar(2), Err(Error::BadMemory));
    assert_eq!((model.root[0].address(2), model.root[0].register(4)), (0x80_0000_0000, 0x403));
    // A place that ends just where the kernel's reach does is kept.
    let node = Node::ivshmem(3, 4 * MIB).with(0x10, 0xfebf_0000).with(0x14, 0xfebf_1000);
    let model = Model::new(vec![node.with(0x18, 0xffc0_000c)]);
    assert_eq!(find(&model, 0xc000_0000..0xfe00_0000)[0].bar(2).map(|bar| bar.address), Ok(0xffc0_0000));
}

#[test]
fn narrow_bars_stay_below_four_gib() {
    let mut node = Node::ivshmem(3, MIB);
    node.bars[2].flags = 0b1000;
    let model = Model::new(vec![node.with(0x18, 0b1000)]);
    assert_eq!(find(&model, 4 * GIB..8 * GIB)[0].bar(2), Err(Error::BadMemory));
    let node = Node::ivshmem(3, MIB).with(0x10, 0xfebf_0000).with(0x14, 0xfebf_1000);
    let [device] = *find(&Model::new(vec![node]), 4 * GIB..8 * GIB) else { panic!("there is one") };
    assert_eq!(device.bar(2).map(|bar| bar.address), Ok(4 * GIB));
    let [device] = *find(&Model::new(vec![Node::ivshmem(3, MIB)]), 4 * GIB..8 * GIB) else {
        panic!("there is one")
    };
    assert_eq!(device.bar(0), Err(Error::BadMemory), "a narrow one has no place up there");
}

#[test]
fn a_range_of_ports_is_no_memory() {
    let mut node = Node::ivshmem(3, MIB);
    node.bars[0].flags = 1;
    let model = Model::new(vec![node.with(0x10, 1)]);
    let [device] = *find(&model, 0x1000_0000..0x2000_0000) else { panic!("there is one") };
    assert_eq!(device.bar(0), Err(Error::NotPresent));
    assert!(device.bar(2).is_ok());
}

#[test]
fn more_devices_than_there_is_room_for_are_counted() {
    let model = Model::new((0..5).map(|device| Node::ivshmem(device, MIB)).collect());
    let mut found = [None; 2];
    assert_eq!(Bus::new(&model, 0x1000_0000..0x3000_0000, 4 * GIB).find(IVSHMEM, &mut found), 5);
    assert!(found.iter().all(Option::is_some));
    assert_eq!(Bus::new(&model, 0x1000_0000..0x3000_0000, 4 * GIB).find(1, &mut found), 0);
}
