// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain that is restored, once or twice; what its guest and its embedder learn of it; suspension.

use crate::tools::{Guest, config, patchy, services};
use tenon_abi::lifecycle::page;
use tenon_abi::{Features, Op, Status};
use tenon_host::{Action, Domain, Error, LifecycleAction, Misfit, Services, State};

fn open() -> Guest {
    let mut guest = Guest::open(config(2).with_generation());
    guest.bind(0);
    guest
}

/// Sequence and id as the page in the window says them.
fn told(guest: &mut Guest) -> (u64, [u64; 2]) {
    let at = guest.ok(0, Op::PAGE, [2, 0]);
    let sequence = guest.window(at + page::SEQUENCE);
    let copy = if sequence.is_multiple_of(2) { page::COPY0 } else { page::COPY1 };
    (sequence, [guest.window(at + copy), guest.window(at + copy + 8)])
}

fn id(guest: &Guest) -> [u64; 2] {
    guest.domain.generation().expect("it is offered").id()
}

fn is_repaired(guest: &Guest) -> bool {
    guest.domain.generation().expect("it is offered").is_repaired()
}

/// A state as it comes out of a file.
fn saved(guest: &Guest) -> State {
    let text = serde_json::to_string(&guest.domain.save()).expect("a state can be written");
    serde_json::from_str(&text).expect("a state can be read")
}

#[test]
fn a_domain_that_is_restored_twice_gives_two_guests_with_different_ids() {
    let mut guest = open();
    assert!(is_repaired(&guest), "the first generation has no copy");
    let first = told(&mut guest);
    assert_eq!(first.1, id(&guest));
    let state = saved(&guest);
    let [mut one, mut two] = [state.clone(), state].map(|state| guest.fork(state).expect("it fits"));
    let (first_of_one, first_of_two) = (told(&mut one), told(&mut two));
    assert_eq!((first_of_one.1, first_of_two.1), (id(&one), id(&two)));
    assert!(first.1 != first_of_one.1 && first.1 != first_of_two.1 && first_of_one.1 != first_of_two.1);
    assert!(first_of_one.0 > first.0 && first_of_two.0 > first.0, "a sequence of before (PAGE-7)");
    assert!(!is_repaired(&one) && !is_repaired(&two));
    // Each repairs its own generation, and neither that of the other.
    let [a, b] = [id(&one), id(&two)];
    assert_eq!(one.call(0, Op::REPAIRED, b), (Status::BAD_STATE, 0));
    assert_eq!(two.call(0, Op::REPAIRED, a), (Status::BAD_STATE, 0));
    assert_eq!((one.actions(), is_repaired(&one)), (vec![], false));
    one.ok(0, Op::REPAIRED, a);
    assert_eq!(one.actions(), [Action::Lifecycle(LifecycleAction::Repaired { id: a })]);
    assert!(is_repaired(&one) && !is_repaired(&two));
}

/// What was repaired is saved, and what goes on from it alone is what it was.
#[test]
fn a_domain_that_moves_keeps_its_generation() {
    let mut guest = open();
    let mut other = guest.fork(saved(&guest).moved()).expect("it fits");
    assert_eq!((id(&other), is_repaired(&other)), (id(&guest), true));
    let (before, after) = (told(&mut guest), told(&mut other));
    assert_eq!(after.1, before.1);
    assert!(after.0 > before.0, "the page is written with a larger sequence (PAGE-7)");
    let mut clone = guest.fork(saved(&guest)).expect("it fits");
    let mut moved = clone.fork(saved(&clone).moved()).expect("it fits");
    assert_eq!((id(&moved), is_repaired(&moved)), (id(&clone), false));
    let its = id(&clone);
    clone.ok(0, Op::REPAIRED, its);
    moved = clone.fork(saved(&clone).moved()).expect("it fits");
    assert_eq!((id(&moved), is_repaired(&moved)), (its, true), "REPAIRED is part of the state");
    let again = clone.fork(saved(&clone)).expect("it fits");
    assert!(!is_repaired(&again), "another restore is another generation");
}

