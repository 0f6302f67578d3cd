// SPDX-License-Identifier: MIT OR Apache-2.0
//! What calls answer at the edges of their arguments, on which lane they are taken, and who is told of
//! answers (CALL-11, CALL-16, CALL-23, CALL-26).

use crate::tools::{Guest, PAYLOAD, config};
use tenon_abi::vcpu::{guest as area, host};
use tenon_abi::{Features, Op, Status, Submission, Tail};
use tenon_host::{Action, ConsoleAction, EventAction, VcpuAction};

fn guest() -> Guest {
    let mut guest = Guest::open(config(2));
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    guest
}

/// One call on the emergency lane of vCPU 0.
fn emergency(guest: &mut Guest, submission: Submission) -> (Status, u64) {
    guest.publish(0, 1, 0, submission);
    assert_eq!(guest.domain.serve(1, 9).fetched, 1);
    let taken = guest.take(0, 1);
    assert_eq!(taken.len(), 1);
    (taken[0].1, taken[0].2)
}

#[test]
fn a_number_that_is_out_of_range_is_a_bad_argument() {
    let mut guest = guest();
    // Of vCPUs there are 2, of ports 1024, of classes 2; interrupts are 32 to 255.
    let mut calls =
        vec![(Op::CANCEL, [64, 0, 0]), (Op::CANCEL, [1 << 16, 0, 0]), (Op::REGION_QUERY, [1 << 16, 0, 0])];
    calls.extend([(Op::PROBE, [1 << 16, 0, 0]), (Op::EXIT, [1 << 32, 0, 0])]);
    for vcpu in [2, 3, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        calls.extend([
            (Op::EVENT_BIND, [1, vcpu, 0]),
            (Op::EVENT_BIND_DIRECT, [1, vcpu, 40]),
            (Op::EVENT_MOVE, [1, vcpu, 0]),
            (Op::VCPU_START, [vcpu, 0, 0]),
            (Op::VCPU_STOP, [vcpu, 0, 0]),
            (Op::VCPU_STOP, [1, vcpu, 0]),
            (Op::VCPU_UPCALL, [vcpu, 40, 0]),
        ]);
    }
    for port in [1024, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        calls.extend([Op::EVENT_UNBIND, Op::EVENT_SIGNAL].map(|op| (op, [port, 0, 0])));
        calls.extend([(Op::EVENT_BIND, [port, 0, 0]), (Op::EVENT_BIND_DIRECT, [port, 0, 40])]);
        calls.push((Op::EVENT_MOVE, [port, 0, 0]));
    }
    for class in [2, 1 << 32] {
        calls.extend([(Op::EVENT_BIND, [1, 0, class]), (Op::EVENT_MOVE, [1, 0, class])]);
    }
    for vector in [31, 256, 1 << 32, 40 | 1 << 32] {
        calls.extend([(Op::EVENT_BIND_DIRECT, [1, 0, vector]), (Op::VCPU_UPCALL, [0, vector, 0])]);
    }
    for (op, args) in calls {
        assert_eq!(guest.call(0, op, args), (Status::BAD_ARGUMENT, 0), "{op:?} {args:x?}");
    }
    assert_eq!(guest.actions(), []);
    // The last ones that there are.
    guest.ok(0, Op::EVENT_BIND, [1023, 1, 1]);
    guest.ok(0, Op::EVENT_SIGNAL, [1023, 0, 0]);
    assert_eq!(guest.entries(1, 1), [1023]);
    guest.ok(0, Op::EVENT_UNBIND, [1023, 0, 0]);
    assert_eq!(guest.call(0, Op::EVENT_SIGNAL, [1023, 0, 0]).0, Status::NOT_FOUND);
    guest.ok(0, Op::VCPU_UPCALL, [1, 255, 0]);
}

