// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain that is saved anywhere goes on elsewhere as if nothing had been, and a state that does not fit is
//! refused.

use crate::tools::{Guest, PAYLOAD, config, lasting, patchy};
use serde_json::Value;
use tenon_abi::status::QueueState;
use tenon_abi::vcpu::{guest as area, host};
use tenon_abi::{Features, Op, Status};
use tenon_host::loopback::Ram;
use tenon_host::{Action, ConsoleAction, Domain, Error, Misfit, Services, State, VcpuAction};

/// A guest with something of everything in flight.
fn busy(unwanted: Features) -> Guest {
    let mut guest = Guest::open_without(config(3), unwanted);
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    guest.ok(0, Op::VCPU_START, [1, 0x1000, 0]);
    guest.ok(0, Op::VCPU_START, [2, 0x1000, 0]);
    guest.ok(0, Op::VCPU_UPCALL, [0, 40, 0]);
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    guest.ok(0, Op::EVENT_BIND, [4, 0, 1]);
    guest.ok(0, Op::EVENT_BIND, [5, 1, 0]);
    guest.ok(0, Op::EVENT_BIND_DIRECT, [6, 0, 50]);
    guest.domain.raise(3).expect("bound");
    guest.domain.raise(4).expect("bound");
    guest.ok(0, Op::CONSOLE_WRITE, [PAYLOAD, 16, 0]);
    guest.ok(0, Op::CRASH, [PAYLOAD, 4, 77]);
    guest.submit(0, 1, Op::CONSOLE_READ, [PAYLOAD, 8, 0]);
    guest.submit(0, 2, Op::VCPU_STOP, [2, 0, 0]);
    let _ = guest.kick(0);
    // An id in flight twice: vCPU 1's queue is corrupt.
    guest.submit(1, 99, Op::NOP, [0; 3]);
    let _ = guest.kick(1);
    guest.actions();
    guest
}

#[test]
fn requests_in_flight_are_completed_by_the_restored_domain() {
    for unwanted in [Features::empty(), Features::WINDOW] {
        let mut guest = busy(unwanted);
        for _ in 0..3 {
            let told = lasting(guest.migrate());
            assert!(told.contains(&Action::Vcpu(VcpuAction::Stop { vcpu: 2 })), "nobody stops the vCPU");
            assert!(told.contains(&Action::Console(ConsoleAction::Output)), "output that nobody looks at");
        }
        assert_eq!(guest.domain.take_output().len(), 16);
        assert_eq!(guest.domain.crash_record().expect("it is kept").code, 77);
        assert_eq!(guest.domain.input(b"late"), 4);
        guest.domain.stopped(2);
        assert_eq!(guest.take(0, 0), [(1, Status::OK, 4), (2, Status::OK, 0)]);
        assert_eq!(guest.state(1, host::CALL_STATE).state, QueueState::CORRUPT);
        guest.submit(1, 1, Op::NOP, [0; 3]);
        assert_eq!(guest.kick(1).fetched, 0, "a corrupt queue stays corrupt");
    }
}

#[test]
fn untaken_events_are_not_raised_again_and_not_lost() {
    let mut guest = busy(Features::empty());
    guest.migrate();
    guest.domain.raise(3).expect("bound");
    assert_eq!((guest.entries(0, 0), guest.entries(0, 1)), (vec![3], vec![4]));
    guest.migrate();
    guest.set(0, area::TAKEN0, 1);
    guest.domain.raise(3).expect("bound");
    guest.domain.raise(4).expect("bound");
    assert_eq!((guest.entries(0, 0), guest.entries(0, 1)), (vec![3], vec![]));
}

#[test]
fn every_bound_vcpu_gets_an_upcall_after_a_restore() {
    let mut guest = busy(Features::empty());
    let upcalls = guest
        .migrate()
        .into_iter()
        .filter(|action| matches!(action, Action::Vcpu(VcpuAction::Upcall { .. })));
    assert_eq!(upcalls.collect::<Vec<_>>(), [Action::Vcpu(VcpuAction::Upcall { vcpu: 0, vector: 40 })]);
    // vCPU 1 has no vector yet: it is owed.
    guest.actions();
    guest.ok(0, Op::VCPU_UPCALL, [1, 41, 0]);
    assert!(guest.actions().contains(&Action::Vcpu(VcpuAction::Upcall { vcpu: 1, vector: 41 })));
}

