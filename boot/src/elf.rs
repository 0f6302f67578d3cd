// SPDX-License-Identifier: MIT OR Apache-2.0
//! An ELF file's segments and entries. Nothing is allocated by a number in the file, but by how long the
//! file is.

use crate::Error;
use crate::plan::Segment;
use object::LittleEndian;
use object::elf::{ELFCLASS32, ELFDATA2LSB, ELFMAG, FileHeader32, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

/// The note that names PVH's entry: `XEN_ELFNOTE_PHYS32_ENTRY` of the owner `Xen`.
const PHYS32_ENTRY: u32 = 18;

/// What is read of a file.
pub(crate) struct Elf<'a> {
    pub(crate) machine: u16,
    /// Those with memory.
    pub(crate) segments: Vec<Segment<'a>>,
    /// The header's entry.
    pub(crate) entry: u64,
    /// The entry of PVH's note.
    pub(crate) pvh_entry: Option<u64>,
}

/// Whether a file claims to be one.
pub(crate) fn is_elf(file: &[u8]) -> bool {
    file.starts_with(&ELFMAG)
}

/// Reads a file of either class: PVH starts in 32-bit mode, so that images of both exist.
pub(crate) fn read(file: &[u8]) -> Result<Elf<'_>, Error> {
    match file {
        [0x7f, b'E', b'L', b'F', ELFCLASS32, ELFDATA2LSB, ..] => read_as::<FileHeader32<LittleEndian>>(file),
        [0x7f, b'E', b'L', b'F', _, ELFDATA2LSB, ..] => read_as::<FileHeader64<LittleEndian>>(file),
        _ => Err(Error::NotElf),
    }
}

fn read_as<H: FileHeader<Endian = LittleEndian>>(file: &[u8]) -> Result<Elf<'_>, Error> {
    let unreadable = |why: object::Error| Error::Unreadable(why.to_string());
    let header = H::parse(file).map_err(unreadable)?;
    let headers = header.program_headers(LittleEndian, file).map_err(unreadable)?;
    let loads = headers.iter().filter(|header| header.p_type(LittleEndian) == PT_LOAD);
    Ok(Elf {
        machine: header.e_machine(LittleEndian),
        segments: loads.filter_map(|header| segment(header, file).transpose()).collect::<Result<_, _>>()?,
        entry: header.e_entry(LittleEndian).into(),
        pvh_entry: headers.iter().find_map(|header| pvh_entry(header, file)),
    })
}

/// A segment at its physical address; `None` where it has neither bytes nor memory.
fn segment<'a, P>(header: &P, file: &'a [u8]) -> Result<Option<Segment<'a>>, Error>
where
    P: ProgramHeader<Endian = LittleEndian>,
{
    let (address, len) = (header.p_paddr(LittleEndian).into(), header.p_memsz(LittleEndian).into());
    if header.p_filesz(LittleEndian).into() > len {
        return Err(Error::LargerInFile { address });
    }
    if len == 0 {
        return Ok(None);
    }
    let bytes = header.data(LittleEndian, file).map_err(|()| Error::Truncated { address })?;
    Ok(Some(Segment { address, len, bytes }))
}

/// The first entry in a segment of notes. Notes that cannot be read are not PVH's: other tools put theirs
/// beside them.
fn pvh_entry<P>(header: &P, file: &[u8]) -> Option<u64>
where
    P: ProgramHeader<Endian = LittleEndian>,
{
    let mut notes = header.notes(LittleEndian, file).ok()??;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == b"Xen" && note.n_type(LittleEndian) == PHYS32_ENTRY {
            return match *note.desc() {
                [a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d]).into()),
                [a, b, c, d, e, f, g, h] => Some(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
                _ => None,
            };
        }
    }
    None
}
