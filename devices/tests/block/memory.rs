// SPDX-License-Identifier: MIT OR Apache-2.0
//! A disk in memory, and what every disk refuses.

use crate::rig::Rig;
use std::sync::Arc;
use tenon_abi::{Op, Status};
use tenon_devices::block::{Disk, Memory};

#[test]
fn a_disk_in_memory_does_all_requests() {
    let memory = Arc::new(Memory::zeroed(1 << 20));
    let mut rig = Rig::new(Disk::in_memory(Arc::clone(&memory)).unwrap());
    let lane = rig.one();
    assert_eq!(lane.write(5, 9), (Status::OK, 512));
    assert_eq!(lane.read(5), Ok(vec![9; 512]));
    assert_eq!(memory.to_vec()[5 * 512..][..512], [9; 512]);
    assert_eq!(lane.flush(), Status::OK);
    assert_eq!(lane.call(Op::ZERO, [5 * 512, 512, 1, 0, 0, 0]), (Status::OK, 0));
    assert_eq!(lane.read(5), Ok(vec![0; 512]));
    assert_eq!(lane.call(Op::DISCARD, [5 * 512, 512, 0, 0, 0, 0]), (Status::OK, 0));
    // A list of three, each in another place.
    let list: Vec<u8> = [40, 50, 60]
        .into_iter()
        .flat_map(|at| [lane.address(at * 512), 512])
        .flat_map(u64::to_le_bytes)
        .collect();
    lane.put(30 * 512, &list);
    for at in [40, 50, 60] {
        lane.put(at * 512, &[at as u8; 512]);
    }
    let list = lane.address(30 * 512);
    assert_eq!(lane.call(Op::WRITE, [0, list, 0, 0, 0, 3]), (Status::OK, 1536));
    assert_eq!(lane.read(1), Ok(vec![50; 512]));
    assert_eq!(lane.call(Op::EXIT, [0; 6]), (Status::NOT_SUPPORTED, 0));
    assert_eq!(lane.call(Op::PROBE, [Op::WRITE.0.into(), 0, 0, 0, 0, 0]), (Status::OK, 3));
    let beyond = [1 << 20, lane.address(0), 512, 0, 0, 1];
    assert_eq!(lane.call(Op::READ, beyond), (Status::BAD_RANGE, 0));
    let counts = rig.control.counts();
    assert_eq!((counts.bytes_written, counts.refused), (2048, 2));
}

#[test]
fn hundreds_of_requests_on_two_queues_each_get_their_own() {
    let mut rig = Rig::new(Disk::in_memory(Memory::zeroed(1 << 20)).unwrap());
    for round in 0..50u64 {
        for lane in &mut rig.lanes {
            let base = u64::from(lane.index()) * 512;
            let tickets: Vec<_> = (0..12u8).map(|at| lane.begin_write(base + u64::from(at), at, 0)).collect();
            for ticket in tickets {
                assert_eq!(lane.wait(ticket), (Status::OK, 512), "round {round}");
            }
            for at in 0..12u8 {
                assert_eq!(lane.read(base + u64::from(at)), Ok(vec![at; 512]));
            }
        }
    }
}

#[test]
fn shapes_that_no_guest_may_be_told_are_refused() {
    let error = Disk::in_memory(Memory::zeroed(1000)).unwrap_err();
    assert_eq!(error.to_string(), "a disk's size is a multiple of its block");
}