#[test]
fn a_submission_that_was_not_fetched_is_fetched_by_the_restored_domain() {
    let mut guest = busy(Features::empty());
    guest.submit(0, 9, Op::NOP, [1234, 0, 0]);
    guest.migrate();
    let _ = guest.kick(0);
    assert_eq!(guest.take(0, 0), [(9, Status::OK, 1234)]);
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let guest = busy(Features::WINDOW);
    let state = || guest.domain.save();
    let restored = |state: State, memory: usize, window: usize| {
        let arena = Ram::new(memory, window).expect("memory");
        Domain::restore(state, patchy(&arena), Services::default()).err()
    };
    assert!(matches!(restored(state(), 1 << 20, 1 << 20), Some(Error::BadState(_))));
    assert!(matches!(restored(state(), 8 << 20, 4096), Some(Error::SmallWindow { .. })));
    let mut value = serde_json::to_value(state()).expect("a state can be written");
    value["version"] = 1.into();
    let other: State = serde_json::from_value(value).expect("it can be read");
    assert_eq!(restored(other, 8 << 20, 1 << 20), Some(Error::BadState(Misfit::Version)));
}

/// Some changes, of which each is a path and a value, that leave the numbers in range, and what has to be
/// said of them.
type Rule = (&'static [(&'static str, u64)], Misfit);

const RULES: &[Rule] = &[
    (&[("/session/granule", 13)], Misfit::Session),
    (&[("/config/granules", 1 << 16)], Misfit::Session),
    (&[("/config/features", 1)], Misfit::Session),
    (&[("/config/max_direct", 0)], Misfit::DirectPorts),
    // Where the other vCPU's areas lie: in memory, in the window, and where the record is.
    (&[("/vcpus/0/areas/place/guest", 0x14_1000)], Misfit::Overlap),
    (&[("/vcpus/0/areas/place/host", 0x2000)], Misfit::Overlap),
    (&[("/vcpus/0/areas/place/host", 0)], Misfit::Overlap),
    (&[("/ports/9/last", 0)], Misfit::UnboundPort),
    (&[("/ports/6/last", 0)], Misfit::DirectPort),
    (&[("/ports/6/target/Direct/vector", 31)], Misfit::DirectPort),
    (&[("/ports/6/target/Direct/vcpu", 2)], Misfit::Nowhere),
    (&[("/ports/3/target/Ring/vcpu", 2)], Misfit::Nowhere),
    (&[("/ports/3/target/Ring/vcpu", 3)], Misfit::Nowhere),
    (&[("/ports/3/target/Ring/class", 2)], Misfit::Nowhere),
    (&[("/ports/3/last", 1)], Misfit::NeverWritten),
    (&[("/ports/3/target/Ring/vcpu", 1)], Misfit::NeverWritten),
    (&[("/ports/5/target/Ring/vcpu", 0)], Misfit::RingPositions),
    (&[("/vcpus/0/areas/rings/0/reserved", 2)], Misfit::RingPositions),
    (&[("/vcpus/0/areas/rings/0/departed", 16)], Misfit::RingPositions),
    (&[("/vcpus/0/areas/rings/0/departed_until", 2)], Misfit::RingPositions),
    (&[("/vcpus/0/areas/rings/0/taken", 2)], Misfit::RingPositions),
    (&[("/vcpus/0/areas/rings/0/written", 17)], Misfit::RingPositions),
    (
        &[("/vcpus/0/areas/rings/0/written", 1 << 62), ("/vcpus/0/areas/rings/0/taken", 1 << 62)],
        Misfit::RingPositions,
    ),
    (&[("/families/console/read/id", 3)], Misfit::Stray),
    (&[("/families/console/read/id", 2)], Misfit::Stray),
    (&[("/families/console/read/queue", 1)], Misfit::Stray),
    (&[("/families/console/read/queue", 4)], Misfit::Stray),
    (&[("/vcpus/0/vector", 31)], Misfit::Vector),
    (&[("/vcpus/0/areas/call/in_flight/0", 14)], Misfit::QueuePositions),
    (&[("/vcpus/0/areas/call/completed", 0)], Misfit::QueuePositions),
    (&[("/vcpus/1/areas/call/fetched", 1), ("/vcpus/1/areas/call/in_flight/63", 1)], Misfit::QueuePositions),
    (
        &[("/vcpus/1/areas/emergency/fetched", 1), ("/vcpus/1/areas/emergency/in_flight/0", 2)],
        Misfit::QueuePositions,
    ),
    (
        &[("/vcpus/1/areas/emergency/fetched", 1), ("/vcpus/1/areas/emergency/in_flight/0", 1)],
        Misfit::Forgotten,
    ),
    (&[("/vcpus/1/areas/call/fetched", 1), ("/vcpus/1/areas/call/in_flight/0", 1)], Misfit::Forgotten),
];