#[test]
fn a_probe_says_what_there_is_and_what_may_be_done_twice() {
    let mut guest = Guest::open_without(config(1), Features::SMP);
    guest.bind(0);
    for (op, value) in [
        (Op::NOP, 3),
        (Op::PROBE, 3),
        (Op::REGION_QUERY, 3),
        (Op::VCPU_UPCALL, 3),
        (Op::CONSOLE_WRITE, 1),
        (Op::EXIT, 1),
        (Op::VCPU_START, 0),
        (Op::VCPU_STOP, 0),
        (Op(0x7fff), 0),
        (Op(0), 0),
    ] {
        assert_eq!(guest.ok(0, Op::PROBE, [op.0.into(), 0, 0]), value, "{op:?}");
    }
    assert_eq!(guest.call(0, Op::VCPU_START, [0; 3]).0, Status::NOT_SUPPORTED);
    assert_eq!(guest.call(0, Op(0x7fff), [0; 3]).0, Status::NOT_SUPPORTED);
}

#[test]
fn the_emergency_lane_takes_what_it_is_for() {
    let mut guest = guest();
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    for op in
        [Op::PROBE, Op::EVENT_SIGNAL, Op::EVENT_UNBIND, Op::REGION_QUERY, Op::CONSOLE_READ, Op::VCPU_STOP]
    {
        let answer = emergency(&mut guest, Submission::new(op, [3, 0, 0, 0, 0, 0]));
        assert_eq!(answer, (Status::NOT_SUPPORTED, 0), "{op:?}");
    }
    // A range may lie in memory that is not in order any more.
    let ranged = Submission::new(Op::CONSOLE_WRITE, [PAYLOAD, 4, 0, 0, 0, 0]);
    assert_eq!(emergency(&mut guest, ranged).0, Status::NOT_SUPPORTED);
    let inline = Submission::with_inline(Op::CONSOLE_WRITE, b"help").expect("four bytes");
    assert_eq!(emergency(&mut guest, inline), (Status::OK, 4));
    assert_eq!(guest.domain.take_output(), b"help");
    assert_eq!(emergency(&mut guest, Submission::new(Op::NOP, [7, 0, 0, 0, 0, 0])), (Status::OK, 7));
    assert_eq!(emergency(&mut guest, Submission::new(Op::CRASH, [PAYLOAD, 0, 9, 0, 0, 0])), (Status::OK, 0));
    assert_eq!(guest.domain.crash_record().expect("it is kept").code, 9);
    assert_eq!(guest.entries(0, 0), Vec::<u32>::new());
    // Both lanes are what they were.
    assert_eq!(guest.ok(0, Op::NOP, [8, 0, 0]), 8);
}

#[test]
fn an_armed_completion_is_told_and_no_other() {
    let mut guest = guest();
    guest.ok(0, Op::VCPU_UPCALL, [0, 40, 0]);
    guest.actions();
    let upcall: Action = VcpuAction::Upcall { vcpu: 0, vector: 40 }.into();
    // One is taken: the next stands at 1.
    guest.set(0, area::COMPLETIONS_ARMED, 2);
    guest.submit(0, 1, Op::NOP, [0; 3]);
    let _ = guest.kick(0);
    assert_eq!(guest.actions(), [], "that of position 2 was asked for");
    // Nothing is fetched, and nobody is told of what was not.
    guest.set(0, area::COMPLETIONS_ARMED, 1);
    assert_eq!((guest.kick(0).fetched, guest.actions()), (0, vec![]));
    guest.submit(0, 2, Op::NOP, [0; 3]);
    let _ = guest.kick(0);
    assert_eq!(guest.actions(), std::slice::from_ref(&upcall));
    // A completion that comes late is told as well.
    guest.submit(0, 3, Op::CONSOLE_READ, [PAYLOAD, 8, 0]);
    let _ = guest.kick(0);
    guest.set(0, area::COMPLETIONS_ARMED, 3);
    assert_eq!(guest.actions(), []);
    guest.domain.input(b"x");
    assert_eq!(guest.actions(), [upcall]);
    // The emergency lane is looked at by who uses it.
    guest.set(0, area::COMPLETIONS_ARMED, 2);
    emergency(&mut guest, Submission::new(Op::NOP, [0; 6]));
    assert_eq!(guest.actions(), []);
    // Without UPCALL there is none.
    let mut guest = Guest::open_without(config(1), Features::UPCALL);
    guest.bind(0);
    guest.set(0, area::COMPLETIONS_ARMED, 0);
    guest.ok(0, Op::NOP, [0; 3]);
    assert_eq!(guest.actions(), []);
}

