// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where host pages lie, and which sequence they show (PAGE-3, PAGE-5 to PAGE-7).

use crate::time::{copy, running};
use crate::tools::{Guest, Place, at, config, patchy};
use tenon_abi::{Clock, Features, Granules, Op, Status};
use tenon_host::config::Setting;
use tenon_host::time::Passed;
use tenon_host::{Domain, Error, Misfit, Services, State};

/// Where a page is donated: between the payload and the areas.
const PAGE: u64 = 0x8_0000;

/// The larger sequence is stored last, and behind a copy that readers do not look at.
#[test]
fn a_page_is_written_beside_the_valid_copy_and_then_shown() {
    let mut guest = running();
    let page = guest.domain.config().window_len - 0x1000;
    for _ in 0..3 {
        let (sequence, _) = copy(&guest);
        let log = guest.domain.memory().log.clone();
        let ((), stores) = log.of(|| guest.domain.set_utc(at(5), None));
        let valid = page + if sequence % 2 == 0 { 0x40 } else { 0xc0 };
        let last = stores.last().expect("the sequence");
        assert_eq!((last.place, last.value), (Place::Window(page), sequence + 1));
        for store in &stores[..stores.len() - 1] {
            let Place::Window(at) = store.place else { panic!("a store to the guest's memory") };
            assert!(
                at >= page + 0x40 && !(valid..valid + 0x80).contains(&at),
                "{at:#x} is in the valid copy"
            );
        }
    }
}

#[test]
fn a_restored_domain_shows_a_larger_sequence_when_its_clocks_start() {
    for unwanted in [Features::empty(), Features::WINDOW] {
        let mut guest = Guest::open_without(config(1).with_time(), unwanted);
        guest.domain.start_clocks(at(1), Passed::default());
        guest.bind(0);
        let donated = unwanted.contains(Features::WINDOW);
        guest.ok(0, Op::PAGE, [1, if donated { PAGE } else { 0 }]);
        for round in 2..9 {
            guest.domain.stop_clocks(at(round));
            let sequence = |guest: &Guest| {
                let page = guest.domain.config().window_len - 0x1000;
                if donated { guest.word(PAGE) } else { guest.window(page) }
            };
            guest.actions();
            let before = sequence(&guest);
            guest.migrate();
            guest.domain.start_clocks(at(round), Passed::default());
            assert_eq!(sequence(&guest), before + 1, "the valid copy is left alone");
        }
    }
}

/// A host that lost everything but the window goes on from the sequence that it finds there.
#[test]
fn a_host_that_was_lost_leaves_the_valid_copy_alone() {
    for _ in 0..2 {
        let mut guest = running();
        let (before, found) = copy(&guest);
        let config = guest.domain.config().clone();
        guest.domain = Domain::recover(config, patchy(&guest.arena), Services::default()).expect("it fits");
        let (after, _) = copy(&guest);
        assert_eq!(after, before + 1);
        guest.domain.start_clocks(at(7), Passed { ran: 1000, stood: 0 });
        let (started, now) = copy(&guest);
        assert_eq!((started, now.ns[0].get()), (before + 2, 1000));
        assert!(found.ns[0].get() <= 1000);
    }
}

#[test]
fn the_window_has_room_for_its_pages_or_is_refused() {
    let with = |window_len: u64, granules: Granules| {
        let mut config = config(1).with_time();
        (config.window_len, config.granules) = (window_len, granules);
        config.check().err()
    };
    let refused = Some(Error::BadConfig(Setting::WindowLen));
    assert_eq!(with(0x1000, Granules::K4), refused);
    assert_eq!(with(0x1ff8, Granules::K4), refused);
    assert_eq!(with(0x2000, Granules::K4), None);
    assert_eq!(with(0x2000, Granules::all()), refused, "a page is aligned to the largest granule");
    assert_eq!(with(0x2_0000, Granules::all()), None);
    let mut without = config(1).with_time();
    without.features.remove(Features::WINDOW);
    without.window_len = 256;
    assert_eq!(without.check().err(), None, "a page that is donated needs no window");
}

/// Areas fill the window up to the page, and no further.
#[test]
fn areas_leave_the_page_alone() {
    let mut config = config(4).with_time();
    config.window_len = 4 * 4096;
    let mut guest = Guest::open(config);
    assert_eq!(guest.try_bind(0, crate::tools::small()), Status::OK);
    assert_eq!(guest.ok(0, Op::PAGE, [1, 0]), 3 * 4096);
    assert_eq!(guest.try_bind(1, crate::tools::small()), Status::OK);
    assert_eq!(guest.try_bind(2, crate::tools::small()), Status::NO_CAPACITY);
    assert_eq!(guest.domain.clock(Clock::RUNNING, at(5)), Some(0));
}

#[test]
fn a_page_that_lies_where_none_can_is_refused() {
    let mut guest = Guest::open_without(config(1).with_time(), Features::WINDOW);
    guest.bind(0);
    guest.ok(0, Op::PAGE, [1, PAGE]);
    guest.actions();
    let good = serde_json::to_value(guest.domain.save()).expect("a state can be written");
    let refusal = |donated: [u64; 2]| {
        let mut bad = good.clone();
        bad["pages"]["time"]["donated"] = donated.to_vec().into();
        let state: State = serde_json::from_value(bad).expect("it can be read");
        Domain::restore(state, patchy(&guest.arena), Services::default()).err()
    };
    assert_eq!(refusal([PAGE, 0x1000]), None);
    for donated in [[PAGE + 8, 0x1000], [PAGE, 0x4000], [PAGE, 0], [1 << 40, 0x1000], [PAGE, 1 << 60]] {
        assert_eq!(refusal(donated), Some(Error::BadState(Misfit::Page)), "{donated:x?}");
    }
    assert_eq!(refusal([0x10_0000, 0x1000]), Some(Error::BadState(Misfit::Overlap)), "over an area");
    let mut idle = good.clone();
    idle["session"]["features"] = (1u64 << 1).into();
    let state: State = serde_json::from_value(idle).expect("it can be read");
    let restored = Domain::restore(state, patchy(&guest.arena), Services::default());
    assert_eq!(restored.err(), Some(Error::BadState(Misfit::Page)), "a session without pages");
}
