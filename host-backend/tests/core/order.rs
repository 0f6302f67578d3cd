// SPDX-License-Identifier: MIT OR Apache-2.0
//! What another CPU of the guest sees while a control request is answered: each store of the host's, in order
//! (SES-2, SES-4, SES-6, SES-9, NEG-5).

use crate::tools::{Guest, Log, Place, Store, config, patchy};
use tenon_abi::discovery::Session;
use tenon_abi::vcpu::guest as area;
use tenon_abi::{ControlOp, Features, Op, Status, Tail};
use tenon_host::Domain;
use tenon_host::Memory;
use tenon_host::loopback::Ram;
use tenon_rings::{Site, Words};

const SESSION: Place = Place::Window(0x80);
const ACTIVE: Place = Place::Window(0x88);
const ACTIVE_FEATURES: Place = Place::Window(0x90);
const VALUE: Place = Place::Window(0x98);
const RESULT: Place = Place::Window(0xa0);

/// The guest's answer to one request, and what was stored for it.
fn logged(guest: &mut Guest, run: impl FnOnce(&mut Guest)) -> Vec<Store> {
    let log: Log = guest.domain.memory().log.clone();
    log.of(|| run(guest)).1
}

fn position(stores: &[Store], place: Place) -> usize {
    let found: Vec<usize> = (0..stores.len()).filter(|&at| stores[at].place == place).collect();
    assert_eq!(found.len(), 1, "{place:?} is stored once: {stores:x?}");
    found[0]
}

/// Once the result is there, so is all that it announces: nothing is stored behind it, and its value right
/// before it (SES-4).
fn expect_answer_last(stores: &[Store], status: Status, value: u64) {
    let [.., before, last] = stores else { panic!("{stores:x?}") };
    assert_eq!((position(stores, RESULT), last.place), (stores.len() - 1, RESULT), "{stores:x?}");
    assert_eq!(Tail::from_word(last.value).code, status.0);
    assert_eq!(*before, Store { place: VALUE, value });
}

/// A guest with both kinds of areas in use, events and calls pending, and a queue that is corrupt.
fn busy(unwanted: Features) -> Guest {
    let mut guest = Guest::open_without(config(3), unwanted);
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    guest.ok(0, Op::EVENT_BIND, [4, 1, 1]);
    (3..5).for_each(|port| guest.domain.raise(port).expect("bound"));
    guest.set(1, area::ARMED1, 1 << 32);
    guest.submit(0, 1, Op::CONSOLE_READ, [crate::tools::PAYLOAD, 8, 0]);
    guest.submit(0, 2, Op::NOP, [1 << 40, 0, 0]);
    guest.submit(1, 99, Op::NOP, [0; 3]);
    for vcpu in 0..2 {
        let _ = guest.kick(vcpu);
    }
    guest.actions();
    guest
}

#[test]
fn a_reset_shows_its_session_when_nothing_of_the_old_one_is_in_use() {
    for unwanted in [Features::empty(), Features::WINDOW] {
        let mut guest = busy(unwanted);
        let old = Session::from_word(guest.window(0x80));
        let stores = logged(&mut guest, Guest::reset);
        let new = Session::from_word(guest.window(0x80));
        assert_ne!((old.number, old.seed), (new.number, new.seed));
        let shown = position(&stores, SESSION);
        for place in [ACTIVE, ACTIVE_FEATURES] {
            let at = position(&stores, place);
            assert!(at < shown && stores[at].value == 0, "the record is not idle when the session is new");
        }
        // The guest may use the memory of the old session for something else as soon as it sees the new one.
        let behind = &stores[shown + 1..];
        assert!(behind.iter().all(|store| [VALUE, RESULT].contains(&store.place)), "{behind:x?}");
        expect_answer_last(&stores, Status::OK, u64::from(new.number));
    }
}

#[test]
fn nothing_is_written_for_an_ended_session() {
    for unwanted in [Features::empty(), Features::WINDOW] {
        let mut guest = busy(unwanted);
        guest.reset();
        let stores = logged(&mut guest, |guest| {
            for queue in 0..6 {
                let _ = guest.domain.serve(queue, 256);
                let _ = guest.domain.rest(queue);
            }
            (0..8).for_each(|port| assert!(guest.domain.raise(port).is_err()));
            guest.domain.input(b"for nobody");
            (0..3).for_each(|vcpu| guest.domain.stopped(vcpu));
            guest.actions();
        });
        assert_eq!(stores, []);
    }
}

