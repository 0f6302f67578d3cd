// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate as one CPU sees it (EVT-18). What two CPUs do to each other is a model's affair.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use tenon_rings::event::Gate;

#[test]
fn events_that_come_meanwhile_are_handled_by_who_is_there() {
    let gate = Gate::<2>::default();
    let handled = Cell::new(0);
    let whole = gate.run(1, || {
        handled.set(handled.get() + 1);
        if handled.get() == 1 {
            // An interrupt, and another one: both are left to the handler that runs.
            assert!(!gate.run(1, || unreachable!("two handlers of one port")));
            assert!(!gate.run(1, || unreachable!("two handlers of one port")));
            assert!(gate.run(0, || ()), "ports do not wait for each other");
        }
    });
    assert!(whole);
    assert_eq!(handled.get(), 2, "once for itself, once for all that came meanwhile");
    assert!(gate.run(1, || handled.set(10)), "and the gate is open again");
    assert_eq!(handled.get(), 10);
    assert!(!gate.run(2, || unreachable!("a port that the gate does not have")));
}

#[test]
fn the_last_event_of_two_threads_is_handled() {
    const ROUNDS: u32 = 10_000;
    let gate = Gate::<1>::new();
    let [announced, seen, inside] = [const { AtomicU32::new(0) }; 3];
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    announced.fetch_add(1, Ordering::Relaxed);
                    gate.run(0, || {
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two handlers at once");
                        seen.store(announced.load(Ordering::Relaxed), Ordering::Relaxed);
                        inside.store(0, Ordering::Relaxed);
                    });
                }
            });
        }
    });
    assert_eq!(seen.into_inner(), 2 * ROUNDS);
}
