// SPDX-License-Identifier: MIT OR Apache-2.0
//! A medium that fails (BLK-4, BLK-5, BLK-7).

use crate::media::{BYTES, Fault, Kind, Media};
use crate::rig::Rig;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tenon_abi::{BlockFlags, Op, Status};
use tenon_devices::Error;
use tenon_devices::block::{Access, Change, Disk, KeptHere, KeptInFile, Latch, Method, Witness};

/// The word of `BlockInfo` that holds the flags.
fn has_failed(own: [u64; 8]) -> bool {
    own[6] & u64::from(BlockFlags::FAILED.bits()) != 0
}

#[test]
fn errors_of_the_medium_are_statuses_and_are_counted() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    media.fail(Kind::Read, Fault::Errno(libc::EIO));
    assert_eq!(rig.one().read(0), Err(Status::IO_ERROR));
    media.fail(Kind::Write, Fault::Errno(libc::ENOSPC));
    assert_eq!(rig.one().write(0, 1), (Status::NO_SPACE, 0));
    media.fail(Kind::Write, Fault::Errno(libc::EIO));
    assert_eq!(rig.one().write(0, 1), (Status::IO_ERROR, 0));
    let counts = rig.control.counts();
    assert_eq!((counts.io_errors, counts.no_space), (2, 1));
    // None of these was a write-back: FLUSH works.
    assert_eq!(rig.one().flush(), Status::OK);
    assert_eq!(rig.one().write(0, 1), (Status::OK, 512));
}

#[test]
fn a_short_transfer_goes_on() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    let lane = rig.one();
    let data: Vec<u8> = (0..8192u32).map(|at| (at / 512) as u8 + 1).collect();
    lane.put(0, &data);
    for short in [512, 1024] {
        media.fail(Kind::Write, Fault::Short(short));
        media.fail(Kind::Read, Fault::Short(short));
    }
    // Two segments: the call goes on in the middle of one.
    let (first, second) = (lane.address(0), lane.address(2048));
    assert_eq!(lane.call(Op::WRITE, [512, first, 2048, second, 6144, 2]), (Status::OK, 8192));
    lane.put(0, &[0; 8192]);
    assert_eq!(lane.call(Op::READ, [512, first, 8192, 0, 0, 1]), (Status::OK, 8192));
    assert_eq!(lane.get(0, 8192), data);
}

#[test]
fn a_transfer_that_moves_nothing_is_an_error() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    media.fail(Kind::Read, Fault::Short(0));
    assert_eq!(rig.one().read(0), Err(Status::IO_ERROR));
    media.fail(Kind::Write, Fault::Short(0));
    assert_eq!(rig.one().write(0, 1), (Status::IO_ERROR, 0));
}

#[test]
fn a_zero_that_has_to_be_written_is_written_in_pieces() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    let lane = rig.one();
    assert_eq!(lane.write(0, 9), (Status::OK, 512));
    assert_eq!(lane.write(BYTES / 512 - 1, 9), (Status::OK, 512));
    assert_eq!(lane.call(Op::ZERO, [0, BYTES, 0, 0, 0, 0]), (Status::OK, 0));
    assert_eq!(lane.read(0), Ok(vec![0; 512]));
    assert_eq!(lane.read(BYTES / 512 - 1), Ok(vec![0; 512]));
    // What cannot be given up reads as it was.
    assert_eq!(lane.write(0, 9), (Status::OK, 512));
    assert_eq!(lane.call(Op::DISCARD, [0, 4096, 0, 0, 0, 0]), (Status::OK, 0));
    assert_eq!(lane.read(0), Ok(vec![9; 512]));
}

