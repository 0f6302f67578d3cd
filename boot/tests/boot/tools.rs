// SPDX-License-Identifier: MIT OR Apache-2.0
//! ELF files made by hand.

pub(crate) const LOAD: u32 = 1;
pub(crate) const NOTE: u32 = 4;
pub(crate) const X86_64: u16 = 62;
pub(crate) const X86: u16 = 3;
pub(crate) const AARCH64: u16 = 183;

/// A program header. Where `offset` is `None`, the bytes lie behind those of the one before.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) kind: u32,
    pub(crate) offset: Option<u64>,
    pub(crate) address: u64,
    pub(crate) in_file: u64,
    pub(crate) in_memory: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A segment with these bytes and so much memory.
pub(crate) fn load(address: u64, bytes: &[u8], in_memory: u64) -> Header {
    let in_file = bytes.len() as u64;
    Header { kind: LOAD, offset: None, address, in_file, in_memory, bytes: bytes.to_vec() }
}

/// The segment of PVH's note.
pub(crate) fn note(entry: &[u8]) -> Header {
    let mut bytes = [4, entry.len() as u32, 18].map(u32::to_le_bytes).as_flattened().to_vec();
    bytes.extend_from_slice(b"Xen\0");
    bytes.extend_from_slice(entry);
    Header { kind: NOTE, ..load(0, &bytes, bytes.len() as u64) }
}

/// An ELF file of 64 bits.
pub(crate) fn elf(machine: u16, entry: u64, headers: &[Header]) -> Vec<u8> {
    let mut file = vec![0; 64 + 56 * headers.len()];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16..18].copy_from_slice(&2_u16.to_le_bytes());
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file[24..32].copy_from_slice(&entry.to_le_bytes());
    file[32..40].copy_from_slice(&64_u64.to_le_bytes());
    file[54..56].copy_from_slice(&56_u16.to_le_bytes());
    file[56..58].copy_from_slice(&(headers.len() as u16).to_le_bytes());
    for (index, header) in headers.iter().enumerate() {
        let offset = header.offset.unwrap_or(file.len() as u64);
        let words = [offset, header.address, header.address, header.in_file, header.in_memory, 4];
        let place = &mut file[64 + 56 * index..][..56];
        place[..4].copy_from_slice(&header.kind.to_le_bytes());
        place[8..].copy_from_slice(words.map(u64::to_le_bytes).as_flattened());
        file.extend_from_slice(&header.bytes);
    }
    file
}

/// An ELF file of 32 bits.
pub(crate) fn elf32(machine: u16, headers: &[Header]) -> Vec<u8> {
    let mut file = vec![0; 52 + 32 * headers.len()];
    file[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file[28..32].copy_from_slice(&52_u32.to_le_bytes());
    file[42..44].copy_from_slice(&32_u16.to_le_bytes());
    file[44..46].copy_from_slice(&(headers.len() as u16).to_le_bytes());
    for (index, header) in headers.iter().enumerate() {
        let address = header.address as u32;
        let [in_file, in_memory] = [header.in_file, header.in_memory].map(|len| len as u32);
        let words = [header.kind, file.len() as u32, address, address, in_file, in_memory, 7, 4];
        file[52 + 32 * index..][..32].copy_from_slice(words.map(u32::to_le_bytes).as_flattened());
        file.extend_from_slice(&header.bytes);
    }
    file
}
