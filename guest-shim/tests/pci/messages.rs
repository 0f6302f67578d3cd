// SPDX-License-Identifier: MIT OR Apache-2.0
//! MSI-X: the list of capabilities, the table, its routes.
#![allow(unsafe_code, reason = "the test plays the table")]

use crate::bars::find;
use crate::model::{Model, Node};
use core::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use tenon_guest::pci::{ConfigSpace, Device, MsiX};

/// A device with capabilities: head words by their places, the first one first.
fn device(heads: &[(u16, u32)], table: u32) -> (Model, Device) {
    let mut node = Node::ivshmem(3, 1 << 20).with(4, 0x0010_0000).with(0x34, u32::from(heads[0].0));
    for &(at, head) in heads {
        node = node.with(at, head).with(at + 4, table);
    }
    let model = Model::new(vec![node]);
    let device = find(&model, 0x1000_0000..0x2000_0000)[0];
    (model, device)
}

fn messages(heads: &[(u16, u32)], table: u32) -> Option<MsiX> {
    let (model, device) = device(heads, table);
    device.messages(&model)
}

#[test]
fn the_table_is_found_behind_other_capabilities() {
    let found = messages(&[(0x40, 0x0000_5005), (0x50, 0x0000_6010), (0x60, 0x000f_0011)], 0x801)
        .expect("it is there");
    assert_eq!((found.count(), found.table()), (16, (1, 0x800, 256)));
}

#[test]
fn a_table_that_does_not_fit_its_bar_is_none() {
    let one = |count: u32, table| messages(&[(0x40, (count - 1) << 16 | 0x11)], table);
    assert!(one(256, 1).is_some(), "all of the BAR");
    assert!(one(257, 1).is_none(), "an entry more than that");
    assert!(one(1, 0xff1).is_some() && one(2, 0xff1).is_none());
    // BARs that are none.
    assert!(one(1, 3).is_none() && one(1, 7).is_none());
    assert!(one(2048, !7 | 1).is_none());
}

#[test]
fn a_list_without_it_or_without_an_end_ends() {
    assert!(messages(&[(0x40, 0x0000_0005)], 1).is_none());
    assert!(messages(&[(0x40, 0x0000_4005)], 1).is_none(), "a circle");
    assert!(messages(&[(0x40, 0x0000_3c05), (0x3c, 0x11)], 1).is_none(), "into the header");
    let (model, device) = device(&[(0x40, 0x11)], 1);
    model.root[0].registers.borrow_mut()[1] = 0;
    assert!(device.messages(&model).is_none(), "a device that says that it has no list");
}

#[test]
fn routes_are_written_and_turned_on() {
    let (model, device) = device(&[(0x40, 0x4003_0011)], 1);
    let messages = device.messages(&model).expect("it is there");
    let table: Vec<AtomicU32> = (0..20).map(|_| AtomicU32::new(0x55)).collect();
    let words = || table.iter().map(|word| word.load(Ordering::Relaxed)).collect::<Vec<_>>();
    let at = NonNull::new(table.as_ptr().cast_mut().cast()).expect("it is a place");
    // SAFETY: the table is this test's own, twenty words for four entries.
    unsafe {
        assert!(messages.route(at, 1, 0x1_fee0_0000, 49));
        assert!(messages.route(at, 3, 0xfee0_0000, 51));
        assert!(!messages.route(at, 4, 1, 1), "there are four");
    }
    let mut expected = [0x55; 20];
    expected[4..8].copy_from_slice(&[0xfee0_0000, 1, 49, 0]);
    expected[12..16].copy_from_slice(&[0xfee0_0000, 0, 51, 0]);
    assert_eq!(words(), expected);
    messages.enable(&device, &model);
    assert_eq!(model.read(device.function(), 0x40), 0x8003_0011, "enabled, and not masked as a whole");
}
