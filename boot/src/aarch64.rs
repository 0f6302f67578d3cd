// SPDX-License-Identifier: MIT OR Apache-2.0
//! AArch64: Linux's boot protocol. The image is an `Image` or an ELF file; X0 points to a device tree.

mod image;
mod tree;

pub use tree::{Devices, affinity};

use crate::elf;
use crate::{Error, Layout, Plan};
use object::elf::EM_AARCH64;

/// The device tree lies where RAM begins; images leave so many bytes to it.
pub const TREE_ROOM: u64 = 512 << 10;

/// Checks `image` against the machine, and plans its start. The guest learns of the machine's memory, its
/// window (DISC-13) and `devices` by a device tree.
///
/// # Errors
///
/// [`Error`] names what is wrong with the image, the command line or the layout.
pub fn plan<'a>(
    image: &'a [u8],
    command_line: &str,
    layout: &Layout,
    devices: &Devices,
) -> Result<Plan<'a>, Error> {
    // A longer one would not leave the tree its room.
    const MAX_COMMAND_LINE: usize = 64 << 10;
    if command_line.len() > MAX_COMMAND_LINE || command_line.contains('\0') {
        return Err(Error::BadCommandLine { max: MAX_COMMAND_LINE });
    }
    let ram = layout.ram().next().ok_or(Error::BadLayout("it has no RAM"))?.address;
    if !layout.is_ram(ram, TREE_ROOM) {
        return Err(Error::BadLayout("where RAM begins is no room for a device tree"));
    }
    let (segments, entry) = if elf::is_elf(image) {
        let elf = elf::read(image)?;
        if elf.machine != EM_AARCH64 {
            return Err(Error::OtherProcessor(elf.machine));
        }
        (elf.segments, elf.entry)
    } else {
        let segment = image::segment(image, ram)?;
        let entry = segment.address;
        (vec![segment], entry)
    };
    if !entry.is_multiple_of(4) {
        return Err(Error::BadEntry(entry));
    }
    let plan = Plan::of(segments, layout, (ram, TREE_ROOM), entry)?;
    let tree = tree::flat(command_line, layout, devices).map_err(|_| Error::LongTree)?;
    if u64::try_from(tree.len()).is_ok_and(|len| len <= TREE_ROOM) {
        Ok(plan.passing(vec![(ram, tree)], ram))
    } else {
        Err(Error::LongTree)
    }
}

/// The registers that a vCPU starts with, the first one and one that the guest starts (VCPU-5): EL1 on its
/// own stack pointer, all of DAIF masked, the MMU off. Registers that are not here are as they are after a
/// reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The program counter.
    pub pc: u64,
    /// The argument; for the first vCPU the address of the device tree.
    pub x0: u64,
    /// The saved program status of EL1h, with D, A, I and F set.
    pub pstate: u64,
}

impl Start {
    const EL1H_MASKED: u64 = 0x3c5;

    /// Starting at `entry` with `argument` in X0.
    #[must_use]
    pub const fn new(entry: u64, argument: u64) -> Self {
        Self { pc: entry, x0: argument, pstate: Self::EL1H_MASKED }
    }
}
