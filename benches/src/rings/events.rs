// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events: the state that is announced is written, its port raised, the event taken, which acknowledges it,
//! and the state looked at.
//!
//! In one thread, and from two threads that have only a lock in common, as devices of one domain do.

use std::sync::{Arc, Mutex, PoisonError};

use tenon_abi::vcpu::guest;
use tenon_rings::event::Ring;
use tenon_rings::{Mapping, Raised, Raiser, Taker};

use super::memory::Pages;
use super::pair::{Reading, alone, together};
use super::sample::Variant;

/// Ports that are raised at a time, of all that there are.
const BUSY: u32 = 32;
const ENTRIES: u32 = 256;
const GUEST_AREA: usize = 4096;
const WARM: u64 = 1024;

/// Ports bound to one ring, with both of its ends.
struct Ports {
    raiser: Raiser<Mapping>,
    taker: Taker<Mapping>,
    /// Where each port's last entry lies, and the state that the port announces.
    last: Vec<Option<u64>>,
    states: Vec<u64>,
    /// Those that are raised.
    busy: Vec<u32>,
    sum: u64,
    _pages: Arc<Pages>,
}

impl Ports {
    fn new(ports: u32) -> Self {
        let size = ENTRIES.max(ports);
        let pages = Pages::new(GUEST_AREA + size as usize * 8);
        let (guest, ring) = (pages.mapping(0, GUEST_AREA), pages.mapping(GUEST_AREA, size as usize * 8));
        let mut ring = Ring::new(guest, ring, 0, 0, size).expect("room for the ring");
        let mut raiser = ring.raiser().expect("nobody has it");
        let taker = ring.taker(ports).expect("nobody has it");
        (0..ports).for_each(|_| raiser.reserve().expect("an entry for each port"));
        // Apart from each other, as busy ports among idle ones are; an odd distance, so that they do not
        // share cache sets.
        let distance = (ports / BUSY) | 1;
        let busy = (0..BUSY).map(|index| index * distance % ports).collect();
        let (last, states) = (vec![None; ports as usize], vec![0; ports as usize]);
        Self { raiser, taker, last, states, busy, sum: 0, _pages: pages }
    }

    /// Raises the busy port of a number to announce `round`.
    #[inline(always)]
    fn raise(&mut self, index: usize, round: u64) {
        let port = self.busy[index];
        self.states[port as usize] = round;
        let raised = self.raiser.raise(port, &mut self.last[port as usize]).expect("an honest guest");
        assert!(matches!(raised, Raised::Written { .. }), "a port that was taken is free");
    }

    /// Takes what is there, and looks at the states.
    #[inline(always)]
    fn take(&mut self) -> usize {
        let mut taken = [0; BUSY as usize];
        let count = self.taker.take(&mut taken).expect("an honest host");
        for port in &taken[..count] {
            self.sum = self.sum.wrapping_add(self.states[*port as usize]);
        }
        count
    }
}

/// The sum of the states that `ports` ports announce in `rounds` rounds.
const fn sum(ports: u32, rounds: u64) -> u64 {
    ports as u64 * (rounds * rounds.saturating_sub(1) / 2)
}

/// `ports` are bound, and `BUSY` of them raised in turns.
#[must_use]
pub fn events(group: &str, name: &'static str, ports: u32) -> Variant {
    let run = move |count: u64| {
        let rounds = count.div_ceil(u64::from(BUSY));
        let mut ports = Ports::new(ports);
        let mut turn = |rounds: u64| {
            for round in 0..rounds {
                (0..BUSY as usize).for_each(|index| ports.raise(index, round));
                assert_eq!(ports.take(), BUSY as usize, "all that were raised");
            }
        };
        turn(WARM / u64::from(BUSY));
        let reading = alone(|| turn(rounds));
        assert_eq!(ports.sum, sum(BUSY, WARM / u64::from(BUSY)) + sum(BUSY, rounds), "{name}");
        (rounds * u64::from(BUSY), reading)
    };
    const { assert!(guest::ARMED1 < GUEST_AREA as u64, "the guest's area holds all its words") };
    Variant { group: group.to_owned(), name, run: Box::new(run) }
}

/// Who raises.
#[derive(Clone, Copy, Debug)]
pub enum Devices {
    /// One thread, through the lock.
    One,
    /// Two threads, through one lock.
    Two,
    /// Two threads with a ring and a lock each.
    Apart,
}

/// Half of the busy ports in turns, each raised and the whole taken under the lock: `rounds` times.
fn device(ports: &Mutex<Ports>, half: usize, rounds: u64) {
    let lock = || ports.lock().unwrap_or_else(PoisonError::into_inner);
    let size = BUSY as usize / 2;
    for round in 0..rounds {
        for index in half * size..(half + 1) * size {
            lock().raise(index, round);
        }
        lock().take();
    }
}

/// A raise through the lock of a domain; for each thread, as many as there are.
#[must_use]
pub fn devices(group: &str, name: &'static str, devices: Devices) -> Variant {
    let run = move |count: u64| {
        let half = u64::from(BUSY / 2);
        let (rounds, warm) = (count.div_ceil(half), WARM / half);
        let ports = [Mutex::new(Ports::new(64)), Mutex::new(Ports::new(64))];
        let [first, second] = &ports;
        let mine = |rounds| device(first, 0, rounds);
        let theirs = |rounds| match devices {
            Devices::One => {}
            Devices::Two => device(first, 1, rounds),
            Devices::Apart => device(second, 1, rounds),
        };
        let reading: Reading = together(
            |is_warm| mine(if is_warm { warm } else { rounds }),
            |is_warm| theirs(if is_warm { warm } else { rounds }),
        );
        let sums = ports.map(|ports| ports.into_inner().unwrap_or_else(PoisonError::into_inner).sum);
        let each = sum(BUSY / 2, warm) + sum(BUSY / 2, rounds);
        let threads = if matches!(devices, Devices::One) { 1 } else { 2 };
        assert_eq!(sums.iter().sum::<u64>(), threads * each, "{name}");
        (rounds * half, reading)
    };
    Variant { group: group.to_owned(), name, run: Box::new(run) }
}
