// SPDX-License-Identifier: MIT OR Apache-2.0
//! x86-64: the PVH boot protocol. The image is an ELF file with a note that names its 32-bit entry; EBX
//! points to a start info.

use crate::elf;
use crate::layout::{Kind, Layout};
use crate::{Error, Plan};
use object::elf::{EM_386, EM_X86_64};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{Immutable, IntoBytes};

/// Where the image finds its start info. Memory map and command line lie behind it, all below the first
/// MiB, where no image does.
pub const START_INFO: u32 = 0x6000;
/// Longest command line, without its terminating zero.
pub const MAX_COMMAND_LINE: usize = 4095;

const MEMORY_MAP: u64 = 0x7000;
const COMMAND_LINE: u64 = 0x8000;
/// All that is passed, as (address, length).
const PASSED: (u64, u64) = (0x6000, 0x3000);

const MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const VERSION: u32 = 1;
const RAM: u32 = 1;
const RESERVED: u32 = 2;

/// Xen's `hvm_start_info`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct StartInfo {
    magic: U32,
    version: U32,
    flags: U32,
    modules: U32,
    modules_at: U64,
    command_line: U64,
    rsdp: U64,
    memory_map: U64,
    memory_map_entries: U32,
    reserved: U32,
}

/// Xen's `hvm_memmap_table_entry`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct MapEntry {
    address: U64,
    len: U64,
    kind: U32,
    reserved: U32,
}

/// Checks `image` against the machine, and plans its start.
///
/// # Errors
///
/// [`Error`] names what is wrong with the image, the command line or the layout.
pub fn plan<'a>(image: &'a [u8], command_line: &str, layout: &Layout) -> Result<Plan<'a>, Error> {
    if command_line.len() > MAX_COMMAND_LINE || command_line.contains('\0') {
        return Err(Error::BadCommandLine { max: MAX_COMMAND_LINE });
    }
    let (passed, passed_len) = PASSED;
    if !layout.is_ram(passed, passed_len) {
        return Err(Error::BadLayout("no RAM from 0x6000 to 0x8fff, where PVH's start info goes"));
    }
    let elf = elf::read(image)?;
    if ![EM_X86_64, EM_386].contains(&elf.machine) {
        return Err(Error::OtherProcessor(elf.machine));
    }
    let entry = elf.pvh_entry.ok_or(Error::NoEntryNote)?;
    let plan = Plan::of(elf.segments, layout, PASSED, entry)?;
    if entry > u32::MAX.into() {
        return Err(Error::BadEntry(entry));
    }
    let map = memory_map(layout);
    let info = StartInfo {
        magic: MAGIC.into(),
        version: VERSION.into(),
        flags: 0.into(),
        modules: 0.into(),
        modules_at: 0.into(),
        command_line: COMMAND_LINE.into(),
        rsdp: 0.into(),
        memory_map: MEMORY_MAP.into(),
        memory_map_entries: u32::try_from(map.len()).unwrap_or(0).into(),
        reserved: 0.into(),
    };
    let mut text = command_line.as_bytes().to_vec();
    text.push(0);
    let data = vec![
        (START_INFO.into(), info.as_bytes().to_vec()),
        (MEMORY_MAP, map.as_bytes().to_vec()),
        (COMMAND_LINE, text),
    ];
    Ok(plan.passing(data, START_INFO.into()))
}

/// At most [`crate::layout::MAX_PIECES`] entries of 24 bytes, which is less than the page that they have.
fn memory_map(layout: &Layout) -> Vec<MapEntry> {
    let entry = |piece: &crate::Piece| MapEntry {
        address: piece.address.into(),
        len: piece.len.into(),
        kind: if piece.kind == Kind::Ram { RAM } else { RESERVED }.into(),
        reserved: 0.into(),
    };
    layout.pieces().iter().map(entry).collect()
}

/// The registers that a vCPU starts with, the first one and one that the guest starts (VCPU-5): 32-bit
/// protected mode, flat segments, paging and interrupts off. Registers that are not here are zero, or as
/// they are after a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The instruction pointer.
    pub rip: u64,
    /// The argument; for the first vCPU the address of its start info.
    pub rbx: u64,
    /// Interrupts off; bit 1 is always set.
    pub rflags: u64,
    /// Protected mode. The task switched bit and paging are off.
    pub cr0: u64,
    /// CS.
    pub code: Segment,
    /// DS, ES, FS, GS and SS.
    pub data: Segment,
    /// TR.
    pub task: Segment,
}

/// A segment register, with what the processor keeps of its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What the guest reads of it.
    pub selector: u16,
    /// Its first byte.
    pub base: u64,
    /// Its last byte.
    pub limit: u32,
    /// The descriptor's type, 4 bits.
    pub kind: u8,
    /// Code or data, not a system segment (the descriptor's bit S).
    pub is_code_or_data: bool,
    /// 32-bit operands and addresses (D or B), and a limit in pages (G).
    pub is_wide: bool,
}

impl Start {
    /// CR0: protected mode (PE), and an x87 unit of the usual kind (ET).
    const CR0: u64 = 1 << 0 | 1 << 4;
    const FLAT: Segment = Segment {
        selector: 0x18,
        base: 0,
        limit: u32::MAX,
        kind: 3, // read, write, accessed
        is_code_or_data: true,
        is_wide: true,
    };

    /// Starting at `entry` with `argument` in EBX. Both are below 4 GiB: whoever takes them from a guest
    /// has checked that (VCPU-5).
    #[must_use]
    pub const fn new(entry: u64, argument: u64) -> Self {
        Self {
            rip: entry,
            rbx: argument,
            rflags: 1 << 1,
            cr0: Self::CR0,
            code: Segment { selector: 0x10, kind: 11, ..Self::FLAT }, // execute, read, accessed
            data: Self::FLAT,
            task: Segment {
                selector: 0,
                limit: 0x67,
                kind: 11, // a busy task of 32 bits
                is_code_or_data: false,
                is_wide: false,
                ..Self::FLAT
            },
        }
    }
}
