// SPDX-License-Identifier: MIT OR Apache-2.0
//! Room in the window: first fit, given back by a stop and by a reset (VCPU-4, VCPU-6, SES-6).

use crate::tools::{Guest, config, small};
use tenon_abi::vcpu::Sizes;
use tenon_abi::{Features, Op, Status};

/// Host-written areas of one, two and three granules.
fn sizes(granules: u64) -> Sizes {
    let sizes = Sizes { depth: 64, events: [[16, 16], [512, 16], [1024, 16]][granules as usize - 1] };
    assert_eq!(sizes.host_len().div_ceil(4096), granules);
    sizes
}

/// Stops a vCPU and confirms it.
fn stop(guest: &mut Guest, vcpu: u64) {
    guest.submit(0, 1, Op::VCPU_STOP, [vcpu, 0, 0]);
    let _ = guest.kick(0);
    guest.domain.stopped(vcpu as u32);
    guest.actions();
    assert_eq!(guest.take(0, 0), [(1, Status::OK, 0)]);
}

fn start(guest: &mut Guest, vcpu: u64) {
    guest.ok(0, Op::VCPU_START, [vcpu, 0x1000, 0]);
    guest.actions();
}

#[test]
fn a_gap_is_filled_by_what_fits_and_by_nothing_else() {
    let mut config = config(5);
    // The record's granule and six more.
    config.window_len = 7 * 4096;
    let mut guest = Guest::open(config);
    for (vcpu, granules) in [(0, 1), (1, 2), (2, 3)] {
        assert_eq!(guest.try_bind(vcpu, sizes(granules)), Status::OK);
    }
    assert_eq!(guest.try_bind(3, sizes(1)), Status::NO_CAPACITY);
    start(&mut guest, 1);
    stop(&mut guest, 1);
    assert_eq!(guest.try_bind(3, sizes(3)), Status::NO_CAPACITY);
    assert_eq!(guest.try_bind(3, sizes(1)), Status::OK);
    assert_eq!(guest.try_bind(1, sizes(2)), Status::NO_CAPACITY);
    assert_eq!(guest.try_bind(4, sizes(1)), Status::OK);
    let places: Vec<u64> = [0, 3, 4, 2].map(|vcpu| guest.host_area(vcpu) / 4096).to_vec();
    assert_eq!(places, [1, 2, 3, 4]);
    guest.reset();
    guest.negotiate(Features::empty());
    for (vcpu, granules) in [(0, 3), (1, 3)] {
        assert_eq!(guest.try_bind(vcpu, sizes(granules)), Status::OK);
    }
    assert_eq!(guest.try_bind(2, small()), Status::NO_CAPACITY);
}

#[test]
fn vcpus_that_come_and_go_use_no_room_up() {
    let mut config = config(4);
    config.window_len = 8 * 4096;
    let mut guest = Guest::open(config);
    assert_eq!(guest.try_bind(0, sizes(1)), Status::OK);
    for round in 0..500_u64 {
        for vcpu in 1..4 {
            start(&mut guest, vcpu);
            let granules = (round + vcpu) % 3 + 1;
            assert_eq!(
                guest.try_bind(vcpu as u32, sizes(granules)),
                Status::OK,
                "round {round}, vCPU {vcpu}"
            );
        }
        for vcpu in [2, 1, 3] {
            stop(&mut guest, vcpu);
        }
    }
}

#[test]
fn a_window_of_the_record_alone_binds_nothing() {
    let mut config = config(1);
    config.window_len = 256;
    let mut guest = Guest::open(config);
    assert_eq!(guest.try_bind(0, small()), Status::NO_CAPACITY);
    guest.reset();
    guest.negotiate(Features::WINDOW);
    guest.bind(0);
    assert_eq!(guest.ok(0, Op::NOP, [5, 0, 0]), 5);
}
