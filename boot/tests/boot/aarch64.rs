// SPDX-License-Identifier: MIT OR Apache-2.0
//! AArch64: `Image` and ELF files, and the device tree as a guest reads it.

use crate::tools::{AARCH64, X86_64, elf, load};
use tenon_boot::aarch64::{Devices, Start, affinity, plan};
use tenon_boot::{Error, Kind, Layout, Piece, Plan};
use tenon_guest_firmware::{Gic, Platform, Range, UartKind};

const RAM: u64 = 0x4000_0000;
const MIB: u64 = 1 << 20;
const DEVICES: Devices = Devices {
    cpus: 18,
    uart: 0x900_0000,
    distributor: (0x800_0000, 0x1_0000),
    redistributors: (0x80a_0000, 18 * 0x2_0000),
};

fn planned<'a>(image: &'a [u8], line: &str, layout: &Layout) -> Result<Plan<'a>, Error> {
    plan(image, line, layout, &DEVICES)
}

fn layout() -> Layout {
    Layout::aarch64(32 * MIB).unwrap().with(Kind::Window, 0x1000_0000, 4 * MIB).unwrap()
}

/// An `Image` of 64 bytes.
fn image(offset: u64, size: u64) -> Vec<u8> {
    let mut image = vec![0; 64];
    image[8..16].copy_from_slice(&offset.to_le_bytes());
    image[16..24].copy_from_slice(&size.to_le_bytes());
    image[56..60].copy_from_slice(b"ARM\x64");
    image
}

#[test]
fn a_guest_reads_its_machine() {
    let pieces = [(RAM, 16 * MIB), (0x1_0000_0000, 0x8000_0000)];
    let pieces = pieces.map(|(address, len)| Piece { address, len, kind: Kind::Ram });
    let layout = Layout::new(&pieces).unwrap().with(Kind::Window, 0x1000_0000, 4 * MIB).unwrap();
    let file = image(0, 0x1000);
    let plan = planned(&file, "seed=1 a=b", &layout).unwrap();
    assert_eq!((plan.entry(), plan.argument()), (RAM + 2 * MIB, RAM));
    let [kernel, (at, tree)] = plan.writes().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((kernel, at), ((RAM + 2 * MIB, &file[..]), RAM));
    let platform = Platform::read(tree).unwrap();
    assert_eq!(platform.command_line, "seed=1 a=b");
    assert_eq!(platform.memory[..2], pieces.map(|piece| Range { address: piece.address, len: piece.len }));
    assert_eq!(platform.memory[2].len, 0);
    assert_eq!(platform.window, Some(Range { address: 0x1000_0000, len: 4 * MIB }));
    assert_eq!(platform.uart.map(|uart| (uart.kind, uart.address)), Some((UartKind::Pl011, 0x900_0000)));
    let gic = |(address, len)| Range { address, len };
    let expected = Gic { distributor: gic(DEVICES.distributor), redistributors: gic(DEVICES.redistributors) };
    assert_eq!(platform.gic, Some(expected));
    assert!(!platform.psci_by_smc);
}

#[test]
fn an_image_runs_where_its_header_says() {
    for (offset, size, address, zeros) in [
        (0, 0x1000, RAM + 2 * MIB, Some((RAM + 2 * MIB + 64, 0xfc0))),
        (0x8_0000, 64, RAM + 0x8_0000, None),
        (0x7_f000, 64, RAM + 2 * MIB + 0x7_f000, None),
        // An old one: its size is that of the file.
        (0, 0, RAM + 0x8_0000, None),
    ] {
        let file = image(offset, size);
        let layout = layout();
        let plan = planned(&file, "", &layout).unwrap();
        assert_eq!((plan.entry(), plan.zeros().next()), (address, zeros), "{offset:#x} {size:#x}");
    }
}

/// The header tells more memory than the file has bytes: its zeros are memory, too.
#[test]
fn an_image_that_needs_more_memory_is_refused() {
    assert!(planned(&image(0, 30 * MIB), "", &layout()).is_ok());
    for (offset, size) in [(0, 30 * MIB + 1), (0, u64::MAX), (32 * MIB, 64), (u64::MAX - 4095, 64)] {
        let why = planned(&image(offset, size), "", &layout()).unwrap_err();
        assert!(matches!(why, Error::NeedsMemory { .. }), "{offset:#x} {size:#x}: {why}");
    }
    assert!(matches!(planned(&image(0, 63), "", &layout()), Err(Error::LargerInFile { .. })));
}

#[test]
fn elf_files_go_to_their_physical_addresses() {
    let code = RAM + 2 * MIB;
    let file = elf(AARCH64, code, &[load(code, b"code", 0x1000)]);
    let plan = planned(&file, "", &layout()).unwrap();
    assert_eq!((plan.writes().next(), plan.entry()), (Some((code, &b"code"[..])), code));

    let with = |address, len| elf(AARCH64, code, &[load(code, b"code", 4), load(address, b"", len)]);
    let refused = |file: &[u8]| planned(file, "", &layout()).expect_err("it is planned");
    for (address, len) in [(0, 4), (RAM - 1, 1), (RAM + 32 * MIB - 1, 2), (0xffff_ffff_ffff_fff0, 0x40)] {
        assert_eq!(refused(&with(address, len)), Error::NeedsMemory { address, len });
    }
    // The device tree is at the beginning of RAM.
    assert_eq!(refused(&with(RAM + 0x7_ffff, 1)), Error::Overlap { address: RAM + 0x7_ffff, other: RAM });
    assert!(planned(&with(RAM + 0x8_0000, 1), "", &layout()).is_ok());
    assert_eq!(refused(&elf(AARCH64, code + 4, &[load(code, b"code", 4)])), Error::BadEntry(code + 4));
    assert_eq!(refused(&elf(AARCH64, code + 1, &[load(code, b"code", 4)])), Error::BadEntry(code + 1));
    assert_eq!(refused(&elf(X86_64, code, &[load(code, b"code", 4)])), Error::OtherProcessor(62));
}

#[test]
fn what_is_neither_is_named() {
    let mut other = image(0, 64);
    other[56] = b'R';
    for file in [&b""[..], &[0; 63], &other] {
        assert_eq!(planned(file, "", &layout()), Err(Error::UnknownFormat));
    }
}

#[test]
fn the_tree_has_its_room() {
    let file = image(0, 64);
    let line = |line: &str| planned(&file, line, &layout()).map(drop);
    assert_eq!(line(&"x".repeat(64 << 10)), Ok(()));
    for long in ["x".repeat((64 << 10) + 1), "a\0b".to_owned()] {
        assert_eq!(line(&long), Err(Error::BadCommandLine { max: 64 << 10 }));
    }
    let many = Devices { cpus: 10_000, ..DEVICES };
    assert_eq!(plan(&file, "", &layout(), &many), Err(Error::LongTree));
    let small = Layout::aarch64(0x7_ffff).unwrap();
    assert!(matches!(planned(&file, "", &small), Err(Error::BadLayout(_))));
}

#[test]
fn vcpus_start_masked_at_el1() {
    assert_eq!(Start::new(4, 5), Start { pc: 4, x0: 5, pstate: 0x3c5 });
    assert_eq!([0, 15, 16, 122].map(affinity), [0, 15, 0x100, 0x70a]);
}