/// The guest had submitted REPAIRED when its state was saved, and nobody had fetched it.
#[test]
fn a_repair_that_was_not_fetched_does_not_open_the_gate_of_the_clone() {
    let mut guest = open();
    let state = saved(&guest);
    let mut clone = guest.fork(state).expect("it fits");
    let its = id(&clone);
    clone.submit(0, 7, Op::REPAIRED, its);
    let [mut one, mut two] = [0; 2].map(|_| clone.fork(saved(&clone)).expect("it fits"));
    for other in [&mut one, &mut two] {
        assert_eq!(other.kick(0).fetched, 1);
        assert_eq!(other.take(0, 0), [(7, Status::BAD_STATE, 0)]);
        assert!(!is_repaired(other));
        assert!(!other.actions().iter().any(|action| matches!(action, Action::Lifecycle(_))));
    }
    // Where it was meant, it counts.
    assert_eq!(clone.kick(0).fetched, 1);
    assert!(is_repaired(&clone));
    guest.ok(0, Op::NOP, [1]);
}

#[test]
fn a_generation_outlives_a_reset_and_not_the_loss_of_its_host() {
    let mut guest = open();
    let first = id(&guest);
    guest.reset();
    guest.negotiate(Features::empty());
    guest.bind(0);
    assert_eq!(told(&mut guest).1, first);
    let (sequence, _) = told(&mut guest);
    guest.domain =
        Domain::recover(config(2).with_generation(), patchy(&guest.arena), services()).expect("it fits");
    assert!(
        id(&guest) != first && !is_repaired(&guest),
        "a host that lost its id cannot say that it is the same"
    );
    guest.negotiate(Features::empty());
    guest.bind(0);
    assert!(told(&mut guest).0 > sequence);
}

#[test]
fn without_a_source_of_ids_there_is_no_generation() {
    let offered = config(1).with_generation();
    let guest = Guest::open(offered.clone());
    let none = Domain::with(offered.clone(), patchy(&guest.arena), Services::default()).expect("it fits");
    assert!(!none.config().features.contains(Features::GENERATION));
    assert_eq!(none.generation(), None);
    let mut empty = Services::default();
    empty.generation = Some(Box::new(|_| false));
    let refused = Domain::with(offered, patchy(&guest.arena), empty);
    assert_eq!(refused.err(), Some(Error::NoGeneration));
    let refused = Domain::restore(guest.domain.save(), patchy(&guest.arena), Services::default());
    assert_eq!(refused.err(), Some(Error::BadState(Misfit::NoService)));
}

#[test]
fn a_state_is_put_back_twice_and_each_time_the_id_is_another_one() {
    let mut guest = open();
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    guest.ok(0, Op::VCPU_UPCALL, [0, 40]);
    let first = told(&mut guest);
    guest.actions();
    let state = saved(&guest);
    let mut seen = vec![first];
    for _ in 0..3 {
        guest.domain.put_back(state.clone()).expect("it is its own");
        seen.push(told_quietly(&guest));
    }
    for (index, (sequence, id)) in seen.iter().enumerate() {
        for (later, other) in &seen[index + 1..] {
            assert!(later > sequence, "a sequence that was there before (PAGE-7)");
            assert_ne!(other, id, "an id that was there before");
        }
    }
    // It goes on: what was submitted meanwhile is answered, and the port is bound.
    guest.ok(0, Op::NOP, [1]);
    guest.domain.raise(3).expect("bound");
    assert_eq!(guest.entries(0, 0), [3]);
    let its = id(&guest);
    guest.ok(0, Op::REPAIRED, its);
    assert!(is_repaired(&guest));
}

/// As [`told`], without a call.
fn told_quietly(guest: &Guest) -> (u64, [u64; 2]) {
    let at = guest.domain.config().window_len - 0x1000;
    let word = |offset: u64| guest.window(at + offset);
    let sequence = word(page::SEQUENCE);
    let copy = if sequence.is_multiple_of(2) { page::COPY0 } else { page::COPY1 };
    (sequence, [word(copy), word(copy + 8)])
}

