// SPDX-License-Identifier: MIT OR Apache-2.0
//! A block device whose write-backs can be made to fail: a loop device over memory, for root.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use tenon_devices::block::Witness;

/// It ends with whoever has it open.
pub(crate) struct Failing {
    pub(crate) path: PathBuf,
    /// Keeps it.
    pub(crate) witness: Witness,
    /// What it lies on.
    pub(crate) memory: OwnedFd,
}

fn losetup(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("losetup").args(arguments).output().map_err(|why| why.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}

impl Failing {
    /// One of 1 MiB; or why there is none here.
    pub(crate) fn new() -> Result<Self, String> {
        let memory = memfd_create("disk", MemfdFlags::ALLOW_SEALING).map_err(|why| why.to_string())?;
        ftruncate(&memory, 1 << 20).map_err(|why| why.to_string())?;
        let file = format!("/proc/{}/fd/{}", id(), memory.as_raw_fd());
        let path = losetup(&["--find", "--show", &file])?;
        let witness = Witness::open(Path::new(&path)).map_err(|why| why.to_string());
        // It is in use, so this is done when it is not.
        losetup(&["--detach", &path])?;
        Ok(Self { path: path.into(), witness: witness?, memory })
    }
}

/// From now on nothing can be written to it, and each write-back fails. (The other seal for this is refused
/// while a write is under way.)
pub(crate) fn fail(memory: &OwnedFd) {
    fcntl_add_seals(memory, SealFlags::FUTURE_WRITE).unwrap();
}
