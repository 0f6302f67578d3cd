// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest does to its rings' control words, and what stands in their state words afterwards (CALL-15,
//! EVT-8 to EVT-11, EVT-20).

use crate::tools::{Guest, config};
use tenon_abi::status::{QueueState, StateWord};
use tenon_abi::vcpu::{guest as area, host};
use tenon_abi::{Op, Reason, Status};
use tenon_host::{Action, VcpuAction};

fn two_vcpus() -> Guest {
    let mut guest = Guest::open(config(2));
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    guest
}

fn corrupt(reason: Reason, position: u32) -> StateWord {
    StateWord { state: QueueState::CORRUPT, reason, position }
}

fn upcalls(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Vcpu(VcpuAction::Upcall { .. }))).count()
}

#[test]
fn a_breach_that_shows_when_a_port_is_released_is_told() {
    for (op, args) in [(Op::EVENT_UNBIND, [3, 0, 0]), (Op::EVENT_MOVE, [3, 1, 0])] {
        let mut guest = two_vcpus();
        guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
        guest.set(0, area::TAKEN0, 9);
        guest.ok(0, op, args);
        assert_eq!(guest.state(0, host::EVENT_STATE0), corrupt(Reason::BAD_TAKEN, 0), "{op:?}");
        assert_eq!(guest.state(0, host::EVENT_STATE1).state, QueueState::RUNNING);
    }
}

#[test]
fn an_entry_that_was_written_before_the_ring_broke_is_raised_where_its_port_moves() {
    let mut guest = two_vcpus();
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    guest.set(0, area::ARMED0, 1 << 32);
    guest.domain.raise(3).expect("bound");
    assert_eq!(guest.state(0, host::EVENT_STATE0), corrupt(Reason::BAD_ARMED, 1));
    guest.ok(0, Op::EVENT_MOVE, [3, 1, 1]);
    assert_eq!(guest.entries(1, 1), [3], "the event was lost");
}

#[test]
fn a_port_that_moved_has_moved_even_if_its_new_ring_breaks_by_that() {
    let mut guest = two_vcpus();
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    guest.domain.raise(3).expect("bound");
    guest.set(1, area::ARMED0, 1 << 32);
    guest.ok(0, Op::EVENT_MOVE, [3, 1, 0]);
    assert_eq!(guest.entries(1, 0), [3]);
    assert_eq!(guest.state(1, host::EVENT_STATE0), corrupt(Reason::BAD_ARMED, 1));
    assert_eq!(guest.call(0, Op::EVENT_SIGNAL, [3, 0, 0]).0, Status::BAD_STATE);
    assert_eq!(guest.call(0, Op::EVENT_BIND, [4, 1, 0]).0, Status::BAD_STATE);
    guest.ok(0, Op::EVENT_MOVE, [3, 0, 0]);
    assert_eq!(guest.entries(0, 0), [3, 3], "it was untaken");
}

#[test]
fn what_was_latched_first_stands() {
    let mut guest = two_vcpus();
    guest.submit(0, 0, Op::NOP, [0; 3]);
    guest.submit(0, 64, Op::NOP, [0; 3]);
    guest.set(0, area::COMPLETIONS_ARMED, 1 << 32);
    let _ = guest.kick(0);
    assert_eq!(guest.state(0, host::CALL_STATE), corrupt(Reason::BAD_ID, 1));
    let _ = guest.kick(0);
    assert_eq!(guest.state(0, host::CALL_STATE), corrupt(Reason::BAD_ID, 1));
}

#[test]
fn a_storm_costs_one_entry_and_one_upcall() {
    let mut guest = two_vcpus();
    guest.ok(0, Op::VCPU_UPCALL, [0, 40, 0]);
    for port in 0..8 {
        guest.ok(0, Op::EVENT_BIND, [port, 0, 0]);
    }
    guest.actions();
    for _ in 0..10_000 {
        (0..8).for_each(|port| guest.domain.raise(port).expect("bound"));
    }
    assert_eq!(upcalls(&guest.actions()), 1);
    assert_eq!(guest.entries(0, 0), [0, 1, 2, 3, 4, 5, 6, 7]);
    // Taken and not armed again: new entries, no upcall.
    guest.set(0, area::TAKEN0, 8);
    (0..8).for_each(|port| guest.domain.raise(port).expect("bound"));
    assert_eq!(upcalls(&guest.actions()), 0);
    assert_eq!(guest.entries(0, 0).len(), 8);
}

#[test]
fn upcalls_that_wait_are_one_whatever_owes_them() {
    let mut guest = two_vcpus();
    guest.ok(0, Op::VCPU_UPCALL, [0, 40, 0]);
    guest.ok(0, Op::EVENT_BIND, [1, 0, 0]);
    guest.ok(0, Op::EVENT_BIND, [2, 0, 1]);
    guest.actions();
    let completed = 4;
    guest.set(0, area::COMPLETIONS_ARMED, completed);
    guest.submit(0, 7, Op::NOP, [0; 3]);
    guest.submit(0, 8, Op::EVENT_SIGNAL, [1, 0, 0]);
    guest.submit(0, 9, Op::EVENT_SIGNAL, [2, 0, 0]);
    let _ = guest.kick(0);
    assert_eq!(guest.actions(), [Action::Vcpu(VcpuAction::Upcall { vcpu: 0, vector: 40 })]);
}

#[test]
fn an_upcall_that_is_owed_before_there_is_a_vector_is_sent_once() {
    let mut guest = two_vcpus();
    guest.ok(0, Op::EVENT_BIND, [1, 0, 0]);
    guest.domain.raise(1).expect("bound");
    assert_eq!(guest.actions(), []);
    guest.ok(0, Op::VCPU_UPCALL, [0, 40, 0]);
    assert_eq!(
        guest.actions(),
        [
            Action::Vcpu(VcpuAction::Route { vcpu: 0, vector: Some(40) }),
            Action::Vcpu(VcpuAction::Upcall { vcpu: 0, vector: 40 })
        ]
    );
    guest.ok(0, Op::VCPU_UPCALL, [0, 41, 0]);
    assert_eq!(guest.actions(), [Action::Vcpu(VcpuAction::Route { vcpu: 0, vector: Some(41) })]);
}

#[test]
fn ports_that_come_and_go_faster_than_they_are_taken_do_not_use_a_ring_up() {
    let mut guest = two_vcpus();
    for round in 0..100_u64 {
        let port = round % 64;
        let (status, _) = guest.call(0, Op::EVENT_BIND, [port, 0, 0]);
        assert_eq!(status, if round < 16 { Status::OK } else { Status::NO_CAPACITY }, "round {round}");
        if status == Status::OK {
            guest.domain.raise(round as u32).expect("bound");
            guest.ok(0, Op::EVENT_UNBIND, [port, 0, 0]);
        }
    }
    assert_eq!(guest.entries(0, 0).len(), 16);
    guest.set(0, area::TAKEN0, 16);
    (0..16).for_each(|port| assert_eq!(guest.ok(0, Op::EVENT_BIND, [port, 0, 0]), 0));
}
