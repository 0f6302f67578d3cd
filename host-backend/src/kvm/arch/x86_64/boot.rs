// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loading an image by the PVH boot protocol, for the machine here and for embedders with one of their own.

use std::io::Cursor;
use std::string::{String, ToString};
use std::vec::Vec;

use linux_loader::configurator::pvh::PvhBootConfigurator;
use linux_loader::configurator::{BootConfigurator, BootParams};
use linux_loader::loader::elf::PvhBootCapability;
use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_start_info};
use linux_loader::loader::{Elf, KernelLoader};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

use crate::kvm::{Entry, Error};

/// Where the image finds its start info. All three lie in the first MiB, below any image.
pub const START_INFO: u32 = 0x6000;
const MEMORY_MAP: GuestAddress = GuestAddress(0x7000);
const COMMAND_LINE: GuestAddress = GuestAddress(0x8000);
/// Longest command line, without its terminating zero.
pub const MAX_COMMAND_LINE: usize = 4095;

const START_INFO_MAGIC: u32 = 0x336e_c578;
const RAM: u32 = 1;
const RESERVED: u32 = 2;

/// Loads `image` and what it boots with, for a CPU in the state of PVH: flat 32-bit segments, paging off,
/// interrupts off, the start info's address in EBX. `memory` is zeroed, and begins at guest address 0.
/// `reserved` is a range that is no RAM and belongs to the machine, as (address, size).
pub fn load<M: GuestMemoryBackend>(
    memory: &M,
    image: &[u8],
    command_line: &str,
    reserved: Option<(u64, u64)>,
) -> Result<Entry, Error> {
    let bad = |why: String| Error::BadImage(why);
    let loaded =
        Elf::load(memory, None, &mut Cursor::new(image), None).map_err(|why| bad(why.to_string()))?;
    let PvhBootCapability::PvhEntryPresent(entry) = loaded.pvh_boot_cap else {
        return Err(bad("it has no PVH entry note".to_string()));
    };
    let address = u32::try_from(entry.0).map_err(|_| bad("its entry lies beyond 4 GiB".to_string()))?;
    if loaded.kernel_end > memory.last_addr().0 {
        return Err(bad("it needs more memory than the machine has".to_string()));
    }
    if command_line.len() > MAX_COMMAND_LINE || command_line.contains('\0') {
        return Err(Error::BadConfig(
            "the boot command line is longer than 4095 bytes, or holds a zero byte",
        ));
    }
    let unwritable = |_| Error::BadConfig("the first MiB of the guest's memory is not there");
    memory.write_slice(command_line.as_bytes(), COMMAND_LINE).map_err(unwritable)?;

    let mut map: Vec<hvm_memmap_table_entry> = memory
        .iter()
        .map(|region| {
            use vm_memory::GuestMemoryRegion as _;
            hvm_memmap_table_entry {
                addr: region.start_addr().0,
                size: region.len(),
                type_: RAM,
                reserved: 0,
            }
        })
        .collect();
    map.extend(reserved.map(|(addr, size)| hvm_memmap_table_entry {
        addr,
        size,
        type_: RESERVED,
        reserved: 0,
    }));
    let start_info = hvm_start_info {
        magic: START_INFO_MAGIC,
        version: 1,
        cmdline_paddr: COMMAND_LINE.0,
        memmap_paddr: MEMORY_MAP.0,
        memmap_entries: u32::try_from(map.len()).unwrap_or(0),
        ..Default::default()
    };
    let mut params = BootParams::new(&start_info, GuestAddress(START_INFO.into()));
    params.set_sections(&map, MEMORY_MAP);
    PvhBootConfigurator::write_bootparams(&params, memory)
        .map_err(|_| Error::BadConfig("the first MiB of the guest's memory is not there"))?;
    Ok(Entry { address: address.into(), argument: START_INFO.into() })
}
