// SPDX-License-Identifier: MIT OR Apache-2.0
//! qcow2 images.

use crate::rig::Rig;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tenon_abi::{Op, Status};
use tenon_devices::Error;
use tenon_devices::block::{Access, Disk};

const CLUSTER: usize = 65_536;
const BYTES: u64 = 1 << 20;

/// An empty image of version 2 with clusters of 64 KiB: header, table and block of reference counts, L1
/// table.
fn write_image(path: &Path, backing: Option<&str>) {
    let mut image = vec![0u8; 4 * CLUSTER];
    let mut put = |at: usize, bytes: &[u8]| image[at..][..bytes.len()].copy_from_slice(bytes);
    let cluster = |number: u64| (number * CLUSTER as u64).to_be_bytes();
    put(0, b"QFI\xfb");
    put(4, &2u32.to_be_bytes());
    if let Some(backing) = backing {
        put(8, &512u64.to_be_bytes());
        put(16, &(backing.len() as u32).to_be_bytes());
        put(512, backing.as_bytes());
    }
    put(20, &16u32.to_be_bytes());
    put(24, &BYTES.to_be_bytes());
    put(36, &1u32.to_be_bytes());
    put(40, &cluster(3));
    put(48, &cluster(1));
    put(56, &1u32.to_be_bytes());
    put(CLUSTER, &cluster(2));
    for used in 0..4 {
        put(2 * CLUSTER + 2 * used, &1u16.to_be_bytes());
    }
    fs::write(path, image).unwrap();
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.qcow2");
    (folder, path)
}

fn patient() -> Access {
    Access { patience: Duration::from_secs(60), ..Access::default() }
}

#[test]
fn an_image_keeps_what_was_flushed() {
    let (_folder, path) = folder();
    write_image(&path, None);
    let mut rig = Rig::new(Disk::qcow2(&path, patient()).unwrap());
    assert_eq!(rig.control.shape().bytes, BYTES);
    let lane = rig.one();
    assert_eq!(lane.read(3), Ok(vec![0; 512]));
    for value in 1..13u8 {
        assert_eq!(lane.write(u64::from(value) * 128, value), (Status::OK, 512));
    }
    assert_eq!(lane.call(Op::ZERO, [128 * 512, 512, 0, 0, 0, 0]), (Status::OK, 0));
    assert_eq!(lane.call(Op::ZERO, [2 * 128 * 512, 65_536, 1, 0, 0, 0]), (Status::OK, 0));
    assert_eq!(lane.flush(), Status::OK);
    // What a host that is killed now leaves behind.
    let copy = path.with_extension("copy");
    fs::copy(&path, &copy).unwrap();
    let mut after = Rig::new(Disk::qcow2(&copy, Access { read_only: true, ..patient() }).unwrap());
    for value in 1..13u8 {
        let wanted = if value <= 2 { 0 } else { value };
        assert_eq!(after.one().read(u64::from(value) * 128), Ok(vec![wanted; 512]));
    }
    assert_eq!(after.one().write(0, 1), (Status::READ_ONLY, 0));
    assert!(matches!(Disk::qcow2(&path, Access::default()).unwrap_err(), Error::Locked(_)));
}

#[test]
fn an_image_stands_on_another_and_never_writes_it() {
    let (folder, path) = folder();
    let base = folder.path().join("base.qcow2");
    write_image(&base, None);
    let mut rig = Rig::new(Disk::qcow2(&base, patient()).unwrap());
    assert_eq!(rig.one().write(1, 3), (Status::OK, 512));
    assert_eq!(rig.one().flush(), Status::OK);
    drop(rig);
    write_image(&path, Some("base.qcow2"));
    let mut rig = Rig::new(Disk::qcow2(&path, patient()).unwrap());
    let before = fs::read(&base).unwrap();
    assert_eq!(rig.one().read(1), Ok(vec![3; 512]));
    assert_eq!(rig.one().write(2, 4), (Status::OK, 512));
    assert_eq!(rig.one().flush(), Status::OK);
    assert_eq!((rig.one().read(1), rig.one().read(2)), (Ok(vec![3; 512]), Ok(vec![4; 512])));
    assert_eq!(fs::read(&base).unwrap(), before);
    // Nobody else writes it meanwhile.
    assert!(matches!(Disk::qcow2(&base, Access::default()).unwrap_err(), Error::Locked(_)));
}

#[test]
fn a_chain_that_is_broken_says_where() {
    let (folder, path) = folder();
    write_image(&path, Some("nothing.qcow2"));
    let error = Disk::qcow2(&path, Access::default()).unwrap_err();
    assert!(matches!(error, Error::BackingMissing { .. }), "{error}");
    assert!(
        error.to_string().ends_with("the file that it stands on is missing: ")
            || error.to_string().contains("nothing.qcow2")
    );

    write_image(&path, Some("second.qcow2"));
    write_image(&folder.path().join("second.qcow2"), Some("disk.qcow2"));
    for access in [Access::default(), Access { read_only: true, ..Access::default() }] {
        let error = Disk::qcow2(&path, access).unwrap_err();
        assert!(matches!(error, Error::BackingLoop { .. }), "{error}");
    }
    fs::write(&path, [0; 4096]).unwrap();
    let error = Disk::qcow2(&path, Access::default()).unwrap_err();
    assert!(matches!(error, Error::Format { format: "qcow2", .. }), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
    assert!(matches!(Disk::qcow2(folder.path(), Access::default()).unwrap_err(), Error::Directory(_)));
}
