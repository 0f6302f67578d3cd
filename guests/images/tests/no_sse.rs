// SPDX-License-Identifier: MIT OR Apache-2.0
//! The images hold no instruction that a CPL0 emulator may reject.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tenon_guest_images::cross::ON_DEMAND;
use tenon_guest_images::{ALL, Arch};

/// The register operands of MMX, SSE, AVX and the x87 unit, as objdump prints them.
fn is_forbidden(operand: &str) -> bool {
    let digits = |prefix| operand.strip_prefix(prefix).is_some_and(|rest: &str| rest.parse::<u8>().is_ok());
    operand == "st" || ["xmm", "ymm", "zmm", "mm"].into_iter().any(digits)
}

/// All images for x86-64, as files.
fn files() -> Vec<(&'static str, PathBuf)> {
    let mut files: Vec<_> = ALL.iter().map(|image| (image.name, PathBuf::from(image.path))).collect();
    for name in ON_DEMAND {
        let bytes = tenon_guest_images::image(name, Arch::X86_64).unwrap_or_else(|why| panic!("{why}"));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, bytes).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        files.push((name, path));
    }
    files
}

#[test]
fn images_hold_no_sse_and_no_floating_point() {
    for (name, path) in files() {
        let mut objdump = Command::new("objdump");
        objdump.args(["-d", "-M", "intel", "--no-show-raw-insn"]).arg(&path);
        let listing = match objdump.output() {
            Ok(output) => output,
            Err(why) => {
                println!("skipped: images_hold_no_sse_and_no_floating_point: objdump does not run ({why})");
                return;
            }
        };
        assert!(listing.status.success(), "{name}: objdump failed");
        let listing = String::from_utf8_lossy(&listing.stdout);
        let mut instructions = 0;
        for line in listing.lines() {
            let Some((_, instruction)) = line.split_once(":\t") else { continue };
            instructions += 1;
            let found =
                instruction.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_forbidden(word));
            assert!(found.is_none(), "{name}: {line}");
        }
        assert!(instructions > 100, "{name}: only {instructions} instructions in the listing");
    }
}

#[test]
fn images_name_their_pvh_entry() {
    for image in ALL {
        let note = [4_u32, 4, 18].map(u32::to_le_bytes).concat();
        let found = image.bytes.windows(16).any(|bytes| bytes[..12] == note && &bytes[12..] == b"Xen\0");
        assert!(found, "{}: no PVH note", image.name);
    }
}