#[test]
fn a_state_that_would_let_a_count_fall_is_refused_and_nothing_changes() {
    let mut guest = open();
    let state = saved(&guest);
    guest.ok(0, Op::NOP, [1]);
    let (before, counted) = (guest.domain.save(), *guest.domain.counted());
    assert_eq!(guest.domain.put_back(state), Err(Error::BadState(Misfit::Fell)));
    assert_eq!(guest.domain.save(), before);
    assert_eq!(*guest.domain.counted(), counted);
    // A state of another domain, and one of another host of the same guest.
    let other = Guest::open(config(1).with_generation());
    assert_eq!(guest.domain.put_back(saved(&other)), Err(Error::BadState(Misfit::Other)));
    let mut later = guest.fork(saved(&guest)).expect("it fits");
    later.domain =
        Domain::recover(config(2).with_generation(), patchy(&later.arena), services()).expect("it fits");
    assert_eq!(guest.domain.put_back(saved(&later)), Err(Error::BadState(Misfit::Fell)));
    assert_eq!(guest.domain.save(), before);
    let its = id(&guest);
    guest.ok(0, Op::REPAIRED, its);
}

/// Whatever is wrong with a state as text is one clear line.
#[test]
fn a_state_that_was_cut_short_or_is_of_another_version_is_refused_in_one_line() {
    let guest = open();
    let text = serde_json::to_string(&guest.domain.save()).expect("a state can be written");
    for len in 0..text.len() {
        let error = serde_json::from_str::<State>(&text[..len]).expect_err("it is cut short").to_string();
        assert!(!error.is_empty() && !error.contains('\n'), "{error:?}");
    }
    for version in [0u32, 1, 2, 3, u32::MAX] {
        let mut value: serde_json::Value = serde_json::from_str(&text).expect("it is whole");
        value["version"] = version.into();
        let state: State = serde_json::from_value(value).expect("it can be read");
        let error = guest.fork(state).err().expect("it is of another version");
        assert_eq!(error, Error::BadState(Misfit::Version));
        assert_eq!(error.to_string(), "the saved state does not fit: it is of another version");
    }
}

#[test]
fn states_without_what_is_offered_are_refused() {
    let mut guest = open();
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    guest.ok(0, Op::SUSPEND_WATCH, [3]);
    let whole = serde_json::to_value(guest.domain.save()).expect("a state can be written");
    let with = |path: &str, value: serde_json::Value| {
        let mut other = whole.clone();
        *other.pointer_mut(path).expect("it is there") = value;
        guest.fork(serde_json::from_value(other).expect("a state can be read")).err()
    };
    let none = serde_json::Value::Null;
    assert_eq!(with("/families/lifecycle/generation", none), Some(Error::BadState(Misfit::Generation)));
    assert_eq!(with("/families/lifecycle/suspend/watch", 4.into()), Some(Error::BadState(Misfit::Watch)));
}

#[test]
fn the_guest_is_asked_and_answers_once() {
    let mut guest = open();
    assert!(!guest.domain.ask_suspend(), "nobody watches");
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    guest.ok(0, Op::SUSPEND_WATCH, [3]);
    assert_eq!(guest.entries(0, 0), [3], "it is asked already");
    guest.set(0, tenon_abi::vcpu::guest::TAKEN0, 1);
    guest.actions();
    guest.ok(0, Op::SUSPEND_READY, [0; 0]);
    assert_eq!(guest.actions(), [Action::Lifecycle(LifecycleAction::SuspendReady)]);
    assert!(!guest.domain.asks_suspend());
    assert_eq!(guest.call(0, Op::SUSPEND_READY, [0; 0]), (Status::BAD_STATE, 0));
    assert!(guest.domain.ask_suspend());
    assert_eq!(guest.entries(0, 0), [3]);
    guest.set(0, tenon_abi::vcpu::guest::TAKEN0, 2);
    guest.domain.withdraw_suspend();
    assert_eq!(guest.call(0, Op::SUSPEND_READY, [0; 0]), (Status::BAD_STATE, 0));
    // A port that was released is told of nothing, also where it is bound to something else since.
    guest.ok(0, Op::EVENT_UNBIND, [3]);
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    assert!(!guest.domain.ask_suspend());
    assert_eq!(guest.entries(0, 0), [0; 0]);
    assert!(!guest.actions().iter().any(|action| matches!(action, Action::Lifecycle(_))));
}
