// SPDX-License-Identifier: MIT OR Apache-2.0
//! `image`: an image as a file, for machines of your own.

use crate::out::print;
use clap::Args;
use object::LittleEndian;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use std::fs;
use std::path::PathBuf;
use tenon_guest_images::{ALL, Arch};

/// The longest flat copy that is made: an image is a megabyte at most.
const FLAT_MAX: u64 = 64 << 20;

/// Arguments of `image`.
#[derive(Debug, Args)]
pub struct Wish {
    /// Which image: conformance; hello, which says so on Tenon's console and ends its machine; bare, smoke,
    /// selftest, bench.
    #[arg(long, value_name = "NAME", default_value = "conformance")]
    name: String,
    /// Its architecture.
    #[arg(long, value_name = "ARCH", default_value = "x86_64", value_parser = arch)]
    arch: Arch,
    /// The file to write; without it NAME-ARCH.elf, or .img where it is flat, in this folder.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A flat copy of its memory, for loaders that take no ELF: an `Image` for AArch64 and RISC-V.
    #[arg(long)]
    flat: bool,
}

fn arch(name: &str) -> Result<Arch, String> {
    Arch::by_name(name).ok_or_else(|| format!("there are {}", Arch::ALL.map(Arch::name).join(", ")))
}

/// Writes the file.
///
/// # Errors
///
/// Why it was not written, in one line.
pub fn write(wish: &Wish) -> Result<(), String> {
    let names = ALL.map(|image| image.name);
    if !names.contains(&&*wish.name) {
        return Err(format!("there is no image `{}`; there are {}", wish.name, names.join(", ")));
    }
    let elf = tenon_guest_images::image(&wish.name, wish.arch)?;
    let bytes = match wish.flat {
        true if wish.arch == Arch::X86_64 => {
            return Err("there is no flat image for x86_64: PVH's entry is named in the ELF file".to_owned());
        }
        true => flat(&elf).ok_or("the image is no ELF file that can be laid flat")?,
        false => elf,
    };
    let own = || {
        PathBuf::from(format!("{}-{}.{}", wish.name, wish.arch.name(), if wish.flat { "img" } else { "elf" }))
    };
    let out = wish.out.clone().unwrap_or_else(own);
    fs::write(&out, bytes).map_err(|why| format!("{}: {why}", out.display()))?;
    // A name that was not given is said.
    if wish.out.is_none() { print(&format!("{}\n", out.display())) } else { Ok(()) }
}

/// The bytes of an ELF file's segments as they lie in memory, from the lowest on; what is zero at the end is
/// left out.
fn flat(elf: &[u8]) -> Option<Vec<u8>> {
    let header = FileHeader64::<LittleEndian>::parse(elf).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, elf).ok()?.iter();
    let loads = || {
        segments.clone().filter(|segment| segment.p_type(endian) == PT_LOAD && segment.p_filesz(endian) != 0)
    };
    let base = loads().map(|segment| segment.p_paddr(endian)).min()?;
    let mut memory = Vec::new();
    for segment in loads() {
        let at = segment.p_paddr(endian) - base;
        let bytes = segment.data(endian, elf).ok()?;
        let end = at.checked_add(bytes.len() as u64).filter(|end| *end <= FLAT_MAX)?;
        memory.resize(memory.len().max(end as usize), 0);
        memory.get_mut(at as usize..end as usize)?.copy_from_slice(bytes);
    }
    Some(memory)
}

#[cfg(test)]
mod tests {
    use super::{Arch, arch, flat};

    #[test]
    fn architectures_have_names() {
        assert_eq!(arch("riscv64"), Ok(Arch::Riscv64));
        assert_eq!(arch("sparc").unwrap_err(), "there are x86_64, aarch64, riscv64");
    }

    /// An ELF file with these segments: physical address, bytes.
    fn elf(segments: &[(u64, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; 64 + 56 * segments.len()];
        file[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
        file[32..40].copy_from_slice(&64_u64.to_le_bytes());
        file[54..56].copy_from_slice(&56_u16.to_le_bytes());
        file[56..58].copy_from_slice(&u16::try_from(segments.len()).expect("few").to_le_bytes());
        for (index, (address, bytes)) in segments.iter().enumerate() {
            let words = [file.len() as u64, *address, *address, bytes.len() as u64, bytes.len() as u64];
            let header = &mut file[64 + 56 * index..][..56];
            header[0] = 1;
            for (word, field) in words.iter().zip(header[8..48].chunks_exact_mut(8)) {
                field.copy_from_slice(&word.to_le_bytes());
            }
            file.extend_from_slice(bytes);
        }
        file
    }

    #[test]
    fn segments_lie_where_they_are_in_memory() {
        let file = elf(&[(0x1008, b"later"), (0x1000, b"first"), (0x9000, b"")]);
        assert_eq!(flat(&file).as_deref(), Some(b"first\0\0\0later".as_slice()));
    }

    #[test]
    fn what_cannot_be_laid_flat_is_refused() {
        assert_eq!(flat(b"no ELF file"), None);
        assert_eq!(flat(&elf(&[])), None, "nothing to load");
        assert_eq!(flat(&elf(&[(0, b"a"), (1 << 40, b"b")])), None, "too far apart");
        let mut cut = elf(&[(0x1000, b"first")]);
        cut.pop();
        assert_eq!(flat(&cut), None, "cut short");
    }
}
