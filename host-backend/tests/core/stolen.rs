// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stolen time as an embedder's source counts it, and over a restore.

use crate::tools::{Guest, config, patchy, services};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::Features;
use tenon_abi::vcpu::host;
use tenon_host::{Domain, Error, Misfit, Services};

/// A source that says what is stored here.
fn counted(count: &Arc<AtomicU64>) -> Services {
    let (mut services, count) = (services(), Arc::clone(count));
    services.stolen = Some(Box::new(move |_| Some(count.load(Ordering::Relaxed))));
    services
}

/// A guest that is bound, whose domain has this source from now on.
fn guest(count: &Arc<AtomicU64>) -> Guest {
    let mut guest = Guest::open(config(2).with_stolen());
    guest.domain =
        Domain::restore(guest.domain.save(), patchy(&guest.arena), counted(count)).expect("it fits");
    guest.bind(0);
    guest.actions();
    guest
}

fn told(guest: &mut Guest) -> u64 {
    guest.domain.tell_stolen(0);
    guest.shown(0, host::STOLEN)
}

#[test]
fn the_word_follows_the_source_and_never_falls() {
    let count = Arc::new(AtomicU64::new(500));
    let mut guest = guest(&count);
    assert_eq!(guest.shown(0, host::STOLEN), 500, "BIND tells it");
    for (says, tells) in [(501, 501), (900, 900), (3, 900), (899, 900), (1000, 1000), (u64::MAX, u64::MAX)] {
        count.store(says, Ordering::Relaxed);
        assert_eq!(told(&mut guest), tells);
    }
}

#[test]
fn a_restored_count_goes_on_whatever_its_new_source_says() {
    for begins in [0, 40, 900, 1 << 40, u64::MAX - 5] {
        let count = Arc::new(AtomicU64::new(900));
        let mut guest = guest(&count);
        let other = Arc::new(AtomicU64::new(begins));
        let domain = Domain::restore(guest.domain.save(), patchy(&guest.arena), counted(&other));
        guest.domain = domain.expect("it fits");
        guest.actions();
        assert_eq!(guest.shown(0, host::STOLEN), 900, "a restore tells it");
        for more in [0, 1, 5] {
            other.store(begins + more, Ordering::Relaxed);
            assert_eq!(told(&mut guest), 900 + more, "from {begins}");
        }
    }
}

#[test]
fn without_a_source_there_is_no_such_feature() {
    let mut without = services();
    without.stolen = None;
    let mut guest = Guest::open(config(1).with_stolen());
    assert!(guest.domain.config().features.contains(Features::STOLEN));
    let state = guest.domain.save();
    guest.domain = Domain::with(config(1).with_stolen(), patchy(&guest.arena), without).expect("it fits");
    assert!(!guest.domain.config().features.contains(Features::STOLEN));
    let refused = Domain::restore(state, patchy(&guest.arena), Services::default());
    assert!(matches!(refused, Err(Error::BadState(Misfit::NoService))));
}

/// Without the feature nothing is written, whatever the source says.
#[test]
fn who_did_not_ask_is_not_told() {
    let mut guest = Guest::open_without(config(1).with_stolen(), Features::STOLEN);
    guest.bind(0);
    assert_eq!(told(&mut guest), 0);
}
