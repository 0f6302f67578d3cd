// SPDX-License-Identifier: MIT OR Apache-2.0
//! A wait is bounded, never sleeps beside what it waits for, and learns.

use proptest::prelude::*;
use std::cell::Cell;
use tenon_rings::Waiter;

/// What a wait did while its answer came at look number `comes`, counted from 1, each sleep counting as
/// `asleep` looks.
#[derive(Debug, PartialEq, Eq)]
struct Did {
    found: bool,
    looks: u32,
    sleeps: u32,
}

fn wait(waiter: &mut Waiter, sleeps: u32, comes: u32, asleep: u32) -> Did {
    let (clock, looks, slept) = (Cell::new(0u32), Cell::new(0), Cell::new(0));
    let found = waiter.wait(
        &mut (),
        sleeps,
        |()| {
            clock.set(clock.get().saturating_add(1));
            looks.set(looks.get() + 1);
            (clock.get() >= comes).then_some(())
        },
        |()| clock.get() + 1 < comes,
        || {
            assert!(clock.get() + 1 < comes, "it sleeps beside what it waits for");
            slept.set(slept.get() + 1);
            clock.set(clock.get().saturating_add(asleep));
        },
    );
    Did { found: found.is_some(), looks: looks.get(), sleeps: slept.get() }
}

#[test]
fn what_comes_while_it_looks_costs_no_sleep() {
    let mut waiter = Waiter::new(10, 1000);
    for _ in 0..100 {
        assert_eq!(wait(&mut waiter, 1, 9, 0), Did { found: true, looks: 9, sleeps: 0 });
    }
    assert_eq!(waiter.looks(), 16, "twice what it takes");
}

#[test]
fn what_is_slow_is_hardly_looked_for() {
    let mut waiter = Waiter::new(4, 1024);
    let mut looks = 0;
    for _ in 0..160 {
        let did = wait(&mut waiter, 1, 1 << 20, 1 << 20);
        assert!(did.found && did.sleeps == 1, "{did:?}");
        looks += did.looks;
    }
    // A probe of 1024 looks, the halves that follow, and the least: in each sixteen.
    assert!(looks < 160 / 16 * 2 * 1024 + 160 * 5, "{looks}");
}

#[test]
fn what_becomes_fast_is_noticed() {
    let mut waiter = Waiter::new(1, 1024);
    for _ in 0..8 {
        wait(&mut waiter, 1, 1 << 20, 1 << 20);
    }
    assert_eq!(waiter.looks(), 1);
    let sleeps: u32 = (0..64).map(|_| wait(&mut waiter, 1, 100, 1 << 20).sleeps).sum();
    assert!(sleeps <= 16, "{sleeps}");
    assert_eq!(wait(&mut waiter, 1, 100, 1 << 20).sleeps, 0);
}

#[test]
fn strange_bounds_are_put_right() {
    assert_eq!(Waiter::new(0, 0), Waiter::new(1, 1));
    assert_eq!(Waiter::new(9, 3), Waiter::new(9, 9));
    assert_eq!(wait(&mut Waiter::new(0, 0), 0, 2, 0), Did { found: false, looks: 1, sleeps: 0 });
}

proptest! {
    #[test]
    fn a_wait_has_its_bound(
        least in 0u32..20,
        most in 0u32..50,
        waits in prop::collection::vec((0u32..4, 1u32..200, 0u32..100), 1..60),
    ) {
        let mut waiter = Waiter::new(least, most);
        let most = most.max(least).max(1);
        for (sleeps, comes, asleep) in waits {
            let did = wait(&mut waiter, sleeps, comes, asleep);
            assert!(did.sleeps <= sleeps && did.looks <= (sleeps + 1) * most, "{did:?}");
            assert!((least.max(1)..=most).contains(&waiter.looks()));
        }
    }
}
