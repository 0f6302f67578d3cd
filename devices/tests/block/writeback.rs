// SPDX-License-Identifier: MIT OR Apache-2.0
//! A write-back that fails in a real kernel: a loop device over memory that may be written no more (BLK-7,
//! BLK-12).

use crate::rig::Rig;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::Arc;
use std::time::Duration;
use tenon_abi::Status;
use tenon_devices::block::{Access, Disk, KeptHere, Latch, Method, Witness};

const PATIENCE: Duration = Duration::from_secs(60);

fn losetup(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("losetup").args(arguments).output().map_err(|why| why.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}

/// A block device that ends with whoever has it open, what it lies on, and a witness.
fn device() -> Result<(PathBuf, OwnedFd, Witness), String> {
    let memory = memfd_create("disk", MemfdFlags::ALLOW_SEALING).map_err(|why| why.to_string())?;
    ftruncate(&memory, 1 << 20).map_err(|why| why.to_string())?;
    let file = format!("/proc/{}/fd/{}", id(), memory.as_raw_fd());
    let path = losetup(&["--find", "--show", &file])?;
    let witness = Witness::open(Path::new(&path)).map_err(|why| why.to_string());
    // It is in use, so this is done when it is not.
    losetup(&["--detach", &path])?;
    Ok((path.into(), memory, witness?))
}

#[test]
fn a_kernel_tells_of_a_failed_write_back_once() {
    const NAME: &str = "writeback.a_kernel_tells_of_a_failed_write_back_once";
    let (path, memory, witness) = match device() {
        Ok(device) => device,
        Err(why) => return println!("skipped: {NAME}: no loop device here: {why}"),
    };
    let access = Access { patience: PATIENCE, ..Access::default() };
    let latch: Arc<KeptHere> = Arc::default();
    let start = |latch: &Arc<KeptHere>| {
        Rig::new(Disk::raw(&path, access, Method::Threads).unwrap().with_latch(Arc::clone(latch) as _))
    };
    let mut rig = start(&Arc::default());
    assert_eq!(rig.one().write(0, 1), (Status::OK, 512));
    assert_eq!(rig.one().flush(), Status::OK);
    drop(rig);
    assert!(!witness.settle(&*latch, PATIENCE).unwrap());

    let mut rig = start(&Arc::default());
    assert_eq!(rig.one().write(0, 2), (Status::OK, 512));
    fcntl_add_seals(&memory, SealFlags::FUTURE_WRITE | SealFlags::WRITE).unwrap();
    assert_eq!(rig.one().flush(), Status::IO_ERROR);
    drop(rig);
    // Its latch goes with it, as that of a host does which was killed before it could set one.
    assert!(witness.settle(&*latch, PATIENCE).unwrap(), "the witness has not been told before");
    assert!(latch.is_set().unwrap());
    assert_eq!(start(&latch).one().flush(), Status::IO_ERROR);
    // The kernel has told everyone, and the latch remembers.
    assert!(!witness.settle(&*latch, PATIENCE).unwrap());
    assert!(latch.is_set().unwrap());
}
