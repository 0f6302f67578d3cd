// SPDX-License-Identifier: MIT OR Apache-2.0
//! A write-back that fails in a real kernel: a loop device over memory that may be written no more (BLK-7,
//! BLK-12).

use crate::failing::{Failing, fail};
use crate::rig::Rig;
use std::sync::Arc;
use std::time::Duration;
use tenon_abi::Status;
use tenon_devices::block::{Access, Disk, KeptHere, Latch, Method};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_kernel_tells_of_a_failed_write_back_once() {
    const NAME: &str = "writeback.a_kernel_tells_of_a_failed_write_back_once";
    let Failing { path, witness, memory } = match Failing::new() {
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
    fail(&memory);
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
