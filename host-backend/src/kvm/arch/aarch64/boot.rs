// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loading an image as Linux's boot protocol has it: the device tree's address in X0, the MMU off.

use std::io::Cursor;
use std::string::{String, ToString};
use std::sync::Arc;

use linux_loader::loader::KernelLoader;
use linux_loader::loader::pe::PE;
use object::LittleEndian;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use super::{RAM, tree};
use crate::kvm::{Entry, Error};

/// The device tree lies where memory begins; images leave so much to it.
const TREE_ROOM: u64 = 512 << 10;

/// Loads `image` and what it boots with. `memory` is zeroed. `window` is no RAM and belongs to the machine,
/// as (address, size).
pub(crate) fn load(
    memory: &Arc<GuestMemoryMmap>,
    image: &[u8],
    command_line: &str,
    window: Option<(u64, u64)>,
    cpus: u32,
) -> Result<Entry, Error> {
    if command_line.contains('\0') {
        return Err(Error::BadConfig("the boot command line holds a zero byte"));
    }
    let len = memory.last_addr().0.saturating_sub(RAM).saturating_add(1);
    let machine = tree::Machine { command_line, memory: len, cpus, window };
    let tree = tree::flat(&machine)
        .ok()
        .filter(|tree| u64::try_from(tree.len()).is_ok_and(|len| len <= TREE_ROOM))
        .ok_or(Error::BadConfig("the boot command line is too long for a device tree"))?;
    let address = match image.starts_with(&object::elf::ELFMAG) {
        true => elf(memory, image)?,
        false => flat(memory, image)?,
    };
    if address < RAM.saturating_add(TREE_ROOM) {
        return Err(bad("it begins below what images leave to the device tree"));
    }
    memory
        .write_slice(&tree, GuestAddress(RAM))
        .map_err(|_| Error::BadConfig("the guest's memory has no room for a device tree"))?;
    Ok(Entry { address, argument: RAM })
}

fn bad(why: impl Into<String>) -> Error {
    Error::BadImage(why.into())
}

/// An Image: a copy of memory with a header, which says how far from a multiple of 2 MiB it runs.
fn flat(memory: &Arc<GuestMemoryMmap>, image: &[u8]) -> Result<u64, Error> {
    let offset = image.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let base = if offset < TREE_ROOM { RAM.saturating_add(2 << 20) } else { RAM };
    let loaded = PE::load(&**memory, Some(GuestAddress(base)), &mut Cursor::new(image), None)
        .map_err(|why| bad(why.to_string()))?;
    if loaded.kernel_end > memory.last_addr().0 {
        return Err(bad("it needs more memory than the machine has"));
    }
    Ok(loaded.kernel_load.0)
}

/// An ELF file: its segments go to their physical addresses. linux-loader reads such files for x86 alone.
fn elf(memory: &Arc<GuestMemoryMmap>, image: &[u8]) -> Result<u64, Error> {
    let unreadable = |why: object::Error| bad(why.to_string());
    let header = FileHeader64::<LittleEndian>::parse(image).map_err(unreadable)?;
    if header.e_machine(LittleEndian) != object::elf::EM_AARCH64 {
        return Err(bad("it is for another processor"));
    }
    let segments = header.program_headers(LittleEndian, image).map_err(unreadable)?;
    for segment in segments.iter().filter(|segment| segment.p_type(LittleEndian) == PT_LOAD) {
        let bytes =
            segment.data(LittleEndian, image).map_err(|()| bad("a segment is not all in the file"))?;
        let (start, len) = (segment.p_paddr(LittleEndian), segment.p_memsz(LittleEndian));
        let end = start.checked_add(len.max(1)).and_then(|end| end.checked_sub(1));
        if start < RAM || end.is_none_or(|end| end > memory.last_addr().0) {
            return Err(bad("it needs more memory than the machine has, or memory elsewhere"));
        }
        memory
            .write_slice(bytes, GuestAddress(start))
            .map_err(|_| bad("a segment does not fit the machine's memory"))?;
    }
    Ok(header.e_entry(LittleEndian))
}
