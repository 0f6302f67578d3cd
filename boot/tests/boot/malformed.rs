// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images that nobody would build: no panic, and what is planned is sound.

use crate::tools::{AARCH64, Header, LOAD, NOTE, X86, X86_64, elf, elf32, load, note};
use proptest::prelude::*;
use tenon_boot::aarch64::{self, Devices};
use tenon_boot::{Error, Kind, Layout, Plan, pvh};

const DEVICES: Devices = Devices { cpus: 2, uart: 0x900_0000, distributor: (0, 1), redistributors: (1, 1) };

/// A number as it may stand in a header: small, near something, or any.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..0x200,
        (0_u64..16).prop_map(|low| 0x4000_0000 + low * 0x4_0000),
        (0_u64..64).prop_map(|low| 0x6000_u64.wrapping_add(low).wrapping_sub(32)),
        (0_u64..64).prop_map(|low| 0x10_0000_u64 + low),
        (0_u64..64).prop_map(|low| 0_u64.wrapping_sub(low)),
        any::<u64>(),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    let kind = prop_oneof![4 => Just(LOAD), 1 => Just(NOTE), 1 => any::<u32>()];
    let offset = proptest::option::weighted(0.3, number());
    let bytes = proptest::collection::vec(any::<u8>(), 0..64);
    let lie = proptest::option::weighted(0.2, number());
    (kind, offset, number(), bytes, lie, number()).prop_map(|(kind, offset, address, bytes, lie, more)| {
        let len = bytes.len() as u64;
        let in_memory = if more < 0x200 { len + more } else { more };
        Header { kind, offset, in_file: lie.unwrap_or(len), ..load(address, &bytes, in_memory) }
    })
}

fn layout() -> impl Strategy<Value = Layout> {
    let ram = prop_oneof![Just(1_u64 << 20), Just(32 << 20), Just(6 << 30)];
    (ram, any::<bool>(), any::<bool>()).prop_map(|(ram, is_x86, has_window)| {
        let layout = if is_x86 { Layout::x86_64(ram) } else { Layout::aarch64(ram) }.unwrap();
        let with = layout.clone().with(Kind::Window, 0xd000_0000, 4096);
        if has_window { with.unwrap_or(layout) } else { layout }
    })
}

/// What is planned lies in memory, and nothing lies over anything else.
fn sound(plan: &Result<Plan<'_>, Error>, image: &[u8], layout: &Layout) {
    let Ok(plan) = plan else { return };
    let mut ranges: Vec<_> =
        plan.writes().map(|(address, bytes)| (address, bytes.len() as u64)).chain(plan.zeros()).collect();
    ranges.sort_unstable();
    for &(address, len) in &ranges {
        assert!(layout.is_ram(address, len), "{address:#x} {len:#x}");
    }
    for pair in ranges.windows(2) {
        assert!(pair[0].1 <= pair[1].0 - pair[0].0, "{pair:x?}");
    }
    let mut holders = ranges.iter().filter(|&&(address, len)| plan.entry().wrapping_sub(address) < len);
    assert!(holders.next().is_some(), "the entry {:#x} is nowhere", plan.entry());
    let bytes: usize = plan.writes().map(|(_, bytes)| bytes.len()).sum();
    // What is passed has room of its own; else nothing is longer than the file.
    assert!(bytes <= image.len() + (512 << 10));
}

fn try_both(image: &[u8], layout: &Layout) {
    sound(&pvh::plan(image, "a=b", layout), image, layout);
    sound(&aarch64::plan(image, "a=b", layout, &DEVICES), image, layout);
}

proptest! {
    #[test]
    fn any_bytes(image in proptest::collection::vec(any::<u8>(), 0..512), layout in layout()) {
        try_both(&image, &layout);
    }

    #[test]
    fn any_headers(
        headers in proptest::collection::vec(header(), 0..6),
        entry in number(),
        machine in prop_oneof![Just(X86_64), Just(X86), Just(AARCH64)],
        has_note in prop::bool::weighted(0.8),
        layout in layout(),
    ) {
        let mut headers = headers;
        if has_note {
            headers.push(note(&entry.to_le_bytes()));
        }
        try_both(&elf(machine, entry, &headers), &layout);
        try_both(&elf32(machine, &headers), &layout);
    }

    #[test]
    fn a_sound_image_with_wrong_bytes(
        wrong in proptest::collection::vec((0_usize..400, any::<u8>()), 1..8),
        cut in 0_usize..400,
        machine in prop_oneof![Just(X86_64), Just(AARCH64)],
        layout in layout(),
    ) {
        let at = layout.ram().next().unwrap().address + (512 << 10);
        let mut image =
            elf(machine, at, &[load(at, b"code", 0x100), load(at + 0x1000, b"", 8), note(&at.to_le_bytes())]);
        try_both(&image, &layout);
        for (place, byte) in wrong {
            if let Some(place) = image.get_mut(place) {
                *place = byte;
            }
        }
        image.truncate(image.len().saturating_sub(cut / 8));
        try_both(&image, &layout);
    }
}
