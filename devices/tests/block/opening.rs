// SPDX-License-Identifier: MIT OR Apache-2.0
//! What cannot be opened says so in one clear line, and a disk has one user (BLK-11).

use crate::rig::{Rig, until};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;
use tenon_devices::Error;
use tenon_devices::block::{Access, Disk, Method};

const WRITE: Access = Access { read_only: false, direct: false, patience: Duration::ZERO };
const READ: Access = Access { read_only: true, ..WRITE };

fn refused(path: &Path, access: Access) -> Error {
    let error = Disk::raw(path, access, Method::Threads).expect_err("it is no disk");
    let text = error.to_string();
    assert!(text.starts_with(&path.display().to_string()) && !text.contains('\n'), "{text}");
    error
}

#[test]
fn what_is_no_disk_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(matches!(refused(&at("missing"), WRITE), Error::Missing(_)));
    assert!(matches!(refused(folder.path(), WRITE), Error::Directory(_)));
    assert!(matches!(refused(folder.path(), READ), Error::Directory(_)));
    assert!(matches!(refused(Path::new("/dev/null"), WRITE), Error::NoDisk(_)));
    fs::write(at("odd"), [0; 1000]).unwrap();
    assert!(matches!(refused(&at("odd"), WRITE), Error::BadSize { len: 1000, block: 512, .. }));
    // Whoever may do anything may write this too.
    fs::write(at("guarded"), [0; 512]).unwrap();
    let mut permissions = fs::metadata(at("guarded")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(at("guarded"), permissions).unwrap();
    if File::options().write(true).open(at("guarded")).is_err() {
        assert!(matches!(refused(&at("guarded"), WRITE), Error::ReadOnly(_)));
    }
}

#[test]
fn a_disk_is_one_machines_until_its_io_has_landed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    File::create(&path).unwrap().set_len(4096).unwrap();
    for method in [Method::Auto, Method::Threads] {
        let rig = Rig::new(Disk::raw(&path, WRITE, method).unwrap());
        assert!(matches!(refused(&path, WRITE), Error::Locked(_)));
        assert!(matches!(refused(&path, READ), Error::Locked(_)));
        drop(rig);
        // The worker ends by itself; who follows waits for that.
        let patient = Access { patience: Duration::from_secs(60), ..WRITE };
        drop(Disk::raw(&path, patient, method).unwrap());
        let mut readers = Vec::new();
        until("a disk for two that only read it", || {
            readers.extend(Disk::raw(&path, READ, method));
            readers.len() == 2
        });
        assert!(matches!(refused(&path, WRITE), Error::Locked(_)));
        drop(readers);
        until("a disk that nobody reads", || Disk::raw(&path, WRITE, method).is_ok());
    }
}