/// The same latch for a host and the one that follows it.
fn fails_until_cleared(latch: Arc<dyn Latch>) {
    let media = Media::new();
    let mut rig = Rig::new(media.disk().with_latch(Arc::clone(&latch)));
    let told = Arc::new(AtomicBool::new(false));
    let telling = Arc::clone(&told);
    rig.control.tell_by(move |change| {
        if matches!(change, Change::Own(own) if has_failed(own)) {
            telling.store(true, Ordering::SeqCst);
        }
    });
    assert!(!has_failed(rig.device.own));
    assert_eq!(rig.one().write(1, 1), (Status::OK, 512));
    media.fail(Kind::Sync, Fault::Errno(libc::EIO));
    assert_eq!(rig.one().flush(), Status::IO_ERROR);
    assert!(told.load(Ordering::SeqCst), "the guest is told FAILED before the status");
    // The medium says yes from now on, and what it lost is lost.
    assert_eq!(rig.one().flush(), Status::IO_ERROR);
    let ticket = rig.one().begin_write(1, 2, 1);
    assert_eq!(rig.one().wait(ticket), (Status::IO_ERROR, 0));
    assert_eq!(rig.one().write(1, 3), (Status::OK, 512));
    assert_eq!(rig.one().read(1), Ok(vec![3; 512]));
    drop(rig);

    let mut rig = Rig::new(media.disk().with_latch(Arc::clone(&latch)));
    assert!(has_failed(rig.device.own), "the next host tells it from the start");
    assert_eq!(rig.one().flush(), Status::IO_ERROR);
    rig.control.clear_failed().unwrap();
    assert_eq!(rig.one().flush(), Status::OK);
    drop(rig);
    assert!(!has_failed(Rig::new(media.disk().with_latch(latch)).device.own));
}

#[test]
fn a_failed_write_back_is_not_forgotten() {
    fails_until_cleared(Arc::new(KeptHere::default()));
}

#[test]
fn a_file_keeps_a_failed_write_back_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("failed");
    fails_until_cleared(Arc::new(KeptInFile::new(&path)));
    assert!(!path.exists());
    // A file that is somebody else's is left alone, and counts as set.
    std::fs::write(&path, "mine").unwrap();
    let latch = KeptInFile::new(&path);
    assert!(latch.is_set().unwrap() && latch.clear().is_err() && path.exists());
}

#[test]
fn a_failed_durable_write_latches_too() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    media.fail(Kind::Sync, Fault::Errno(libc::ENOSPC));
    let ticket = rig.one().begin_write(1, 2, 1);
    assert_eq!(rig.one().wait(ticket), (Status::IO_ERROR, 0));
    assert!(rig.control.has_failed());
    assert_eq!(rig.one().flush(), Status::IO_ERROR);
}

#[test]
fn a_host_that_dies_with_the_news_does_not_take_it_along() {
    // Whatever has no sync at all cannot say that its last one was good.
    let (pipe, _other) = std::io::pipe().unwrap();
    let witness = Witness::of(File::from(OwnedFd::from(pipe)), "pipe");
    let latch = Arc::new(KeptHere::default());
    assert!(witness.settle(&*latch, Duration::ZERO).unwrap());
    let mut rig = Rig::new(Media::new().disk().with_latch(latch));
    assert!(has_failed(rig.device.own));
    assert_eq!(rig.one().flush(), Status::IO_ERROR);
}

#[test]
fn a_witness_waits_for_the_host_and_lets_the_next_one_in() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(4096).unwrap();
    let (latch, witness) = (KeptHere::default(), Witness::open(file.path()).unwrap());
    let access = Access { patience: Duration::from_secs(60), ..Access::default() };
    let rig = Rig::new(Disk::raw(file.path(), access, Method::Threads).unwrap());
    assert!(matches!(witness.settle(&latch, Duration::ZERO), Err(Error::Locked(_))));
    drop(rig);
    assert!(!witness.settle(&latch, Duration::from_secs(60)).unwrap());
    assert!(!latch.is_set().unwrap());
    // Nobody waits for a witness that has done its work.
    let mut rig = Rig::new(Disk::raw(file.path(), Access::default(), Method::Threads).unwrap());
    assert_eq!(rig.one().flush(), Status::OK);
}
