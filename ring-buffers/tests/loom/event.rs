// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of the event ring. In each of them a port announces one word, the state: the host stores 1, 2, …
//! there and raises the port. Nothing is lost if, once all is quiet, the guest has looked at the last value.

use crate::memory::{Area, LoomWords, Side};
use loom::sync::Notify;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;
use tenon_abi::vcpu::guest;
use tenon_rings::event::{RaiserState, Ring, Taker};
use tenon_rings::{Raised, Raiser, Site};

const SEED: u32 = 7;
/// The second entry lies beyond the wrap.
const START: u32 = u32::MAX;
const PORT: u32 = 5;
const AREA_WORDS: usize = 48;

fn word(offset: u64) -> usize {
    usize::try_from(offset / 8).unwrap()
}

/// Both ends of a ring with one entry, and the host's record of the port.
fn ring(weak: Option<Site>, hints: u64) -> (Port, Taker<LoomWords>) {
    ring_with(weak, hints, |area| area)
}

/// The same, with the guest-written area as `with` makes it.
fn ring_with(weak: Option<Site>, hints: u64, with: impl FnOnce(Area) -> Area) -> (Port, Taker<LoomWords>) {
    let named = [
        (word(guest::TAKEN0), u64::from(START)),
        (word(guest::ARMED0), u64::from(START.wrapping_add(u32::MAX >> 1))),
        (word(guest::MASK_HINTS), hints),
    ];
    let area = with(Area::sparse(Side::Guest, AREA_WORDS, &named, weak));
    let entries = Area::zeroed(Side::Host, 1, weak);
    let position = u64::from(START);
    let state = RaiserState { written: position, taken: position, ..RaiserState::default() };
    let ring = |side| Ring::new(area.of(side), entries.of(side), 0, SEED, 1).unwrap();
    let raiser = ring(Side::Host).raiser_at(state).unwrap();
    let taker = ring(Side::Guest).taker_at(PORT + 1, START).unwrap();
    (Port { raiser, last: None }, taker)
}

/// The host's side of the port.
struct Port {
    raiser: Raiser<LoomWords>,
    last: Option<u64>,
}

impl Port {
    fn raise(&mut self) -> Raised {
        self.raiser.raise(PORT, &mut self.last).expect("an honest guest")
    }
}

/// What the port announces.
struct State(AtomicU64);

impl State {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(0)))
    }

    /// As weak as a store can be: it is the ring that has to make it visible.
    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn look(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Takes what is there; the guest then looks at the state, if anything was.
fn take(taker: &mut Taker<LoomWords>, state: &State, seen: &mut u64) -> bool {
    let mut ports = [0; 2];
    let count = taker.take(&mut ports).expect("an honest host");
    assert!(ports[..count].iter().all(|port| *port == PORT));
    if count > 0 {
        *seen = state.look();
    }
    count > 0
}

/// EVT-7: a guest that takes an entry sees what it announces, even before the host's next fence.
pub(crate) fn announce(weak: Option<Site>) {
    let (mut port, mut taker) = ring_with(weak, 0, Area::with_fences_apart);
    let state = State::new();
    let announced = Arc::clone(&state);
    let host = thread::spawn(move || {
        announced.set(1);
        port.raise();
    });
    let mut seen = 0;
    if take(&mut taker, &state, &mut seen) {
        assert_eq!(seen, 1, "a stale state");
    }
    host.join().unwrap();
}

/// EVT-8, EVT-9: the host changes the state and raises the port `raises` times, while the guest takes `tries`
/// times.
pub(crate) fn acknowledge(weak: Option<Site>, raises: u64, tries: u64) {
    let (mut port, mut taker) = ring(weak, 0);
    let state = State::new();
    let announced = Arc::clone(&state);
    let host = thread::spawn(move || {
        for value in 1..=raises {
            announced.set(value);
            port.raise();
        }
    });
    let mut seen = 0;
    for _ in 0..tries {
        take(&mut taker, &state, &mut seen);
    }
    host.join().unwrap();
    take(&mut taker, &state, &mut seen);
    assert_eq!(seen, raises, "an event was lost");
}

/// EVT-11, EVT-12: the same with a guest that arms, looks and halts. An upcall that is not sent leaves it
/// asleep for ever, which loom sees.
pub(crate) fn halt(weak: Option<Site>, raises: u64) {
    let (mut port, mut taker) = ring(weak, 0);
    let state = State::new();
    let announced = Arc::clone(&state);
    let upcall = Arc::new(Notify::new());
    let interrupt = Arc::clone(&upcall);
    let host = thread::spawn(move || {
        for value in 1..=raises {
            announced.set(value);
            if (Raised::Written { upcall: true }) == port.raise() {
                interrupt.notify();
            }
        }
    });
    let mut seen = 0;
    while seen != raises {
        if !take(&mut taker, &state, &mut seen) && taker.arm() {
            upcall.wait();
        }
    }
    host.join().unwrap();
}

/// EVT-15: the guest masks, unmasks and looks once, while the host raises twice. `masked`: whether the hint
/// is set from the start.
pub(crate) fn mask(weak: Option<Site>, masked: bool) {
    let (mut port, mut taker) = ring(weak, u64::from(masked) << PORT);
    let state = State::new();
    let announced = Arc::clone(&state);
    let host = thread::spawn(move || {
        for value in 1..=2 {
            announced.set(value);
            port.raise();
        }
    });
    if !masked {
        taker.hint_masked(PORT, 0);
    }
    taker.hint_unmasked(PORT, 0);
    let mut seen = state.look();
    take(&mut taker, &state, &mut seen);
    host.join().unwrap();
    take(&mut taker, &state, &mut seen);
    assert_eq!(seen, 2, "an event was lost");
}

/// EVT-17 and VCPU-6 as far as the ring is concerned: the host raises, moves the port to another ring, whose
/// guest alone goes on, and raises again.
pub(crate) fn migrate(weak: Option<Site>) {
    let (mut old, mut old_taker) = ring(weak, 0);
    let (mut new, mut new_taker) = ring(weak, 0);
    old.raiser.reserve().unwrap();
    let state = State::new();
    let announced = Arc::clone(&state);
    let host = thread::spawn(move || {
        announced.set(1);
        old.raise();
        new.raiser.reserve().unwrap();
        if old.raiser.release(old.last) {
            new.raise();
        }
        announced.set(2);
        new.raise();
    });
    let mut seen = 0;
    // The old vCPU stops at some moment.
    take(&mut old_taker, &state, &mut seen);
    take(&mut new_taker, &state, &mut seen);
    host.join().unwrap();
    take(&mut new_taker, &state, &mut seen);
    assert_eq!(seen, 2, "an event was lost");
}
