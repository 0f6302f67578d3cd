// SPDX-License-Identifier: MIT OR Apache-2.0
//! Direct ports: an interrupt each, so each is counted (EVT-22).

use crate::tools::{Guest, config, lasting};
use tenon_abi::{Features, Op, Status};
use tenon_host::{Action, EventAction, VcpuAction};

fn guest(most: u32) -> Guest {
    let mut config = config(2);
    config.max_direct = most;
    let mut guest = Guest::open(config);
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    guest
}

#[test]
fn a_guest_gets_no_more_interrupt_lines_than_its_host_has() {
    let mut guest = guest(3);
    for port in 0..3 {
        guest.ok(0, Op::EVENT_BIND_DIRECT, [port, 0, 40]);
    }
    for port in 3..10 {
        assert_eq!(guest.call(0, Op::EVENT_BIND_DIRECT, [port, 0, 40]).0, Status::NO_CAPACITY);
        assert!(guest.domain.raise(port as u32).is_err(), "a refused port is not bound");
    }
    guest.actions();
    guest.ok(0, Op::EVENT_UNBIND, [1, 0, 0]);
    assert_eq!(guest.actions(), [Action::Event(EventAction::Unroute { port: 1 })]);
    guest.ok(0, Op::EVENT_BIND_DIRECT, [7, 0, 40]);
    // One that becomes an ordinary port gives its line back.
    guest.ok(0, Op::EVENT_MOVE, [7, 0, 0]);
    guest.ok(0, Op::EVENT_BIND_DIRECT, [8, 0, 40]);
    assert_eq!(guest.call(0, Op::EVENT_BIND_DIRECT, [9, 0, 40]).0, Status::NO_CAPACITY);
    guest.reset();
    guest.negotiate(Features::empty());
    guest.bind(0);
    for port in 0..3 {
        guest.ok(0, Op::EVENT_BIND_DIRECT, [port, 0, 40]);
    }
}

#[test]
fn a_stop_takes_direct_ports_along() {
    let mut guest = guest(2);
    guest.ok(0, Op::VCPU_START, [1, 0x1000, 0]);
    guest.ok(0, Op::EVENT_BIND_DIRECT, [5, 1, 44]);
    guest.actions();
    guest.submit(0, 1, Op::VCPU_STOP, [1, 0, 0]);
    let _ = guest.kick(0);
    let routed = Action::Event(EventAction::Route { port: 5, vcpu: 0, vector: 44 });
    assert_eq!(guest.actions(), [routed, Action::Vcpu(VcpuAction::Stop { vcpu: 1 })]);
    guest.domain.raise(5).expect("bound");
    assert_eq!(guest.actions(), [Action::Event(EventAction::Raise { port: 5, vcpu: 0, vector: 44 })]);
    guest.ok(0, Op::EVENT_BIND_DIRECT, [6, 0, 44]);
    assert_eq!(guest.call(0, Op::EVENT_BIND_DIRECT, [7, 0, 44]).0, Status::NO_CAPACITY);
}

#[test]
fn a_new_attachment_is_told_every_route() {
    let mut guest = guest(2);
    guest.ok(0, Op::EVENT_BIND_DIRECT, [5, 1, 44]);
    guest.ok(0, Op::VCPU_UPCALL, [0, 40, 0]);
    guest.actions();
    let told = lasting(guest.migrate());
    assert!(told.contains(&Action::Event(EventAction::Route { port: 5, vcpu: 1, vector: 44 })));
    assert!(told.contains(&Action::Vcpu(VcpuAction::Route { vcpu: 0, vector: Some(40) })));
    guest.ok(0, Op::EVENT_BIND_DIRECT, [6, 0, 44]);
    assert_eq!(guest.call(0, Op::EVENT_BIND_DIRECT, [7, 0, 44]).0, Status::NO_CAPACITY);
}

#[test]
fn a_vector_is_one_that_the_processor_leaves_to_kernels() {
    let mut guest = guest(2);
    for vector in [0, 1, 31, 256, u64::MAX] {
        assert_eq!(guest.call(0, Op::EVENT_BIND_DIRECT, [5, 0, vector]).0, Status::BAD_ARGUMENT);
    }
    assert_eq!(guest.actions(), []);
}