/// What a restore says to a state that was changed.
fn refusal_of(state: Value) -> Option<Misfit> {
    let state: State = serde_json::from_value(state).expect("it can be read");
    let arena = Ram::new(8 << 20, 1 << 20).expect("memory");
    match Domain::restore(state, patchy(&arena), Services::default()) {
        Err(Error::BadState(why)) => Some(why),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

#[test]
fn a_state_of_fewer_ports_or_fewer_vcpus_is_refused() {
    let guest = Guest::open(config(3));
    let good = serde_json::to_value(guest.domain.save()).expect("a state can be written");
    for path in ["/ports", "/vcpus"] {
        let mut bad = good.clone();
        let list = bad.pointer_mut(path).and_then(Value::as_array_mut).expect("a list");
        assert!(list.pop().is_some(), "{path} is empty");
        assert_eq!(refusal_of(bad), Some(Misfit::Counts), "one of {path} is missing");
    }
}

#[test]
fn without_a_session_there_are_no_features_and_nothing_is_bound() {
    let state = |guest: &Guest| {
        let mut state = serde_json::to_value(guest.domain.save()).expect("a state can be written");
        assert_eq!(refusal_of(state.clone()), None);
        *state.pointer_mut("/session/granule").expect("it is there") = Value::Null;
        state
    };
    let mut features = Guest::open(config(1));
    features.reset();
    assert_eq!(refusal_of(state(&features)), None, "no session at all");
    features.negotiate(Features::empty());
    assert_eq!(refusal_of(state(&features)), Some(Misfit::Session), "features, and nothing is bound");
    let mut bound = Guest::open(config(1));
    bound.reset();
    bound.negotiate(Features::all());
    bound.bind(0);
    assert_eq!(refusal_of(state(&bound)), Some(Misfit::Session), "a bound vCPU, and no features");
}

#[test]
fn a_state_in_which_no_domain_can_be_is_refused() {
    let guest = busy(Features::empty());
    let good = serde_json::to_value(guest.domain.save()).expect("a state can be written");
    assert_eq!(refusal_of(good.clone()), None);
    for (changes, why) in RULES {
        let mut bad = good.clone();
        for &(path, value) in *changes {
            let place = bad.pointer_mut(path).unwrap_or_else(|| panic!("nothing is at {path}"));
            assert_ne!(*place, Value::from(value), "{path} is no change");
            *place = value.into();
        }
        assert_eq!(refusal_of(bad), Some(*why), "{changes:?}");
    }
    for (path, value, why) in [
        ("/session/granule", Value::Null, Misfit::Session),
        ("/families/console/read", Value::Null, Misfit::Stray),
        ("/late", Value::Array(Vec::new()), Misfit::Stray),
        ("/session/minor", 0.into(), Misfit::Session),
        ("/session/minor", 99.into(), Misfit::Session),
        ("/vcpus/2/stopping", false.into(), Misfit::NotStopping),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(path).expect("it is there") = value;
        assert_eq!(refusal_of(bad), Some(why), "{path}");
    }
    // A domain that has ended keeps the request that ended it.
    let mut ended = good;
    ended["ended"] = true.into();
    ended["families"]["console"]["read"] = Value::Null;
    ended["late"] = Value::Array(Vec::new());
    assert_eq!(refusal_of(ended), None);
}

/// Paths to every number, string and truth value of a state.
fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Array(all) => {
            for (index, part) in all.iter().enumerate().take(9) {
                leaves(part, format!("{path}/{index}"), found);
            }
        }
        Value::Object(all) => all.iter().for_each(|(key, part)| leaves(part, format!("{path}/{key}"), found)),
        _ => found.push(path),
    }
}

/// A file that was tampered with is no more than a wrong state: each number is set to each boundary, and what
/// can be restored is used.
#[test]
fn a_state_with_any_number_changed_is_refused_or_harmless() {
    let mut guest = busy(Features::empty());
    let good = serde_json::to_value(guest.domain.save()).expect("a state can be written");
    let mut paths = Vec::new();
    leaves(&good, String::new(), &mut paths);
    let (mut refused, mut restored) = (0, 0);
    for path in &paths {
        for value in
            [Value::Null, 0.into(), 1.into(), 65.into(), u32::MAX.into(), u64::MAX.into(), false.into()]
        {
            let mut bad = good.clone();
            *bad.pointer_mut(path).expect("it was found there") = value;
            let Ok(state) = serde_json::from_value::<State>(bad) else {
                refused += 1;
                continue;
            };
            let arena = Ram::new(guest.domain.memory().len.get() as usize, 0x4_0000).expect("memory");
            let Ok(mut domain) = Domain::restore(state, patchy(&arena), Services::default()) else {
                refused += 1;
                continue;
            };
            restored += 1;
            for queue in 0..8 {
                let _ = domain.serve(queue, 256);
            }
            (0..8).for_each(|port| drop(domain.raise(port)));
            domain.input(b"abc");
            (0..4).for_each(|vcpu| domain.stopped(vcpu));
            domain.control(0);
            while domain.next_action().is_some() {}
            let again = domain.save();
            assert_eq!(again, domain.save());
        }
    }
    assert!(paths.len() > 100 && refused > 100 && restored > 100, "{} {refused} {restored}", paths.len());
    guest.actions();
}
