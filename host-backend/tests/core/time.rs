// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks and timers by the core alone: moments are numbers here (TIME-5 to TIME-18).

mod kept;

use crate::tools::{Guest, at, config};
use tenon_abi::time::{NEVER, TimeFlags};
use tenon_abi::vcpu::guest as area;
use tenon_abi::{Clock, CounterKind, Op, Status, TimeCopy};
use tenon_host::time::{Expired, Now, Passed, Relation, Utc};
use tenon_host::{Action, Memory, TimeAction};
use tenon_rings::{Site, Words};

const MS: u64 = 1_000_000;
const NOTHING: [u32; 0] = [];

/// A guest with clocks that run from 1 ms of the host's on, and ports 0 to 7 in ring 0.
pub(crate) fn running() -> Guest {
    let mut guest = Guest::open(config(2).with_time());
    guest.domain.start_clocks(at(MS), Passed::default());
    guest.bind(0);
    for port in 0..8 {
        guest.ok(0, Op::EVENT_BIND, [port, 0, 0]);
    }
    guest.actions();
    guest
}

/// The valid copy of the page in the window.
pub(crate) fn copy(guest: &Guest) -> (u64, TimeCopy) {
    let page = guest.domain.config().window_len / 8 - 0x1000 / 8;
    let words = guest.arena.window();
    let load = |word: u64| words.load((page + word) as usize, Site::Status);
    let first = if load(0) % 2 == 0 { 8 } else { 24 };
    let copy: [u64; 16] = std::array::from_fn(|index| load(first + index as u64).to_le());
    (load(0), zerocopy::transmute!(copy))
}

/// A counter of 2 GHz that says `ticks` at `monotonic`.
fn counted(monotonic: u64, ticks: u64) -> Now {
    Now { monotonic, counter: Some(ticks) }
}

fn two_gigahertz(period_error: u64, error_ns: u64) -> Relation {
    Relation { kind: CounterKind::X86_TSC, period: 1 << 31, shift: 32, period_error, error_ns }
}

fn set(guest: &mut Guest, port: u64, clock: u64, deadline: u64) {
    guest.ok(0, Op::TIMER_SET, [port, clock, deadline, 0]);
}

/// What expires at a moment, in the order of its events.
fn expire(guest: &mut Guest, now: Now) -> Vec<u32> {
    while guest.domain.expire(now, 4).again {}
    let ports = guest.entries(0, 0);
    guest.take_all_events();
    ports
}

#[test]
fn a_timer_expires_when_its_deadline_is_reached_and_not_before() {
    let mut guest = running();
    set(&mut guest, 3, 0, 5 * MS);
    assert_eq!(guest.actions(), [Action::Time(TimeAction::Deadline)]);
    assert_eq!(guest.domain.next_deadline(), Some(6 * MS));
    assert_eq!(expire(&mut guest, at(6 * MS - 1)), NOTHING);
    assert_eq!(guest.actions(), [Action::Time(TimeAction::Deadline)], "it looked too early, and looks again");
    assert_eq!(guest.domain.next_deadline(), Some(6 * MS));
    assert_eq!(expire(&mut guest, at(6 * MS)), [3]);
    assert_eq!(expire(&mut guest, at(60 * MS)), NOTHING, "once");
    assert_eq!(guest.domain.next_deadline(), None);
}

#[test]
fn the_attachment_is_told_of_a_sooner_deadline_and_of_no_later_one() {
    let mut guest = running();
    set(&mut guest, 1, 0, 50 * MS);
    guest.actions();
    assert_eq!(guest.domain.next_deadline(), Some(51 * MS));
    set(&mut guest, 2, 0, 60 * MS);
    assert_eq!(guest.actions(), []);
    for round in 0..1000 {
        set(&mut guest, 3, 0, 40 * MS - round);
    }
    assert_eq!(guest.actions(), [Action::Time(TimeAction::Deadline)], "a thousand sets, one action");
    assert_eq!(guest.domain.next_deadline(), Some(41 * MS - 999));
    assert_eq!(expire(&mut guest, at(70 * MS)), [3, 1, 2], "in the order of their deadlines");
}

