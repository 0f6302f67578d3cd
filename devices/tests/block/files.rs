// SPDX-License-Identifier: MIT OR Apache-2.0
//! Raw files, by io_uring and by threads.

use crate::rig::Rig;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tenon_abi::{Op, Status};
use tenon_devices::block::{Access, Disk, Method};

fn image(bytes: u64) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    File::create(&path).unwrap().set_len(bytes).unwrap();
    (folder, path)
}

/// Runs a test by each method; by io_uring where there is one.
fn by_each(test: impl Fn(&dyn Fn(&Path, Access) -> Disk)) {
    for method in [Method::Uring, Method::Threads, Method::Auto] {
        let probe = image(4096);
        if let Err(error) = Disk::raw(&probe.1, Access::default(), method) {
            assert_eq!(method, Method::Uring);
            eprintln!("skipped: io_uring: {error}");
            continue;
        }
        test(&|path, access| Disk::raw(path, access, method).unwrap());
    }
}

#[test]
fn a_file_holds_what_was_written_and_nothing_else() {
    by_each(|open| {
        let (_folder, path) = image(1 << 20);
        let mut rig = Rig::new(open(&path, Access::default()));
        let lane = rig.one();
        let tickets: Vec<_> =
            (1..13u8).map(|at| lane.begin_write(at.into(), at, u64::from(at) & 1)).collect();
        for ticket in tickets {
            assert_eq!(lane.wait(ticket), (Status::OK, 512));
        }
        assert_eq!(lane.flush(), Status::OK);
        let bytes = fs::read(&path).unwrap();
        for (block, bytes) in bytes.chunks(512).enumerate() {
            let value = if (1..13).contains(&block) { block as u8 } else { 0 };
            assert_eq!(bytes, [value; 512], "block {block}");
        }
        assert_eq!(lane.read(7), Ok(vec![7; 512]));
        assert_eq!(lane.read(20), Ok(vec![0; 512]));
    });
}

#[test]
fn ranges_become_zeros_and_are_given_up() {
    by_each(|open| {
        let (_folder, path) = image(1 << 20);
        fs::write(&path, vec![5; 1 << 20]).unwrap();
        let mut rig = Rig::new(open(&path, Access::default()));
        let has_holes = rig.control.shape().max_discard != 0;
        let lane = rig.one();
        for (block, flags) in [(8u64, 0u64), (16, 1)] {
            assert_eq!(lane.call(Op::ZERO, [block * 512, 4096, flags, 0, 0, 0]), (Status::OK, 0));
        }
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes[8 * 512..24 * 512], [0; 8192]);
        assert!(bytes[..8 * 512].iter().chain(&bytes[24 * 512..]).all(|byte| *byte == 5));
        let wanted = if has_holes { Status::OK } else { Status::NOT_SUPPORTED };
        assert_eq!(lane.call(Op::DISCARD, [32 * 512, 4096, 0, 0, 0, 0]), (wanted, 0));
        assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 20);
    });
}

#[test]
fn many_large_transfers_at_once() {
    by_each(|open| {
        let (_folder, path) = image(1 << 20);
        let data: Vec<u8> = (0..1u32 << 20).map(|at| (at / 4096) as u8).collect();
        fs::write(&path, &data).unwrap();
        let mut rig = Rig::new(open(&path, Access::default()));
        let lane = rig.one();
        let len = 64 << 10;
        let tickets: Vec<_> = (0..8usize)
            .map(|at| {
                let address = lane.address(at * len);
                lane.submit(Op::READ, [(at * len) as u64, address, len as u64, 0, 0, 1])
            })
            .collect();
        for ticket in tickets {
            assert_eq!(lane.wait(ticket), (Status::OK, len as u64));
        }
        assert_eq!(lane.get(0, 8 * len), data[..8 * len]);
    });
}

#[test]
fn a_file_that_is_cut_off_under_its_guest_is_an_error() {
    by_each(|open| {
        let (_folder, path) = image(1 << 20);
        let mut rig = Rig::new(open(&path, Access::default()));
        OpenOptions::new().write(true).open(&path).unwrap().set_len(4096 + 512).unwrap();
        let lane = rig.one();
        assert_eq!(lane.read(8), Ok(vec![0; 512]));
        assert_eq!(lane.read(9), Err(Status::IO_ERROR));
        // The half that is there does not count.
        let address = lane.address(0);
        assert_eq!(lane.call(Op::READ, [8 * 512, address, 1024, 0, 0, 1]), (Status::IO_ERROR, 0));
        assert_eq!(rig.control.counts().io_errors, 2);
        // Its owner says that it is so now.
        assert_eq!(rig.control.resize().unwrap(), 4096 + 512);
        assert_eq!(rig.one().read(9), Err(Status::BAD_RANGE));
    });
}

#[test]
fn a_disk_that_is_only_read_is_never_written() {
    by_each(|open| {
        let (_folder, path) = image(4096);
        let access = Access { read_only: true, ..Access::default() };
        let mut rig = Rig::new(open(&path, access));
        assert!(rig.control.shape().read_only);
        assert_eq!(rig.one().write(0, 1), (Status::READ_ONLY, 0));
        assert_eq!(rig.one().call(Op::ZERO, [0, 512, 0, 0, 0, 0]), (Status::READ_ONLY, 0));
        assert_eq!(rig.one().read(0), Ok(vec![0; 512]));
        assert_eq!(rig.one().flush(), Status::OK);
    });
}

#[test]
fn a_disk_around_the_page_cache() {
    by_each(|open| {
        let (_folder, path) = image(1 << 20);
        let access = Access { direct: true, ..Access::default() };
        if let Err(error) = Disk::raw(&path, access, Method::Threads) {
            eprintln!("skipped: O_DIRECT: {error}");
            return;
        }
        let mut rig = Rig::new(open(&path, access));
        let block = u64::from(rig.control.shape().block);
        let lane = rig.one();
        // The buffers of the rig begin at an address that is aligned to a block for this process only by
        // luck.
        let offset = (4096 - (lane.ram.0.base() as usize + lane.address(0) as usize) % 4096) % 4096;
        let at = offset + 4096;
        lane.put(at, &vec![6; block as usize]);
        let address = lane.address(at);
        let (status, value) = lane.call(Op::WRITE, [block, address, block, 0, 0, 1]);
        if status == Status::BAD_ALIGNMENT {
            eprintln!(
                "skipped: O_DIRECT: the memory of this test is not aligned as the file system wants it"
            );
            return;
        }
        assert_eq!((status, value), (Status::OK, block));
        assert_eq!(lane.flush(), Status::OK);
        assert_eq!(fs::read(&path).unwrap()[block as usize..][..block as usize], vec![6; block as usize]);
    });
}
