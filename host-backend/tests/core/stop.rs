// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stop is told to whoever asked for it, and to nobody who has the same id later (VCPU-6, SES-7, CALL-7).

use crate::tools::{Guest, PAYLOAD, config, lasting};
use tenon_abi::{Op, Status};
use tenon_host::{Action, VcpuAction};

/// vCPU 0 has asked that vCPU 1 stop, with id 5, and the attachment has not confirmed it.
fn stopping() -> Guest {
    let mut guest = Guest::open(config(3));
    (0..3).for_each(|vcpu| guest.bind(vcpu));
    guest.ok(0, Op::VCPU_START, [1, 0x1000, 0]);
    guest.ok(0, Op::VCPU_START, [2, 0x1000, 0]);
    guest.submit(0, 5, Op::VCPU_STOP, [1, 0, 0]);
    assert_eq!(guest.kick(0).fetched, 1);
    assert_eq!(guest.take(0, 0), []);
    assert!(guest.actions().contains(&Action::Vcpu(VcpuAction::Stop { vcpu: 1 })));
    guest
}

/// A read under id 5 is completed by input and by nothing else.
fn expect_read_to_survive(guest: &mut Guest) {
    guest.submit(0, 5, Op::CONSOLE_READ, [PAYLOAD, 8, 0]);
    let _ = guest.kick(0);
    guest.domain.stopped(1);
    assert_eq!(guest.take(0, 0), [], "the stop was told to another request");
    assert_eq!(guest.domain.input(b"abc"), 3);
    assert_eq!(guest.take(0, 0), [(5, Status::OK, 3)]);
}

#[test]
fn a_stop_is_told_when_the_vcpu_has_stopped() {
    let mut guest = stopping();
    guest.domain.stopped(1);
    assert_eq!(guest.take(0, 0), [(5, Status::OK, 0)]);
    guest.domain.stopped(1);
    guest.domain.stopped(9);
    assert_eq!(guest.take(0, 0), []);
    guest.bind(1);
    guest.ok(0, Op::VCPU_START, [1, 0x1000, 0]);
}

#[test]
fn a_reset_forgets_who_asked_for_a_stop() {
    let mut guest = stopping();
    guest.reset();
    guest.negotiate(tenon_abi::Features::empty());
    guest.bind(0);
    expect_read_to_survive(&mut guest);
}

#[test]
fn a_queue_that_was_let_go_is_told_nothing_when_it_is_bound_anew() {
    let mut guest = stopping();
    guest.submit(2, 1, Op::VCPU_STOP, [0, 2, 0]);
    let _ = guest.kick(2);
    assert_eq!(lasting(guest.actions()), [Action::Vcpu(VcpuAction::Stop { vcpu: 0 })]);
    guest.domain.stopped(0);
    assert_eq!(guest.take(2, 0), [(1, Status::OK, 0)]);
    guest.bind(0);
    expect_read_to_survive(&mut guest);
}

#[test]
fn a_vcpu_that_stops_itself_is_told_nothing_even_if_it_is_bound_before_it_has() {
    let mut guest = Guest::open(config(2));
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    guest.ok(1, Op::VCPU_START, [1, 0x1000, 0]);
    guest.submit(1, 5, Op::VCPU_STOP, [1, 0, 0]);
    let _ = guest.kick(1);
    guest.bind(1);
    guest.submit(1, 5, Op::CONSOLE_READ, [PAYLOAD, 8, 0]);
    let _ = guest.kick(1);
    guest.domain.stopped(1);
    assert_eq!(guest.take(1, 0), []);
    assert_eq!(guest.call(0, Op::VCPU_STOP, [1, 0, 0]).0, Status::BAD_STATE, "it runs no more");
}

#[test]
fn a_stop_moves_what_was_raised_and_loses_nothing() {
    let mut guest = Guest::open(config(2));
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    guest.ok(0, Op::VCPU_START, [1, 0x1000, 0]);
    for port in 0..4 {
        guest.ok(0, Op::EVENT_BIND, [port, 1, port & 1]);
    }
    guest.domain.raise(0).expect("bound");
    guest.domain.raise(3).expect("bound");
    guest.submit(0, 5, Op::VCPU_STOP, [1, 0, 0]);
    let _ = guest.kick(0);
    guest.domain.stopped(1);
    assert_eq!(guest.entries(0, 0), [0]);
    assert_eq!(guest.entries(0, 1), [3]);
    guest.domain.raise(1).expect("it is bound to the other vCPU now");
    assert_eq!(guest.entries(0, 1), [1]);
}

#[test]
fn a_stop_that_finds_no_room_changes_nothing() {
    let mut guest = Guest::open(config(2));
    guest.bind(0);
    let crowded = tenon_abi::vcpu::Sizes { depth: 64, events: [2, 16] };
    assert_eq!(guest.try_bind(1, crowded), Status::OK);
    guest.ok(0, Op::VCPU_START, [1, 0x1000, 0]);
    for port in 0..3 {
        guest.ok(0, Op::EVENT_BIND, [port, 0, 0]);
    }
    // Three ports do not fit into the two entries of the target, however often it is tried.
    for _ in 0..20 {
        assert_eq!(guest.call(1, Op::VCPU_STOP, [0, 1, 0]).0, Status::NO_CAPACITY);
    }
    guest.ok(0, Op::EVENT_BIND, [10, 1, 0]);
    guest.ok(0, Op::EVENT_BIND, [11, 1, 0]);
    assert_eq!(guest.call(0, Op::EVENT_BIND, [12, 1, 0]).0, Status::NO_CAPACITY);
    guest.domain.raise(2).expect("bound where it was");
    assert_eq!(guest.entries(0, 0), [2]);
}
