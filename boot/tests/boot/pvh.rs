// SPDX-License-Identifier: MIT OR Apache-2.0
//! x86-64: what boots, what is passed to it, and what is refused by its name.

use crate::tools::{AARCH64, Header, LOAD, NOTE, X86, X86_64, elf, elf32, load, note};
use tenon_boot::{Error, Kind, Layout, Plan, pvh};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const CODE: u64 = MIB;

/// 32 MiB, as the ready machine has it.
fn layout() -> Layout {
    Layout::x86_64(32 * MIB).unwrap()
}

/// An image of code at 1 MiB and another segment.
fn with(second: Header) -> Vec<u8> {
    elf(X86_64, 0, &[load(CODE, b"code", 4), second, note(&(CODE as u32).to_le_bytes())])
}

fn refused(image: &[u8]) -> Error {
    pvh::plan(image, "", &layout()).expect_err("it is planned")
}

fn writes<'a>(plan: &'a Plan<'_>) -> Vec<(u64, &'a [u8])> {
    plan.writes().collect()
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let (words, []) = bytes.as_chunks::<8>() else { panic!("{} bytes", bytes.len()) };
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

#[test]
fn segments_go_to_their_physical_addresses() {
    let image = with(load(2 * MIB, b"data", 0x1000));
    let layout = layout().with(Kind::Window, 0xd000_0000, 4 * MIB).unwrap();
    let plan = pvh::plan(&image, "a=b", &layout).unwrap();
    assert_eq!((plan.entry(), plan.argument()), (CODE, 0x6000));
    let [code, data, info, map, text] = writes(&plan).try_into().unwrap();
    assert_eq!((code, data), ((CODE, &b"code"[..]), (2 * MIB, &b"data"[..])));
    assert_eq!(plan.zeros().collect::<Vec<_>>(), [(2 * MIB + 4, 0xffc)]);
    assert_eq!((info.0, map.0, text), (0x6000, 0x7000, (0x8000, &b"a=b\0"[..])));
    // Magic and version; flags and modules; where; the command line; no RSDP; the map; its entries.
    assert_eq!(words(info.1), [0x1_336e_c578, 0, 0, 0x8000, 0, 0x7000, 2]);
    assert_eq!(words(map.1), [0, 32 * MIB, 1, 0xd000_0000, 4 * MIB, 2]);
}

#[test]
fn memory_goes_on_behind_the_hole() {
    let layout = Layout::x86_64(6 * GIB).unwrap();
    let high = with(load(7 * GIB - 0x1000, b"top", 0x1000));
    let plan = pvh::plan(&high, "", &layout).unwrap();
    assert_eq!(writes(&plan)[1], (7 * GIB - 0x1000, &b"top"[..]));
    assert_eq!(words(writes(&plan)[3].1), [0, 3 * GIB, 1, 4 * GIB, 3 * GIB, 1]);
    for address in [3 * GIB - 0x800, 3 * GIB, 4 * GIB - 1, 7 * GIB - 0xfff] {
        let image = with(load(address, b"", 0x1000));
        let needs = Error::NeedsMemory { address, len: 0x1000 };
        assert_eq!(pvh::plan(&image, "", &layout), Err(needs), "{address:#x}");
    }
}

/// Memory without bytes in the file is memory too: what a guest stored there would be lost.
#[test]
fn an_image_that_needs_more_memory_is_refused() {
    let last = 32 * MIB - 0x1000;
    assert!(pvh::plan(&with(load(last, b"", 0x1000)), "", &layout()).is_ok());
    for (address, len) in [
        (GIB, 0x1000),
        (last, 0x1001),
        (0xffff_ffff_ffff_fff0, 0x40),
        (0xffff_ffff_ffff_fff0, 0x10),
        (2 * MIB, u64::MAX),
    ] {
        for bytes in [&b""[..], b"data"] {
            let why = refused(&with(load(address, bytes, len)));
            assert_eq!(why, Error::NeedsMemory { address, len });
            assert!(why.to_string().starts_with("it needs more memory than the machine has"), "{why}");
        }
    }
}

#[test]
fn segments_lie_over_nothing_else() {
    let overlap = |address, len, other| {
        let image = with(load(address, b"", len));
        assert_eq!(refused(&image), Error::Overlap { address, other }, "{address:#x} {len:#x}");
    };
    overlap(CODE + 3, 1, CODE);
    overlap(CODE + 1, 0x1000, CODE);
    // The start info and what lies behind it.
    overlap(0x5fff, 2, 0x6000);
    overlap(0x8fff, 1, 0x6000);
    assert_eq!(refused(&with(load(MIB - 1, b"", 2))), Error::Overlap { address: CODE, other: MIB - 1 });
    for (address, len) in [(CODE + 4, 1), (MIB - 1, 1), (0x5fff, 1), (0x9000, 1)] {
        assert!(pvh::plan(&with(load(address, b"", len)), "", &layout()).is_ok(), "{address:#x} {len:#x}");
    }
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    let cut = Header { in_file: 9, ..load(2 * MIB, b"", 9) };
    let whole = with(cut);
    // The note's 20 bytes lie behind it.
    assert!(pvh::plan(&whole, "", &layout()).is_ok());
    let far = Header { offset: Some(whole.len() as u64 - 8), in_file: 9, ..load(2 * MIB, b"", 9) };
    assert_eq!(refused(&with(far)), Error::Truncated { address: 2 * MIB });
    for offset in [whole.len() as u64 + 1, u64::MAX] {
        let image = with(Header { offset: Some(offset), in_file: 1, ..load(2 * MIB, b"", 1) });
        assert_eq!(refused(&image), Error::Truncated { address: 2 * MIB });
    }
    assert_eq!(refused(&with(load(2 * MIB, b"data", 3))), Error::LargerInFile { address: 2 * MIB });
    let mut sizes = whole.clone();
    sizes[54] = 55;
    assert!(matches!(refused(&sizes), Error::Unreadable(_)), "another size of program headers");
    let mut many = whole;
    many[56..58].copy_from_slice(&u16::MAX.to_le_bytes());
    assert!(matches!(refused(&many), Error::Unreadable(_)), "more headers than the file has");
}

#[test]
fn what_is_no_pvh_image_is_named() {
    for no_elf in [&b""[..], b"\x7fEL", b"MZ and more", b"\x7fELF\x02\x02\x01 big-endian"] {
        assert_eq!(refused(no_elf), Error::NotElf);
    }
    assert!(matches!(refused(b"\x7fELF\x02\x01\x01"), Error::Unreadable(_)), "no whole header");
    let code = || load(CODE, b"code", 4);
    assert_eq!(refused(&elf(AARCH64, CODE, &[code()])), Error::OtherProcessor(183));
    assert_eq!(refused(&elf(X86_64, CODE, &[code()])), Error::NoEntryNote);
    assert_eq!(refused(&elf(X86_64, CODE, &[code(), note(b"odd")])), Error::NoEntryNote);
    assert_eq!(refused(&elf(X86_64, CODE, &[note(&[0; 4])])), Error::Empty);
    assert_eq!(refused(&elf(X86_64, CODE, &[load(CODE, b"", 0), note(&[0; 4])])), Error::Empty);
}

#[test]
fn the_entry_lies_in_a_segment_below_4_gib() {
    let entry = |entry: u64| {
        let high = load(4 * GIB, b"high", 8);
        let image = elf(X86_64, 0, &[load(CODE, b"code", 8), high, note(&entry.to_le_bytes())]);
        pvh::plan(&image, "", &Layout::x86_64(4 * GIB).unwrap()).map(|plan| plan.entry())
    };
    assert_eq!(entry(CODE + 7), Ok(CODE + 7));
    for outside in [0, CODE - 1, CODE + 8, 4 * GIB, 4 * GIB + 8, u64::MAX] {
        assert_eq!(entry(outside), Err(Error::BadEntry(outside)), "{outside:#x}");
    }
}

#[test]
fn notes_of_others_lie_beside() {
    let pvh = note(&(CODE as u32).to_le_bytes());
    // An owner of GNU's, then ours, in one segment; and a segment of notes that cannot be read.
    let mut both = [4_u32, 4, 1].map(u32::to_le_bytes).as_flattened().to_vec();
    both.extend_from_slice(b"GNU\0\0\0\0\0");
    both.extend_from_slice(&pvh.bytes);
    let both = Header { kind: NOTE, ..load(0, &both, both.len() as u64) };
    let broken = Header { kind: NOTE, ..load(0, &[0xff; 20], 20) };
    let image = elf(X86_64, 0, &[load(CODE, b"code", 4), broken, both]);
    assert_eq!(pvh::plan(&image, "", &layout()).map(|plan| plan.entry()), Ok(CODE));
}

#[test]
fn files_of_32_bits_and_at_any_address_are_read() {
    let headers = [load(CODE, b"code", 0x1000), note(&(CODE as u32).to_le_bytes())];
    for image in [elf32(X86, &headers), elf(X86_64, 0, &headers)] {
        for shift in 0..8 {
            let mut moved = vec![0; shift];
            moved.extend_from_slice(&image);
            let plan = pvh::plan(&moved[shift..], "", &layout()).unwrap();
            assert_eq!((writes(&plan)[0], plan.entry()), ((CODE, &b"code"[..]), CODE), "{shift}");
        }
    }
    assert_eq!(
        refused(&elf32(X86, &[load(GIB, b"", 1), headers[1].clone()])),
        Error::NeedsMemory { address: GIB, len: 1 }
    );
}

#[test]
fn the_command_line_has_its_page() {
    let image = with(load(2 * MIB, b"", 1));
    let plan = |line: &str, layout: &Layout| pvh::plan(&image, line, layout).map(drop);
    assert_eq!(plan(&"x".repeat(4095), &layout()), Ok(()));
    for line in ["x".repeat(4096), "a\0b".to_owned()] {
        assert_eq!(plan(&line, &layout()), Err(Error::BadCommandLine { max: 4095 }));
    }
    let piece = |address, len| tenon_boot::Piece { address, len, kind: Kind::Ram };
    let hole = Layout::new(&[piece(0, 0x8000), piece(0x9000, 32 * MIB)]).unwrap();
    assert!(matches!(plan("", &hole), Err(Error::BadLayout(_))));
}

#[test]
fn vcpus_start_flat_and_masked() {
    let start = pvh::Start::new(0x10_0000, 7);
    assert_eq!((start.rip, start.rbx, start.rflags, start.cr0), (0x10_0000, 7, 2, 0x11));
    for segment in [start.code, start.data] {
        assert_eq!((segment.base, segment.limit), (0, u32::MAX));
        assert!(segment.is_wide && segment.is_code_or_data);
    }
    // Code is executable, data is writable, TR is a busy task of 32 bits.
    assert_eq!((start.code.kind, start.data.kind, start.task.kind), (11, 3, 11));
    assert!(!start.task.is_code_or_data && start.task.limit >= 0x67);
    assert_eq!(LOAD, 1);
}
