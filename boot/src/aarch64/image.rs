// SPDX-License-Identifier: MIT OR Apache-2.0
//! Linux's `Image`: a copy of memory with a header, which says how far from a multiple of 2 MiB it runs,
//! and how much memory it takes.

use super::TREE_ROOM;
use crate::Error;
use crate::plan::Segment;

const MAGIC: [u8; 4] = *b"ARM\x64";
const HEADER: usize = 64;
const ALIGNMENT: u64 = 2 << 20;
/// Where an image of before Linux 3.17 runs, whose header does not say how much memory it takes.
const OLD_OFFSET: u64 = 0x8_0000;

/// The image as one segment, as near to the beginning of RAM as the device tree lets it.
pub(super) fn segment(image: &[u8], ram: u64) -> Result<Segment<'_>, Error> {
    let header = image.get(..HEADER).ok_or(Error::UnknownFormat)?;
    if header.get(56..60) != Some(&MAGIC) {
        return Err(Error::UnknownFormat);
    }
    let word = |at: usize| {
        let bytes = header.get(at..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    let (Some(offset), Some(size)) = (word(8), word(16)) else { return Err(Error::UnknownFormat) };
    let in_file = u64::try_from(image.len()).unwrap_or(u64::MAX);
    let (offset, len) = if size == 0 { (OLD_OFFSET, in_file) } else { (offset, size) };
    let base = ram.checked_next_multiple_of(ALIGNMENT);
    let behind_tree = if offset < TREE_ROOM { ALIGNMENT } else { 0 };
    let address = base.and_then(|base| base.checked_add(behind_tree)?.checked_add(offset));
    let address = address.ok_or(Error::NeedsMemory { address: offset, len })?;
    if in_file > len {
        return Err(Error::LargerInFile { address });
    }
    Ok(Segment { address, len, bytes: image })
}