#[test]
fn what_was_negotiated_is_whole_when_it_is_shown() {
    let mut guest = Guest::open(config(1));
    guest.reset();
    let stores = logged(&mut guest, |guest| guest.negotiate(Features::empty()));
    assert!(position(&stores, ACTIVE_FEATURES) < position(&stores, ACTIVE));
    assert_eq!(stores.len(), 4);
    expect_answer_last(&stores, Status::OK, 0);
}

#[test]
fn a_bound_vcpus_area_is_whole_when_that_is_said() {
    for unwanted in [Features::empty(), Features::WINDOW] {
        let mut guest = Guest::open_without(config(1), unwanted);
        let stores = logged(&mut guest, |guest| guest.bind(0));
        let host = guest.host_area(0);
        let (first, value) =
            if unwanted.is_empty() { (Place::Window(host), host) } else { (Place::Memory(host), 0) };
        assert_eq!(stores[0], Store { place: first, value: 0 });
        expect_answer_last(&stores, Status::OK, value);
    }
}

#[test]
fn a_refusal_changes_nothing_but_the_answer() {
    let mut guest = busy(Features::empty());
    for op in [ControlOp::NEGOTIATE, ControlOp::BIND, ControlOp(0x7777)] {
        let mut status = Status::OK;
        let stores = logged(&mut guest, |guest| status = guest.control(op, |request| request.vcpu.set(1)).0);
        assert_ne!(status, Status::OK);
        assert_eq!(stores.len(), 2, "{op:?}: {stores:x?}");
        expect_answer_last(&stores, status, 0);
    }
}

#[test]
fn a_host_that_was_lost_comes_back_with_its_session_last() {
    let guest = busy(Features::empty());
    let old = guest.window(0x80);
    let memory = patchy(&guest.arena);
    let log = memory.log.clone();
    let (domain, stores) =
        log.of(|| Domain::recover(guest.domain.config().clone(), memory, tenon_host::Services::default()));
    let session = domain.expect("the same configuration").session();
    assert_eq!(session, Session::from_word(old).number + 1);
    assert_eq!(position(&stores, SESSION), stores.len() - 1, "{stores:x?}");
    for place in [ACTIVE, ACTIVE_FEATURES] {
        assert_eq!(stores[position(&stores, place)].value, 0);
    }
    // Nothing but the record: the rest is the guest's and the next session's.
    assert!(stores.iter().all(|store| matches!(store.place, Place::Window(..0x100))), "{stores:x?}");
}

#[test]
fn a_domain_begins_with_its_record_and_touches_nothing_else() {
    let config = config(2);
    let arena = Ram::new(1 << 20, 1 << 20).expect("memory");
    for word in 0..arena.window().len() {
        arena.window().store(word, u64::MAX, Site::Status);
    }
    let memory = patchy(&arena);
    let log = memory.log.clone();
    let (domain, stores) = log.of(|| Domain::new(config, memory));
    let session = domain.expect("it is legal").session();
    assert!(stores.iter().all(|store| matches!(store.place, Place::Window(..0x100))), "{stores:x?}");
    for word in 0..0x100 / 8 {
        assert!(
            stores.iter().any(|store| store.place == Place::Window(8 * word)),
            "word {word} is as it was"
        );
    }
    let last = stores.last().expect("the session");
    assert_eq!((last.place, Session::from_word(last.value).number, session), (SESSION, 1, 1));
}

/// The range of interrupts stands there for whichever of the two that choose from it is offered (VCPU-8,
/// EVT-22).
#[test]
fn the_record_says_which_interrupts_there_are() {
    for (features, there) in [
        (Features::UPCALL, true),
        (Features::DIRECT, true),
        (Features::EVENTS, false),
        (Features::UPCALL | Features::DIRECT, true),
    ] {
        let mut config = config(1);
        config.features = features;
        let arena = Ram::new(1 << 20, 1 << 20).expect("memory");
        let _domain = Domain::new(config, patchy(&arena)).expect("it is legal");
        let at = std::mem::offset_of!(tenon_abi::Record, irq_first) as u64;
        let word = arena.window().load((at / 8) as usize, Site::Status);
        let shown = word >> (8 * (at % 8)) & u64::from(u32::MAX);
        assert_eq!(shown != 0, there, "{features:?}: {shown:#x}");
    }
}
