// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices behind bridges, as `first-ivshmem-only` and a machine description of libvirt's have them.

use crate::bars::find;
use crate::model::{Model, Node};
use core::ops::Range;
use tenon_guest::Error;

const MIB: u64 = 1 << 20;
const FREE: Range<u64> = 0x1000_0000..0x3eff_0000;

fn buses(model: &Model) -> Vec<(u8, u8)> {
    let found = find(model, FREE);
    found.iter().map(|device| (device.function().bus, device.function().device)).collect()
}

#[test]
fn each_device_is_found_also_behind_bridges() {
    let model = Model::new(vec![
        Node::ivshmem(1, MIB),
        Node::bridge(2, vec![Node::other(0), Node::ivshmem(1, MIB)]),
        Node::bridge(3, vec![Node::bridge(0, vec![Node::ivshmem(0, 4 * MIB)]), Node::ivshmem(1, MIB)]),
        Node::bridge(4, vec![Node::other(0)]),
        Node::ivshmem(5, MIB),
    ]);
    assert_eq!(buses(&model), [(0, 1), (1, 1), (3, 0), (2, 1), (0, 5)]);
    // All of them decode, and every bridge above passes their addresses on.
    assert_eq!(model.decoded().len(), 15);
    let numbers: Vec<_> = model.root.iter().map(|node| node.register(0x18).to_le_bytes()).collect();
    assert_eq!((numbers[1][1], numbers[1][2], numbers[2][1], numbers[2][2]), (1, 1, 2, 3));
    assert_eq!((numbers[3][1], numbers[3][2]), (4, 4));
    assert!(!model.root[3].decodes(), "a bridge to nothing that was looked for was turned on");
    // A second search finds the same, in the same places.
    let before = model.decoded();
    assert_eq!(buses(&model).len(), 5);
    assert_eq!(model.decoded(), before);
}

#[test]
fn what_firmware_has_set_up_stays() {
    let device = Node::ivshmem(1, MIB).with(0x10, 0x2000_0000).with(0x14, 0x2000_1000);
    let device = device.with(0x18, 0x2010_000c).with(4, 7);
    let bridge = Node::bridge(2, vec![device]).with(0x18, 0x0003_0300).with(0x20, 0x2010_2000).with(4, 7);
    let model = Model::new(vec![bridge, Node::bridge(3, vec![Node::ivshmem(0, MIB)])]);
    // The second one's number lies beyond all that the first one may use.
    assert_eq!(buses(&model), [(3, 1), (4, 0)]);
    assert_eq!((model.root[0].register(0x18), model.root[0].register(0x20)), (0x0003_0300, 0x2010_2000));
    assert_eq!(model.decoded().len(), 6);
}

#[test]
fn nobody_knows_what_is_free_of_a_window_of_the_firmwares() {
    let bridge = Node::bridge(2, vec![Node::ivshmem(1, MIB)]).with(0x18, 0x0001_0100).with(0x20, 0x2010_2000);
    let model = Model::new(vec![bridge, Node::ivshmem(3, MIB)]);
    let [behind, beside] = *find(&model, FREE) else { panic!("there are two") };
    assert_eq!(behind.bar(2), Err(Error::BadMemory));
    assert_eq!(beside.bar(2).map(|bar| bar.address), Ok(FREE.start));
    assert_eq!(model.root[0].register(0x20), 0x2010_2000);
}

#[test]
fn a_window_of_a_bridges_ends_inside_of_the_hosts() {
    // 3.9 MiB are free: a window of three.
    let small = Model::new(vec![Node::bridge(2, vec![Node::ivshmem(1, 4 * MIB)])]);
    assert_eq!(find(&small, 0x1000_0000..0x103f_0000)[0].bar(2), Err(Error::BadMemory));
    assert_eq!(small.root[0].register(0x20), 0, "a window over nothing was opened");
    let model = Model::new(vec![Node::bridge(2, vec![Node::ivshmem(1, MIB)]), Node::ivshmem(3, MIB)]);
    let [behind, beside] = *find(&model, 0x1000_8000..0x3000_0000) else { panic!("there are two") };
    assert_eq!(behind.bar(2).map(|bar| bar.address), Ok(0x1010_0000));
    // Beyond the window, not inside of what is left of its last MiB.
    let window = model.root[0].register(0x20);
    let last = u64::from(window >> 16 & 0xfff0) << 16 | 0xf_ffff;
    assert!(
        beside.bar(2).expect("there is room").address > last && beside.bar(0).expect("too").address > last
    );
    assert_eq!(model.decoded().len(), 6);
}

#[test]
fn a_function_beyond_the_first_is_found_where_there_are_several() {
    let several = Node::other(4).with(0x0c, 0x0080_0000);
    let model =
        Model::new(vec![several, Node::ivshmem(4, MIB).function(5), Node::ivshmem(6, MIB).function(1)]);
    let found = find(&model, FREE);
    assert_eq!(found.iter().map(|device| device.function().function).collect::<Vec<_>>(), [5]);
}

#[test]
fn bridges_deeper_than_any_machine_has_them_are_left() {
    let deep = |levels: u32| (0..levels).fold(Node::ivshmem(0, MIB), |node, _| Node::bridge(0, vec![node]));
    assert_eq!(find(&Model::new(vec![deep(8)]), FREE).len(), 1);
    assert_eq!(find(&Model::new(vec![deep(9)]), FREE).len(), 0);
}
