// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks and timers over a save and a restore (TIME-19, TIME-9). That each field is needed, `lost.rs` finds.

use super::{MS, copy, expire, running, set};
use crate::tools::{Guest, at, patchy};
use serde_json::Value;
use tenon_abi::{Clock, Op, Status};
use tenon_host::time::{Passed, Utc};
use tenon_host::{Domain, Error, Misfit, Services, State};

/// A guest that was saved at 10 ms of RUNNING.
fn saved() -> Guest {
    let mut guest = running();
    guest.domain.set_utc(at(2 * MS), Some(Utc::new(1000 * MS, 0)));
    set(&mut guest, 1, 0, 15 * MS);
    set(&mut guest, 2, 1, 40 * MS);
    set(&mut guest, 3, 2, 1012 * MS);
    guest.domain.stop_clocks(at(11 * MS));
    guest.actions();
    guest
}

fn clocks(guest: &Guest, now: u64) -> [Option<u64>; 3] {
    [0, 1, 2].map(|clock| guest.domain.clock(Clock(clock), at(now)))
}

#[test]
fn running_goes_on_boot_jumps_and_utc_is_not_known() {
    let mut guest = saved();
    let (_, before) = copy(&guest);
    guest.migrate();
    // Another host, with another clock.
    guest.domain.start_clocks(at(7000 * MS), Passed { ran: 0, stood: 25 * MS });
    assert_eq!(clocks(&guest, 7000 * MS), [Some(10 * MS), Some(35 * MS), None]);
    let (_, after) = copy(&guest);
    assert_ne!(before.disruption_marker, after.disruption_marker);
    assert_eq!(after.valid.get(), 3);
    assert_eq!(guest.call(0, Op::CLOCK_READ, [2]), (Status::BAD_STATE, 0));
    assert_eq!(guest.domain.next_deadline(), Some(7005 * MS));
    assert_eq!(expire(&mut guest, at(7005 * MS)), [1, 2]);
    guest.domain.set_utc(at(7006 * MS), Some(Utc::new(1012 * MS, 0)));
    assert_eq!(expire(&mut guest, at(7006 * MS)), [3]);
}

#[test]
fn a_restore_is_a_disruption_even_where_boot_is_frozen() {
    let mut guest = saved();
    let (_, before) = copy(&guest);
    guest.migrate();
    guest.domain.start_clocks(at(9 * MS), Passed::default());
    let (_, after) = copy(&guest);
    assert_eq!(after.boot_jump, before.boot_jump);
    assert_ne!(before.disruption_marker, after.disruption_marker);
}

#[test]
fn a_state_that_was_saved_while_clocks_ran_is_refused() {
    let mut guest = saved();
    guest.domain.start_clocks(at(20 * MS), Passed::default());
    guest.actions();
    let restored = Domain::restore(guest.domain.save(), patchy(&guest.arena), Services::default());
    assert_eq!(restored.err(), Some(Error::BadState(Misfit::ClocksRan)));
}

#[test]
fn timers_of_nothing_are_refused() {
    let guest = saved();
    let good = serde_json::to_value(guest.domain.save()).expect("a state can be written");
    let timers = good["time"]["timers"].as_array().expect("a list").clone();
    let mut twice = timers.clone();
    twice.push(timers[0].clone());
    let changed = |field: &str, value: u64| {
        let mut timers = timers.clone();
        timers[0][field] = value.into();
        timers
    };
    for timers in [twice, changed("port", 60), changed("port", 1 << 20), changed("clock", 3)] {
        let mut bad = good.clone();
        bad["time"]["timers"] = Value::Array(timers);
        let state: State = serde_json::from_value(bad).expect("it can be read");
        let restored = Domain::restore(state, patchy(&guest.arena), Services::default());
        assert_eq!(restored.err(), Some(Error::BadState(Misfit::Timer)));
    }
}