#[test]
fn a_host_that_rests_says_so_and_looks_once_more() {
    let mut guest = guest();
    assert!(guest.domain.rest(0), "nothing is there");
    assert_eq!(guest.shown(0, host::KICK_WANTED), 1 << 32);
    guest.submit(0, 1, Op::NOP, [0; 3]);
    assert!(!guest.domain.rest(0), "something came meanwhile");
    let _ = guest.kick(0);
    assert!(guest.domain.rest(0));
    assert_eq!(guest.shown(0, host::KICK_WANTED), 1 << 32 | 1);
    guest.publish(0, 1, 0, Submission::new(Op::NOP, [0; 6]));
    assert!(guest.domain.rest(1), "the emergency lane is always rung for");
    assert!(guest.domain.rest(4) && guest.domain.rest(u32::MAX), "a queue that is not bound");
}

#[test]
fn the_state_words_of_a_queue_and_its_lane_lie_apart() {
    for lane in [0, 1] {
        let mut guest = guest();
        let offsets = [host::CALL_STATE, host::EMERGENCY_STATE];
        let before = offsets.map(|offset| guest.shown(0, offset));
        guest.publish(0, lane, 99, Submission::new(Op::NOP, [0; 6]));
        let _ = guest.domain.serve(lane as u32, 9);
        let after = offsets.map(|offset| guest.shown(0, offset));
        assert_ne!(after[lane], before[lane], "lane {lane}");
        assert_eq!(after[1 - lane], before[1 - lane], "lane {lane}");
        // The completions behind them are as they were.
        assert_eq!(Tail::from_word(guest.shown(0, host::COMPLETIONS + 8)).turn, 0);
    }
}

#[test]
fn a_session_has_a_number_and_a_seed_of_its_own() {
    let mut guest = guest();
    let mut seen = std::collections::BTreeSet::new();
    for lap in 0..100 {
        let session = tenon_abi::discovery::Session::from_word(guest.window(0x80));
        assert_eq!(session.number, guest.domain.session());
        assert_eq!(session.number, lap + 1);
        assert!(tenon_abi::discovery::seed_is_valid(session.seed));
        assert_eq!(session.seed & 1, (lap & 1) ^ (first_seed() & 1), "it differs by an odd number");
        assert!(seen.insert(session.seed), "a seed again after {lap} sessions");
        guest.reset();
    }
}

/// The first seed of the configuration of these tests.
fn first_seed() -> u32 {
    tenon_abi::discovery::Session::from_word(Guest::open(config(1)).window(0x80)).seed
}

#[test]
fn a_reset_keeps_what_is_to_be_done_and_drops_interrupts() {
    let mut guest = guest();
    guest.ok(0, Op::VCPU_UPCALL, [0, 40, 0]);
    guest.ok(0, Op::EVENT_BIND_DIRECT, [6, 0, 50]);
    guest.ok(0, Op::EVENT_BIND, [7, 0, 0]);
    (6..8).for_each(|port| guest.domain.raise(port).expect("bound"));
    guest.ok(0, Op::CONSOLE_WRITE, [PAYLOAD, 5, 0]);
    guest.reset();
    let told = guest.actions();
    let lost = |action: &Action| {
        matches!(action, Action::Vcpu(VcpuAction::Upcall { .. }) | Action::Event(EventAction::Raise { .. }))
    };
    assert!(!told.iter().any(lost), "{told:?}");
    let kept: [Action; 3] = [
        VcpuAction::Route { vcpu: 0, vector: Some(40) }.into(),
        EventAction::Route { port: 6, vcpu: 0, vector: 50 }.into(),
        ConsoleAction::Output.into(),
    ];
    assert!(kept.iter().all(|action| told.contains(action)), "{told:?}");
}
