// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests that complete late: what ends them, and what does not (CALL-17, CALL-22, SES-7, VCPU-6).

use crate::tools::{Guest, PAYLOAD, config, lasting};
use tenon_abi::{Features, Op, Status};
use tenon_host::{LifecycleAction, VcpuAction};

/// Three vCPUs that run, and a read that waits on vCPU 1 under id 5.
fn reading() -> Guest {
    let mut guest = Guest::open(config(3));
    (0..3).for_each(|vcpu| guest.bind(vcpu));
    for vcpu in [1, 2] {
        guest.ok(0, Op::VCPU_START, [vcpu, 0x1000, 0]);
    }
    guest.submit(1, 5, Op::CONSOLE_READ, [PAYLOAD, 8, 0]);
    let _ = guest.kick(1);
    guest.actions();
    guest
}

/// Nobody waits for input: the next read gets it.
fn expect_no_reader(guest: &mut Guest) {
    assert_eq!(guest.domain.input(b"abc"), 3);
    assert_eq!(
        guest.ok(0, Op::CONSOLE_READ, [PAYLOAD, 8, 0]),
        3,
        "the input went to a reader that is no more"
    );
}

#[test]
fn a_read_goes_with_its_queue() {
    let mut guest = reading();
    guest.submit(0, 1, Op::VCPU_STOP, [1, 0, 0]);
    let _ = guest.kick(0);
    expect_no_reader(&mut guest);
    guest.domain.stopped(1);
    assert_eq!(guest.take(0, 0), [(1, Status::OK, 0)]);
}

#[test]
fn a_read_stays_when_another_queue_goes() {
    let mut guest = reading();
    guest.submit(0, 1, Op::VCPU_STOP, [2, 0, 0]);
    let _ = guest.kick(0);
    assert_eq!(guest.call(0, Op::CONSOLE_READ, [PAYLOAD, 8, 0]).0, Status::EXISTS);
    assert_eq!(guest.domain.input(b"abc"), 3);
    assert_eq!(guest.take(1, 0), [(5, Status::OK, 3)]);
}

#[test]
fn a_read_goes_with_its_session() {
    let mut guest = reading();
    guest.reset();
    guest.negotiate(Features::empty());
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    // Nothing of the old session is there to be cancelled.
    assert_eq!(guest.ok(1, Op::CANCEL, [5, 0, 0]), 0);
    expect_no_reader(&mut guest);
    assert_eq!(guest.take(1, 0), []);
}

#[test]
fn a_read_is_cancelled_by_its_own_queue_and_once() {
    let mut guest = reading();
    for (vcpu, id) in [(0, 5), (1, 4), (1, 6), (1, 63)] {
        assert_eq!(guest.ok(vcpu, Op::CANCEL, [id, 0, 0]), 0, "vCPU {vcpu}, id {id}");
    }
    guest.submit(1, 60, Op::CANCEL, [5, 0, 0]);
    let _ = guest.kick(1);
    assert_eq!(guest.take(1, 0), [(5, Status::CANCELLED, 0), (60, Status::OK, 1)]);
    assert_eq!(guest.ok(1, Op::CANCEL, [5, 0, 0]), 0);
    expect_no_reader(&mut guest);
}

#[test]
fn a_stop_is_not_cancelled() {
    let mut guest = reading();
    guest.submit(0, 7, Op::VCPU_STOP, [2, 0, 0]);
    let _ = guest.kick(0);
    assert_eq!(lasting(guest.actions()), [VcpuAction::Stop { vcpu: 2 }.into()]);
    assert_eq!(guest.ok(0, Op::CANCEL, [7, 0, 0]), 0);
    guest.domain.stopped(2);
    assert_eq!(guest.take(0, 0), [(7, Status::OK, 0)]);
}

#[test]
fn a_target_that_is_the_vcpu_itself_or_has_no_areas_is_a_bad_argument() {
    let mut guest = Guest::open(config(3));
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    guest.ok(0, Op::VCPU_START, [1, 0x1000, 0]);
    guest.actions();
    for args in [[1, 1, 0], [1, 2, 0]] {
        assert_eq!(guest.call(0, Op::VCPU_STOP, args).0, Status::BAD_ARGUMENT, "{args:?}");
    }
    assert_eq!(guest.call(0, Op::VCPU_STOP, [2, 0, 0]).0, Status::BAD_STATE, "it does not run");
    assert_eq!(guest.actions(), []);
}

#[test]
fn a_restart_is_the_end() {
    let mut guest = reading();
    guest.submit(0, 1, Op::RESTART, [0; 3]);
    guest.submit(0, 2, Op::NOP, [0; 3]);
    assert_eq!(guest.kick(0).fetched, 1);
    assert_eq!(guest.actions(), [LifecycleAction::Restart.into()]);
    assert_eq!((guest.kick(0).fetched, guest.take(0, 0)), (0, vec![]));
}
