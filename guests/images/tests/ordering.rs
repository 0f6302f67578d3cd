// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ordering table (ORD-1, ORD-3) in the compiled images: what stands before a doorbell, and what kind of
//! store it is.

use object::{Object, ObjectSection, ObjectSymbol};
use tenon_guest_images::{Arch, image};

/// A function of an image: its name and its code.
type Function = (String, Vec<u8>);

/// The functions of the image by which a conduit of this type rings, or why there is no image.
fn doorbells(arch: Arch, conduit: &str) -> Result<Vec<Function>, String> {
    let elf = image("conformance", arch)?;
    let file = object::File::parse(elf.as_slice()).map_err(|why| why.to_string())?;
    let rings = |name: &str| {
        name.contains(conduit)
            && name.contains("Conduit")
            && ["4kick", "4bind"].iter().any(|what| name.contains(what))
    };
    let code = |symbol: &object::Symbol<'_, '_>| {
        let section = file.section_by_index(symbol.section_index()?).ok()?;
        let bytes = section.data_range(symbol.address(), symbol.size()).ok()??;
        Some((symbol.name().ok()?.to_owned(), bytes.to_vec()))
    };
    let symbols = file.symbols().filter(|symbol| symbol.name().is_ok_and(rings));
    Ok(symbols.filter_map(|symbol| code(&symbol)).collect())
}

/// Checks each doorbell of these conduits, in an image that can be had here.
fn check(test: &str, arch: Arch, conduits: &[&str], is_right: fn(&[u32]) -> bool) {
    for conduit in conduits {
        let found = match doorbells(arch, conduit) {
            Ok(found) => found,
            Err(why) => {
                println!("skipped: {test}: {why}");
                return;
            }
        };
        assert!(found.len() >= 2, "{conduit}: kick and bind are not functions of their own: {found:?}");
        for (name, code) in found {
            let code = instructions(arch, &code);
            assert!(is_right(&code), "{name}: {code:08x?}");
        }
    }
}

/// One number for each instruction.
fn instructions(arch: Arch, mut code: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    while let Some(&[low, high]) = code.first_chunk() {
        let half = u16::from_le_bytes([low, high]);
        let is_short = arch == Arch::Riscv64 && half & 3 != 3;
        let word = code.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        found.push(if is_short { u32::from(half) } else { word.unwrap_or(0) });
        code = code.get(if is_short { 2 } else { 4 }..).unwrap_or_default();
    }
    found
}

/// `dmb oshst`, and at once a plain 32-bit `str` with an offset.
fn aarch64_store(code: &[u32]) -> bool {
    const DMB_OSHST: u32 = 0xd503_32bf;
    let is_store = |word: u32| word & 0xffc0_0000 == 0xb900_0000;
    code.windows(2).any(|pair| pair[0] == DMB_OSHST && is_store(pair[1]))
}

/// `fence w,o`, and behind it a 32-bit store before any other store.
fn riscv64_store(code: &[u32]) -> bool {
    const FENCE_W_O: u32 = 0x0140_000f;
    let is_word = |code: u32| match code {
        code if code & 3 == 3 => code & 0x707f == 0x2023,
        short => short & 0xe003 == 0xc000,
    };
    let is_store = |code: u32| match code {
        code if code & 3 == 3 => code & 0x7f == 0x23 || code & 0x7f == 0x27,
        short => matches!(short & 0xe003, 0xa000 | 0xc000 | 0xe000 | 0xa002 | 0xc002 | 0xe002),
    };
    let behind = code.iter().skip_while(|&&code| code != FENCE_W_O).skip(1);
    behind.copied().find(|&code| is_store(code)).is_some_and(is_word)
}

#[test]
fn on_aarch64_a_store_to_a_doorbell_stands_behind_its_barrier() {
    check("aarch64", Arch::Aarch64, &["Mmio", "Shared"], aarch64_store);
    let hvc = |code: &[u32]| code.contains(&0xd400_0002);
    check("aarch64", Arch::Aarch64, &["Hypercall"], hvc);
}

#[test]
fn on_riscv64_a_store_to_a_doorbell_stands_behind_its_fence() {
    check("riscv64", Arch::Riscv64, &["Mmio", "Shared"], riscv64_store);
    let ecall = |code: &[u32]| code.contains(&0x0000_0073);
    check("riscv64", Arch::Riscv64, &["Hypercall"], ecall);
}

#[test]
fn a_store_without_its_barrier_is_seen() {
    // str w1, [x0]; dmb oshst; stp w0, w1, [x0]; dmb ishst.
    let (store, barrier, pair, other) = (0xb900_0001, 0xd503_32bf, 0x2900_0400, 0xd503_3abf);
    assert!(aarch64_store(&[barrier, store]));
    for code in [&[store][..], &[store, barrier], &[barrier, pair], &[other, store]] {
        assert!(!aarch64_store(code), "{code:08x?}");
    }
    // sw a1, 0(a0); fence w,o; sd a1, 0(a0); fence w,w; c.sw a1, 0(a0).
    let (store, fence, double, other, short) = (0x00b5_2023, 0x0140_000f, 0x00b5_3023, 0x0110_000f, 0xc10c);
    assert!(riscv64_store(&[fence, store]) && riscv64_store(&[fence, short]));
    for code in [&[store][..], &[store, fence], &[fence, double, store], &[other, store]] {
        assert!(!riscv64_store(code), "{code:08x?}");
    }
    assert_eq!(instructions(Arch::Riscv64, &[0x0c, 0xc1, 0x0f, 0x00, 0x40, 0x01]), [0xc10c, 0x0140_000f]);
}
