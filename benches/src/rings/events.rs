// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events in one thread: the state that is announced is written, its port raised, the event taken, which acknowledges it, and the state looked at.

use tenon_abi::vcpu::guest;
use tenon_rings::Raised;
use tenon_rings::event::Ring;

use super::memory::Pages;
use super::pair::alone;
use super::sample::Variant;

/// Ports that are raised at a time, of all that there are.
const BUSY: u32 = 32;
const ENTRIES: u32 = 256;
const GUEST_AREA: usize = 4096;
const WARM: u64 = 1024;

/// `ports` are bound, and `BUSY` of them raised in turns.
#[must_use]
pub fn events(group: &str, name: &'static str, ports: u32) -> Variant {
    let run = move |count: u64| {
        let rounds = count.div_ceil(u64::from(BUSY));
        let entries = ENTRIES.max(ports) as usize * 8;
        let pages = Pages::new(GUEST_AREA + entries);
        let size = ENTRIES.max(ports);
        let (guest, ring) = (pages.mapping(0, GUEST_AREA), pages.mapping(GUEST_AREA, entries));
        let mut ring = Ring::new(guest, ring, 0, 0, size).expect("room for the ring");
        let mut raiser = ring.raiser().expect("nobody has it");
        let mut taker = ring.taker(ports).expect("nobody has it");
        (0..ports).for_each(|_| raiser.reserve().expect("an entry for each port"));
        // Where each port's last entry lies, and the state that the port announces.
        let mut last = vec![None; ports as usize];
        let mut states = vec![0u64; ports as usize];
        // Apart from each other, as busy ports among idle ones are; an odd distance, so that they do not share cache sets.
        let distance = (ports / BUSY) | 1;
        let busy: Vec<u32> = (0..BUSY).map(|index| index * distance % ports).collect();
        let mut sum = 0u64;
        let mut turn = |rounds: u64| {
            let mut taken = [0; BUSY as usize];
            for round in 0..rounds {
                for &port in &busy {
                    states[port as usize] = round;
                    let raised = raiser.raise(port, &mut last[port as usize]).expect("an honest guest");
                    assert!(matches!(raised, Raised::Written { .. }), "a port that was taken is free");
                }
                let count = taker.take(&mut taken).expect("an honest host");
                assert_eq!(count, taken.len(), "all that were raised");
                for port in taken {
                    sum = sum.wrapping_add(states[port as usize]);
                }
            }
        };
        turn(WARM / u64::from(BUSY));
        let reading = alone(|| turn(rounds));
        let of = |rounds: u64| u64::from(BUSY) * (rounds * rounds.saturating_sub(1) / 2);
        assert_eq!(sum, of(WARM / u64::from(BUSY)) + of(rounds), "{name}");
        (rounds * u64::from(BUSY), reading)
    };
    const { assert!(guest::ARMED1 < GUEST_AREA as u64, "the guest's area holds all its words") };
    Variant { group: group.to_owned(), name, run: Box::new(run) }
}
