// SPDX-License-Identifier: MIT OR Apache-2.0
//! One entry does a bounded amount and says that there is more (CALL-19).

use crate::tools::{Guest, PAYLOAD, config};
use tenon_abi::vcpu::Sizes;
use tenon_abi::{Op, Status};
use tenon_host::{Action, ConsoleAction, LifecycleAction, Served};

#[test]
fn a_budget_is_kept_and_the_rest_comes_later() {
    let mut guest = Guest::open(config(1));
    guest.bind(0);
    for id in 0..10 {
        guest.submit(0, id, Op::REGION_QUERY, [0; 3]);
    }
    let fetched: Vec<Served> = (0..5).map(|_| guest.domain.serve(0, 3)).collect();
    let counts: Vec<(u32, bool)> = fetched.iter().map(|served| (served.fetched, served.again)).collect();
    assert_eq!(counts, [(3, true), (3, true), (3, true), (1, false), (0, false)]);
    assert_eq!(guest.take(0, 0).len(), 10);
}

#[test]
fn a_flood_of_actions_stops_the_fetching_until_they_are_done() {
    let mut guest = Guest::open(config(1));
    assert_eq!(guest.try_bind(0, Sizes { depth: 256, events: [1, 1] }), Status::OK);
    guest.ok(0, Op::EVENT_BIND_DIRECT, [1, 0, 40]);
    guest.actions();
    for id in 0..255 {
        guest.submit(0, id, Op::EVENT_SIGNAL, [1, 0, 0]);
    }
    let (mut done, mut rounds) = (0, 0);
    loop {
        let served = guest.kick(0);
        let waiting = guest.actions().len();
        assert!(waiting <= 64, "{waiting} actions wait");
        done += served.fetched;
        rounds += 1;
        if !served.again {
            break;
        }
        assert!(rounds < 10, "it makes no headway");
    }
    assert_eq!((done, rounds), (255, 4));
    // While nobody does them, nothing is fetched, however often it is asked.
    for id in 0..255 {
        guest.submit(0, id, Op::EVENT_SIGNAL, [1, 0, 0]);
    }
    let fetched: u32 = (0..100).map(|_| guest.kick(0).fetched).sum();
    assert_eq!(fetched, 64);
}

/// A stop looks at every port, even one that finds no room: 256 of them among 65,536 ports would keep others
/// from the domain for long.
#[test]
fn an_entry_does_one_stop_at_most() {
    let mut guest = Guest::open(config(2));
    (0..2).for_each(|vcpu| guest.bind(vcpu));
    for id in 0..5 {
        guest.submit(0, id, Op::VCPU_STOP, [1, 0, 0]);
        guest.submit(0, id + 5, Op::NOP, [0; 3]);
    }
    let counts: Vec<u32> = (0..6).map(|_| guest.kick(0).fetched).collect();
    assert_eq!(counts, [1, 2, 2, 2, 2, 1], "each stop ends an entry");
    assert_eq!(guest.take(0, 0).len(), 10);
    assert_eq!(guest.kick(0), Served { fetched: 0, again: false });
}

#[test]
fn crash_records_are_bounded_and_the_last_one_stays() {
    let mut guest = Guest::open(config(1));
    assert_eq!(guest.try_bind(0, Sizes { depth: 256, events: [1, 1] }), Status::OK);
    for id in 0..200 {
        guest.submit(0, id, Op::CRASH, [PAYLOAD, 1024, u64::from(id)]);
    }
    assert_eq!(guest.kick(0), Served { fetched: 64, again: true });
    assert_eq!(guest.actions().len(), 64);
    assert_eq!(guest.domain.crash_record().expect("there is one").code, 63);
}

#[test]
fn output_that_nobody_takes_costs_no_copies() {
    let mut config = config(1);
    config.max_payload = 1 << 20;
    let mut guest = Guest::open(config);
    guest.bind(0);
    assert_eq!(guest.ok(0, Op::CONSOLE_WRITE, [0, 1 << 20, 0]), 65_536);
    assert_eq!(guest.domain.memory().longest.take(), 65_536, "more was copied than there is room for");
    assert_eq!(guest.ok(0, Op::CONSOLE_WRITE, [0, 1 << 20, 0]), 0);
    assert_eq!(guest.domain.memory().longest.take(), 0);
    assert_eq!(guest.actions(), [Action::Console(ConsoleAction::Output)]);
    assert_eq!(guest.domain.take_output().len(), 65_536);
    assert_eq!(guest.ok(0, Op::CONSOLE_WRITE, [0, 5, 0]), 5);
    assert_eq!(guest.actions(), [Action::Console(ConsoleAction::Output)]);
}

#[test]
fn input_that_nobody_reads_is_bounded() {
    let mut guest = Guest::open(config(1));
    guest.bind(0);
    assert_eq!(guest.domain.input(&[1; 5000]), 4096);
    assert_eq!(guest.domain.input(&[1; 5000]), 0);
    assert_eq!(guest.ok(0, Op::CONSOLE_READ, [PAYLOAD, 100, 0]), 100);
    assert_eq!(guest.domain.input(&[1; 5000]), 100);
}

#[test]
fn after_the_end_nothing_is_served() {
    let mut guest = Guest::open(config(1));
    guest.bind(0);
    guest.submit(0, 0, Op::EXIT, [3, 0, 0]);
    guest.submit(0, 1, Op::NOP, [0; 3]);
    assert_eq!(guest.kick(0), Served { fetched: 1, again: false });
    assert_eq!(guest.actions(), [Action::Lifecycle(LifecycleAction::Exit { code: 3 })]);
    assert_eq!(guest.kick(0), Served { fetched: 0, again: false });
    // A copy of an ended domain is an ended domain.
    guest.migrate();
    assert_eq!(guest.kick(0), Served { fetched: 0, again: false });
    assert_eq!(guest.take(0, 0), []);
}
