// SPDX-License-Identifier: MIT OR Apache-2.0
extern crate std;

use super::{Gic, HEADER_LEN, MAX_LEN, Pci, Platform, Range, Uart, UartKind, WINDOW, length};
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use proptest::prelude::*;
use std::vec::Vec;

fn cells(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// A node with properties of raw bytes.
fn node(name: &str, properties: &[(&str, Vec<u8>)], children: Vec<DeviceTreeNode>) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new_unchecked(name);
    for (name, value) in properties {
        node.add_property(DeviceTreeProperty::new_unchecked(*name, value.clone()));
    }
    for child in children {
        node.add_child(child);
    }
    node
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn wide() -> [(&'static str, Vec<u8>); 2] {
    [("#address-cells", cells(&[2])), ("#size-cells", cells(&[2]))]
}

fn tree(children: Vec<DeviceTreeNode>) -> Vec<u8> {
    let mut tree = DeviceTree::new();
    tree.root = node("", &wide(), children);
    tree.to_dtb()
}

fn memory(reg: &[u32]) -> DeviceTreeNode {
    node("memory@40000000", &[("device_type", text("memory")), ("reg", cells(reg))], Vec::new())
}

/// As QEMU's AArch64 `virt` describes itself, with Tenon.
fn arm() -> Vec<u8> {
    let chosen = [("bootargs", text("seed=1f only=call.nop")), ("stdout-path", text("/pl011@9000000"))];
    let uart = |name: &str, at| {
        let properties =
            [("compatible", b"arm,pl011\0arm,primecell\0".to_vec()), ("reg", cells(&[0, at, 0, 0x1000]))];
        node(name, &properties, Vec::new())
    };
    let gic = [
        ("compatible", text("arm,gic-v3")),
        ("reg", cells(&[0, 0x0800_0000, 0, 0x1_0000, 0, 0x080a_0000, 0, 0xf6_0000])),
    ];
    let pci = [
        ("compatible", text("pci-host-ecam-generic")),
        ("reg", cells(&[0x40, 0x1000_0000, 0, 0x1000_0000])),
        ("#address-cells", cells(&[3])),
        ("#size-cells", cells(&[2])),
        (
            "ranges",
            cells(&[
                0x0100_0000,
                0,
                0,
                0,
                0x3eff_0000,
                0,
                0x1_0000, //
                0x0200_0000,
                0,
                0x1000_0000,
                0,
                0x1000_0000,
                0,
                0x2eff_0000, //
                0x0300_0000,
                0x80,
                0,
                0x80,
                0,
                0x80,
                0,
            ]),
        ),
    ];
    tree(std::vec![
        node("chosen", &chosen, Vec::new()),
        memory(&[0, 0x4000_0000, 0, 0x800_0000]),
        node(
            "psci",
            &[("compatible", b"arm,psci-1.0\0arm,psci-0.2\0".to_vec()), ("method", text("smc"))],
            Vec::new()
        ),
        uart("pl011@9040000", 0x0904_0000),
        uart("pl011@9000000", 0x0900_0000),
        node("intc@8000000", &gic, Vec::new()),
        node("pcie@10000000", &pci, Vec::new()),
        node(
            "tenon@a000000",
            &[("compatible", text(WINDOW)), ("reg", cells(&[1, 0, 0, 0x20_0000]))],
            Vec::new()
        ),
    ])
}

#[test]
fn an_arm_machine_is_read() {
    let tree = arm();
    let platform = Platform::read(&tree).expect("a tree");
    assert_eq!(platform.command_line, "seed=1f only=call.nop");
    assert_eq!(platform.memory[0], Range { address: 0x4000_0000, len: 0x800_0000 });
    assert_eq!(platform.memory[1], Range::default());
    let uart = Uart { kind: UartKind::Pl011, address: 0x0900_0000, shift: 0 };
    assert_eq!(platform.uart, Some(uart), "the one that stdout-path names, not the first");
    assert!(platform.psci_by_smc);
    let distributor = Range { address: 0x0800_0000, len: 0x1_0000 };
    let redistributors = Range { address: 0x080a_0000, len: 0xf6_0000 };
    assert_eq!(platform.gic, Some(Gic { distributor, redistributors }));
    let ecam = Range { address: 0x40_1000_0000, len: 0x1000_0000 };
    assert_eq!(platform.pci, Some(Pci { ecam, memory: Range { address: 0x1000_0000, len: 0x2eff_0000 } }));
    assert_eq!(platform.window, Some(Range { address: 1 << 32, len: 0x20_0000 }));
    assert_eq!(platform.timebase, None);
}

#[test]
fn a_risc_v_machine_is_read() {
    let uart = [
        ("compatible", text("ns16550a")),
        ("reg", cells(&[0, 0x1000_0000, 0, 0x100])),
        ("reg-shift", cells(&[2])),
    ];
    let tree = tree(std::vec![
        memory(&[0, 0x8000_0000, 0, 0x800_0000]),
        node("cpus", &[("timebase-frequency", cells(&[10_000_000]))], Vec::new()),
        node("soc", &wide(), std::vec![node("serial@10000000", &uart, Vec::new())]),
    ]);
    let platform = Platform::read(&tree).expect("a tree");
    assert_eq!(platform.uart, Some(Uart { kind: UartKind::Ns16550, address: 0x1000_0000, shift: 2 }));
    assert_eq!(platform.timebase, Some(10_000_000));
    assert_eq!((platform.command_line, platform.gic, platform.pci, platform.window), ("", None, None, None));
}

#[test]
fn nonsense_is_left_out() {
    let window = |reg: &[u32]| node("w", &[("compatible", text(WINDOW)), ("reg", cells(reg))], Vec::new());
    let read =
        |children| Platform::read(&tree(children)).map(|platform| (platform.memory[0], platform.window));
    let none = Some((Range::default(), None));
    assert_eq!(read(std::vec![memory(&[0, 0x4000_0000, 0, 0])]), none, "empty");
    assert_eq!(read(std::vec![memory(&[u32::MAX, u32::MAX, 0, 2])]), none, "wraps");
    assert_eq!(read(std::vec![memory(&[0, 0x4000_0000, 0])]), none, "cut short");
    assert_eq!(read(std::vec![window(&[])]), none, "no address");
    for (address, size) in [(0, 0), (0, 1), (3, 2), (2, 3), (u32::MAX, u32::MAX), (1 << 30, 1)] {
        let odd = [("#address-cells", cells(&[address])), ("#size-cells", cells(&[size]))];
        let bus = node("bus", &odd, std::vec![window(&[1, 2, 3, 4, 5, 6])]);
        assert_eq!(read(std::vec![bus]), none, "{address} and {size} cells");
    }
    let mut deep = window(&[0, 0x1000, 0, 0x1000]);
    for _ in 0..4 {
        deep = node("bus", &wide(), std::vec![deep]);
    }
    assert_eq!(read(std::vec![deep]), none, "too deep");
}

#[test]
fn more_memory_than_there_is_room_for_is_left_out() {
    let reg: Vec<u32> = (1..=20).flat_map(|piece| [0, piece << 24, 0, 0x10_0000]).collect();
    let tree = tree(std::vec![memory(&reg), memory(&reg)]);
    let platform = Platform::read(&tree).expect("a tree");
    assert!((1..).zip(platform.memory).all(|(piece, range)| range.address == piece << 24));
}

#[test]
fn the_header_says_how_long_a_tree_is() {
    let tree = arm();
    let header = *tree.first_chunk::<HEADER_LEN>().expect("a header");
    assert_eq!(length(header), Some(tree.len()));
    assert_eq!(length([0; HEADER_LEN]), None, "another magic");
    let with = |len: usize| {
        let mut header = header;
        header[4..].copy_from_slice(&u32::try_from(len).expect("small").to_be_bytes());
        length(header)
    };
    assert_eq!((with(0), with(MAX_LEN + 1), with(MAX_LEN)), (None, None, Some(MAX_LEN)));
}

#[test]
fn a_range_holds_its_bytes_alone() {
    let range = Range { address: 0x1000, len: 0x1000 };
    assert_eq!([0xfff, 0x1000, 0x1fff, 0x2000].map(|at| range.holds(at)), [false, true, true, false]);
    assert!(!Range::default().holds(0));
}

#[test]
fn no_tree_that_is_cut_off_panics() {
    let tree = arm();
    for len in 0..tree.len() {
        let mut cut = tree[..len].to_vec();
        // Once as it is, once with a header that owns up to it.
        assert!(Platform::read(&cut).is_none(), "{len} bytes");
        if let Some(field) = cut.get_mut(4..8) {
            field.copy_from_slice(&u32::try_from(len).expect("small").to_be_bytes());
            let _ = Platform::read(&cut);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_tree_that_is_damaged_panics(damage in prop::collection::vec((0_usize..4096, any::<u8>()), 1..8)) {
        let mut tree = arm();
        for (at, byte) in damage {
            let len = tree.len();
            tree[at % len] = byte;
        }
        let Some(platform) = Platform::read(&tree) else { return Ok(()) };
        for range in platform.memory.into_iter().chain(platform.window) {
            prop_assert!(range.address.checked_add(range.len).is_some());
        }
    }

    #[test]
    fn no_tree_with_words_of_nonsense_panics(at in 0_usize..1024, word in prop::sample::select(std::vec![0_u32, 1, 2, 3, 4, 9, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, u32::MAX])) {
        let mut tree = arm();
        let at = at % (tree.len() / 4) * 4;
        tree[at..at + 4].copy_from_slice(&word.to_be_bytes());
        let _ = Platform::read(&tree);
    }

    #[test]
    fn bytes_of_any_kind_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        if let Some(magic) = bytes.get_mut(..4) {
            magic.copy_from_slice(&0xd00d_feed_u32.to_be_bytes());
        }
        let _ = Platform::read(&bytes);
    }
}
