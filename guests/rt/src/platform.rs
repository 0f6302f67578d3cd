// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device tree said about the machine.
#![allow(unsafe_code, reason = "reads the tree where the boot protocol put it")]

use core::cell::UnsafeCell;

use crate::cpu::Raw;
use crate::firmware::Platform;

static PLATFORM: Raw<Option<Platform<'static>>> = Raw(UnsafeCell::new(None));

/// What the device tree said; nothing at all where there was none, as on x86-64.
pub fn get() -> Platform<'static> {
    // SAFETY: written by the boot CPU before anything else of the image runs, read-only later.
    unsafe { (*PLATFORM.0.get()).unwrap_or_default() }
}

/// Reads the tree at `address`, or where it is by habit if that is zero, and copies what is needed of it:
/// command line, RAM, devices.
///
/// # Safety
/// There is memory that is mapped one to one, for as long as a header there says; only the boot CPU calls,
/// once, before others run.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) unsafe fn take(address: u64) {
    use crate::firmware::tree::{HEADER_LEN, length};
    use crate::{arch, memory, params};

    let address = if address == 0 { arch::TREE } else { address };
    if address % 8 != 0 || address >= arch::MAPPED_END {
        return;
    }
    // SAFETY: the caller promises memory, and nobody writes to it before this function is done.
    let tree = unsafe {
        let header = (address as *const [u8; HEADER_LEN]).read();
        let Some(len) = length(header) else { return };
        core::slice::from_raw_parts(address as *const u8, len)
    };
    let Some(mut platform) = Platform::read(tree) else { return };
    params::take(platform.command_line.bytes());
    // The tree's memory may be used for other things later.
    platform.command_line = "";
    platform.memory.iter().for_each(|range| memory::take(range.address, range.len));
    // SAFETY: the caller promises that nobody else runs.
    unsafe { *PLATFORM.0.get() = Some(platform) };
}