/// Slack moves the moment at which the host looks, and what is due then comes along.
#[test]
fn slack_gathers_timers() {
    let mut guest = running();
    guest.ok(0, Op::TIMER_SET, [1, 0, 10 * MS, 9 * MS]);
    assert_eq!(guest.domain.next_deadline(), Some(20 * MS));
    guest.ok(0, Op::TIMER_SET, [2, 0, 12 * MS, 2 * MS]);
    guest.ok(0, Op::TIMER_SET, [3, 0, 30 * MS, NEVER]);
    guest.ok(0, Op::TIMER_SET, [4, 0, NEVER, 5]);
    assert_eq!(guest.domain.next_deadline(), Some(15 * MS));
    assert_eq!(expire(&mut guest, at(15 * MS)), [1, 2]);
    assert_eq!(guest.domain.next_deadline(), Some(NEVER), "late for ever is allowed");
    assert_eq!(expire(&mut guest, at(NEVER)), [3], "the end of time is never reached");
    assert_eq!(guest.call(0, Op::TIMER_CANCEL, [4]), (Status::OK, 1));
}

#[test]
fn expiry_has_a_budget_and_the_rest_comes_with_the_next_one() {
    let mut guest = running();
    (0..8).for_each(|port| set(&mut guest, port, port % 2, MS + port));
    assert_eq!(guest.domain.expire(at(9 * MS), 3), Expired { timers: 3, again: true });
    assert_eq!(guest.domain.expire(at(9 * MS), 0), Expired { timers: 0, again: true });
    assert_eq!(guest.domain.expire(at(9 * MS), 3), Expired { timers: 3, again: true });
    assert_eq!(guest.domain.expire(at(9 * MS), 3), Expired { timers: 2, again: false });
    let mut ports = guest.entries(0, 0);
    ports.sort_unstable();
    assert_eq!(ports, [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// The host looks by its own clock, and a timer is due by the counter: what the two differ in makes it look
/// again, and no timer early.
#[test]
fn expiry_is_by_the_pages_formula() {
    let mut guest = running();
    guest.domain.set_counter(counted(MS, 1000), Some(two_gigahertz(0, 0)));
    let now = counted(2 * MS, 1000 + 2 * MS);
    let served = {
        guest.submit(0, 1, Op::TIMER_SET, [5, 0, 3 * MS, 0]);
        guest.domain.serve_at(0, 8, || now)
    };
    assert_eq!(served.fetched, 1);
    guest.actions();
    assert_eq!(guest.domain.next_deadline(), Some(4 * MS), "two milliseconds are left");
    // The host's clock is ahead: by the counter a millisecond is still missing.
    let (_, page) = copy(&guest);
    let early = counted(4 * MS, 1000 + 4 * MS);
    assert_eq!(page.read(Clock::RUNNING, 1000 + 4 * MS), Some(2 * MS));
    assert_eq!(expire(&mut guest, early), NOTHING);
    assert_eq!(guest.domain.next_deadline(), Some(5 * MS));
    assert_eq!(expire(&mut guest, counted(5 * MS, 1000 + 6 * MS)), [5]);
}

#[test]
fn time_is_asked_by_operations_of_time_alone() {
    let mut guest = running();
    let mut asked = 0;
    guest.submit(0, 1, Op::NOP, [1]);
    guest.submit(0, 2, Op::EVENT_SIGNAL, [1]);
    guest.submit(0, 3, Op::PROBE, [1]);
    guest.submit(0, 4, Op::CLOCK_READ, [0]);
    let served = guest.domain.serve_at(0, 8, || {
        asked += 1;
        at(5 * MS)
    });
    assert_eq!((served.fetched, asked), (4, 1));
    assert_eq!(guest.take(0, 0)[3], (4, Status::OK, 4 * MS));
}

/// What the guest reads goes to where the host's clock is, and never back (TIME-7); what it is ahead is told
/// as an error (TIME-6).
#[test]
fn a_correction_is_never_a_step_back_and_is_told_as_an_error() {
    let mut guest = running();
    guest.domain.set_counter(counted(MS, 0), Some(two_gigahertz(1 << 21, 30)));
    let (first, page) = copy(&guest);
    assert_eq!((page.read(Clock::RUNNING, 0), page.error(Clock::RUNNING, 0)), (Some(0), 30));
    // The counter is slow: the clock jumps ahead.
    guest.domain.set_counter(counted(11 * MS, 18 * MS), Some(two_gigahertz(1 << 21, 30)));
    let (second, page) = copy(&guest);
    assert_eq!(page.read(Clock::RUNNING, 18 * MS), Some(10 * MS));
    assert_eq!(page.error(Clock::RUNNING, 18 * MS), 30);
    // It is fast: the clock waits where it is, and says by how much it is wrong.
    guest.domain.set_counter(counted(21 * MS, 18 * MS + 24 * MS), Some(two_gigahertz(1 << 21, 30)));
    let (third, page) = copy(&guest);
    let now = 18 * MS + 24 * MS;
    assert_eq!(page.read(Clock::RUNNING, now), Some(22 * MS));
    assert_eq!(page.error(Clock::RUNNING, now), 2 * MS + 30);
    assert_eq!(page.error(Clock::RUNNING, now + 2 * MS), 2 * MS + 30 + 976, "and it grows");
    assert_eq!([second - first, third - second], [1, 1]);
    // A clock that is told for other reasons keeps its error.
    guest.domain.set_utc(counted(22 * MS, now + 2 * MS), Some(Utc::new(5, 7)));
    let (_, page) = copy(&guest);
    assert_eq!(page.error(Clock::RUNNING, now + 2 * MS), 2 * MS + 30 + 976);
    assert!(page.error(Clock::UTC, now + 2 * MS) >= 2 * MS + 7);
}

#[test]
fn running_stands_still_and_boot_jumps_as_the_embedder_says() {
    let mut guest = running();
    let clocks = |guest: &Guest, now| [0, 1].map(|clock| guest.domain.clock(Clock(clock), at(now)));
    assert_eq!(clocks(&guest, 5 * MS), [Some(4 * MS); 2]);
    guest.domain.stop_clocks(at(5 * MS));
    assert_eq!(clocks(&guest, 50 * MS), [Some(4 * MS); 2]);
    let (_, before) = copy(&guest);
    // Frozen.
    guest.domain.start_clocks(at(50 * MS), Passed::default());
    assert_eq!(clocks(&guest, 51 * MS), [Some(5 * MS); 2]);
    let (_, page) = copy(&guest);
    assert_eq!((page.boot_jump.get(), page.disruption_marker), (0, before.disruption_marker));
    guest.domain.stop_clocks(at(51 * MS));
    guest.domain.start_clocks(at(99 * MS), Passed { ran: 0, stood: 48 * MS });
    assert_eq!(clocks(&guest, 100 * MS), [Some(6 * MS), Some(54 * MS)]);
    let (_, page) = copy(&guest);
    assert_eq!(page.boot_jump.get(), 48 * MS);
    assert_ne!(page.disruption_marker, before.disruption_marker);
    // A host that took over a machine which had been running.
    guest.domain.stop_clocks(at(100 * MS));
    guest.domain.start_clocks(at(100 * MS), Passed { ran: 7 * MS, stood: 0 });
    assert_eq!(clocks(&guest, 100 * MS), [Some(13 * MS), Some(61 * MS)]);
}

#[test]
fn timers_wait_while_the_clocks_stand() {
    let mut guest = running();
    set(&mut guest, 1, 0, 10 * MS);
    set(&mut guest, 2, 1, 20 * MS);
    guest.actions();
    assert_eq!(guest.domain.next_deadline(), Some(11 * MS));
    guest.domain.stop_clocks(at(5 * MS));
    assert_eq!(guest.domain.next_deadline(), None);
    assert_eq!(expire(&mut guest, at(900 * MS)), NOTHING);
    guest.domain.start_clocks(at(900 * MS), Passed { ran: 0, stood: 16 * MS });
    assert_eq!(guest.actions(), [Action::Time(TimeAction::Deadline)]);
    assert_eq!(expire(&mut guest, at(900 * MS)), [2], "BOOT has jumped over it");
    assert_eq!(guest.domain.next_deadline(), Some(906 * MS));
    assert_eq!(expire(&mut guest, at(906 * MS)), [1]);
}

#[test]
fn a_step_of_utc_has_its_timers_looked_at_again() {
    let mut guest = running();
    assert_eq!(guest.call(0, Op::CLOCK_READ, [2]), (Status::BAD_STATE, 0));
    assert_eq!(guest.call(0, Op::TIMER_SET, [1, 2, 5, 0]), (Status::BAD_STATE, 0));
    guest.domain.set_utc(at(2 * MS), Some(Utc { tai_offset: Some(-37), ..Utc::new(1000 * MS, 10) }));
    let (_, page) = copy(&guest);
    assert_eq!((page.tai_offset.get(), page.flags.get()), (-37_i32 as u32, 1));
    set(&mut guest, 1, 2, 1100 * MS);
    set(&mut guest, 2, 2, 1200 * MS);
    assert_eq!(guest.domain.next_deadline(), Some(102 * MS));
    guest.actions();
    // Back: it waits longer. A step is a disruption.
    guest.domain.set_utc(at(3 * MS), Some(Utc::new(900 * MS, 10)));
    assert_ne!(copy(&guest).1.disruption_marker, page.disruption_marker);
    assert_eq!(guest.domain.next_deadline(), Some(203 * MS));
    assert_eq!(expire(&mut guest, at(102 * MS)), NOTHING);
    // Not known: it waits for whoever tells it.
    guest.domain.set_utc(at(103 * MS), None);
    assert_eq!((guest.domain.next_deadline(), expire(&mut guest, at(5000 * MS))), (None, vec![]));
    guest.actions();
    // Ahead: it is due at once, and the attachment is told.
    guest.domain.set_utc(at(5000 * MS), Some(Utc::new(1150 * MS, 10)));
    assert_eq!(guest.actions(), [Action::Time(TimeAction::Deadline)]);
    assert_eq!(guest.domain.next_deadline(), Some(5000 * MS));
    assert_eq!(expire(&mut guest, at(5000 * MS)), [1]);
    // A small correction is no disruption, and is kept.
    let (_, before) = copy(&guest);
    guest.domain.set_utc(at(5000 * MS), Some(Utc::new(1150 * MS - 15, 10)));
    assert_eq!(copy(&guest).1.disruption_marker, before.disruption_marker);
    assert_eq!(guest.domain.clock(Clock::UTC, at(5000 * MS)), Some(1150 * MS - 15));
    guest.domain.expect_disruption(TimeFlags::DISRUPTION_SOON | TimeFlags::TAI_OFFSET_VALID);
    assert_eq!(copy(&guest).1.flags.get(), 2, "the other flags are not the embedder's");
}

#[test]
fn a_relation_that_cannot_be_is_none() {
    let mut guest = running();
    let good = two_gigahertz(0, 0);
    for (now, relation) in [
        (at(2 * MS), good),
        (counted(2 * MS, 5), Relation { shift: 64, ..good }),
        (counted(2 * MS, 5), Relation { kind: CounterKind::NONE, ..good }),
    ] {
        guest.domain.set_counter(now, Some(relation));
        let (_, page) = copy(&guest);
        assert_eq!([page.counter_kind.get(), page.shift.get()], [0, 0]);
        assert_eq!([page.counter_base.get(), page.period.get(), page.period_error.get()], [0; 3]);
        assert_eq!(guest.domain.clock(Clock::RUNNING, at(3 * MS)), Some(2 * MS));
    }
}

#[test]
fn a_corrupt_ring_loses_its_timers_and_no_others() {
    let mut guest = running();
    guest.ok(0, Op::EVENT_BIND, [9, 0, 1]);
    guest.ok(0, Op::EVENT_SIGNAL, [1]);
    guest.set(0, area::TAKEN0, 99);
    set(&mut guest, 1, 0, 0);
    set(&mut guest, 2, 0, 5 * MS);
    set(&mut guest, 9, 0, 5 * MS);
    assert_eq!(guest.domain.expire(at(9 * MS), 8), Expired { timers: 2, again: false });
    assert_eq!((guest.entries(0, 0), guest.entries(0, 1)), (vec![1], vec![9]));
    assert_eq!(guest.call(0, Op::TIMER_CANCEL, [2]), (Status::OK, 0));
}

#[test]
fn nothing_expires_for_a_guest_that_has_ended() {
    let mut guest = running();
    set(&mut guest, 1, 0, 5 * MS);
    guest.submit(0, 1, Op::EXIT, [7]);
    let _ = guest.kick(0);
    assert_eq!(guest.domain.expire(at(9 * MS), 8), Expired { timers: 0, again: false });
}
