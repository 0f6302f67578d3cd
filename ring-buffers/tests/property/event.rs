// SPDX-License-Identifier: MIT OR Apache-2.0
//! EVT-4 to EVT-17: arbitrary histories of ports on two rings. No event is lost, no ring overflows, entries
//! stay in order.

use crate::{memory, seed_for};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_rings::{Error, Raised, Raiser, Taker};

const PORTS: [u32; 6] = [0, 1, 2, 63, 64, 1030];
/// The event ring's part of the guest's area.
const EVENT_WORDS: usize = 48;

#[derive(Clone, Debug)]
enum Step {
    Bind(usize, usize),
    Release(usize),
    Raise(usize),
    Move(usize),
    Mask(usize),
    Unmask(usize),
    Take(usize, usize),
    Arm(usize),
    Disarm(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let port = || 0..PORTS.len();
    prop_oneof![
        2 => (port(), 0usize..2).prop_map(|(port, ring)| Step::Bind(port, ring)),
        1 => port().prop_map(Step::Release),
        6 => port().prop_map(Step::Raise),
        1 => port().prop_map(Step::Move),
        1 => port().prop_map(Step::Mask),
        1 => port().prop_map(Step::Unmask),
        3 => (0usize..2, 0usize..4).prop_map(|(ring, most)| Step::Take(ring, most)),
        1 => (0usize..2).prop_map(Step::Arm),
        1 => (0usize..2).prop_map(Step::Disarm),
    ]
}

/// One ring, both ends, beside what is known of it.
struct Ring<'a> {
    raiser: Raiser<&'a [AtomicU64]>,
    taker: Taker<&'a [AtomicU64]>,
    size: usize,
    /// Ports of the untaken entries, and whether each is still bound by the same binding.
    entries: VecDeque<(usize, bool)>,
    bound: usize,
    hints: [bool; PORTS.len()],
    /// Number of entries taken.
    taken: usize,
    /// Where the guest armed, as such a number, while an upcall is owed for it; and where, when the last one
    /// was sent.
    armed: Option<usize>,
    answered: Option<usize>,
}

impl Ring<'_> {
    fn departed(&self) -> usize {
        self.entries.iter().filter(|(_, live)| !live).count()
    }

    fn holds(&self, port: usize) -> bool {
        self.entries.contains(&(port, true))
    }

    /// Reserves; whether it was granted.
    fn reserve(&mut self) -> bool {
        match self.raiser.reserve() {
            Ok(()) => {
                self.bound += 1;
                assert!(self.bound + self.departed() <= self.size, "more promised than there is");
                true
            }
            Err(error) => {
                assert_eq!(error, Error::Full);
                // Exact but for departed entries with others between them: those count until the last is
                // taken.
                let between = self.entries.iter().rposition(|(_, live)| !live).map_or(0, |at| at + 1);
                assert!(self.bound + between >= self.size, "refused though there was room");
                false
            }
        }
    }

    /// The bits of other ports in the word of `port`'s hint.
    fn others(&self, port: usize) -> u64 {
        let same = |n: &usize| *n != port && PORTS[*n] / 64 == PORTS[port] / 64;
        (0..PORTS.len()).filter(same).map(|n| u64::from(self.hints[n]) << (PORTS[n] % 64)).sum()
    }
}

/// What host and guest know of a port.
#[derive(Default)]
struct Port {
    ring: Option<usize>,
    last: Option<u64>,
    /// What it announces, and what the guest has seen of that.
    state: u64,
    seen: u64,
}

fn raise(ring: &mut Ring<'_>, ports: &mut [Port], port: usize) {
    let raised = ring.raiser.raise(PORTS[port], &mut ports[port].last).expect("an honest guest");
    let expected = if ring.hints[port] {
        Raised::Masked
    } else if ring.holds(port) {
        Raised::Pending
    } else {
        ring.entries.push_back((port, true));
        let upcall = ring.armed.is_some();
        ring.answered = ring.armed.take().or(ring.answered);
        Raised::Written { upcall }
    };
    assert_eq!(raised, expected);
    assert!(ring.entries.len() <= ring.size, "an overflow");
}

fn take(ring: &mut Ring<'_>, ports: &mut [Port], most: usize) {
    let mut out = [0; 8];
    let count = ring.taker.take(&mut out[..most]).expect("an honest host");
    assert_eq!(count, most.min(ring.entries.len()));
    ring.taken += count;
    for taken in &out[..count] {
        let (port, _) = ring.entries.pop_front().unwrap();
        assert_eq!(PORTS[port], *taken, "out of order");
        ports[port].seen = ports[port].state;
    }
}

/// Releases a port from its ring, which says whether its last entry was untaken.
fn release(ring: &mut Ring<'_>, ports: &mut [Port], port: usize) -> bool {
    let untaken = ring.raiser.release(ports[port].last.take());
    assert_eq!(untaken, ring.holds(port));
    for entry in &mut ring.entries {
        entry.1 &= entry.0 != port;
    }
    ring.bound -= 1;
    untaken
}

fn perform(rings: &mut [Ring<'_>; 2], ports: &mut [Port], step: &Step) {
    match *step {
        Step::Bind(port, ring) if ports[port].ring.is_none() => {
            if rings[ring].reserve() {
                ports[port].ring = Some(ring);
                ports[port].seen = ports[port].state;
            }
        }
        Step::Release(port) => {
            if let Some(ring) = ports[port].ring.take() {
                release(&mut rings[ring], ports, port);
            }
        }
        Step::Raise(port) => {
            if let Some(ring) = ports[port].ring {
                ports[port].state += 1;
                raise(&mut rings[ring], ports, port);
            }
        }
        Step::Move(port) => {
            let Some(old) = ports[port].ring else { return };
            let new = 1 - old;
            if rings[new].reserve() {
                let untaken = release(&mut rings[old], ports, port);
                ports[port].ring = Some(new);
                // The hint of the new vCPU holds now; a guest that set it there looks when it clears it.
                if untaken {
                    raise(&mut rings[new], ports, port);
                }
            }
        }
        Step::Mask(port) => {
            for ring in rings {
                let others = ring.others(port);
                ring.taker.hint_masked(PORTS[port], others);
                ring.hints[port] = PORTS[port] < 1024;
            }
        }
        Step::Unmask(port) => {
            for ring in rings {
                // The port's own bit is no matter.
                let own = u64::from(ring.hints[port]) << (PORTS[port] % 64);
                let others = ring.others(port) | own;
                ring.taker.hint_unmasked(PORTS[port], others);
                ring.hints[port] = false;
            }
            ports[port].seen = ports[port].state;
        }
        Step::Take(ring, most) => take(&mut rings[ring], ports, most),
        Step::Arm(ring) => {
            let ring = &mut rings[ring];
            assert_eq!(ring.taker.arm(), ring.entries.is_empty());
            // The same position again, after an upcall for it: its entry is there, and the guest has just
            // seen that.
            ring.armed = Some(ring.taken).filter(|_| ring.answered != Some(ring.taken));
        }
        Step::Disarm(ring) => {
            rings[ring].taker.disarm();
            rings[ring].armed = None;
        }
        Step::Bind(..) => {}
    }
}

fn run(sizes: [usize; 2], start: u64, steps: &[Step]) {
    let areas = [memory(EVENT_WORDS + 128), memory(EVENT_WORDS + 128)];
    for word in areas.iter().flat_map(|area| &area[EVENT_WORDS..]) {
        // Submissions lie behind it: a hint that is not there would be read from them.
        word.store(u64::MAX, Ordering::Relaxed);
    }
    let entries = sizes.map(memory);
    let mut rings = [0, 1].map(|n: usize| {
        let class = u32::try_from(n).unwrap();
        let position = u32::try_from(start & 0xffff_ffff).unwrap();
        let seed = seed_for(u32::MAX - 20, position);
        let (guest, entries) = (&areas[n][..], &entries[n][..]);
        let max_ports = 1031;
        let taken = if class == 0 { 8 } else { 16 };
        crate::scribble(guest, taken, u64::from(position));
        let raiser = crate::raiser(guest, entries, class, seed, start);
        let mut taker = crate::taker(guest, entries, class, seed, max_ports, position);
        taker.disarm();
        let hints = [false; PORTS.len()];
        Ring {
            raiser,
            taker,
            size: sizes[n],
            entries: VecDeque::new(),
            bound: 0,
            hints,
            taken: 0,
            armed: None,
            answered: None,
        }
    });
    let mut ports: Vec<Port> = PORTS.iter().map(|_| Port::default()).collect();

    for step in steps {
        perform(&mut rings, &mut ports, step);
        for (n, port) in ports.iter().enumerate() {
            let Some(ring) = port.ring else { continue };
            let known = port.seen == port.state || rings[ring].hints[n] || rings[ring].holds(n);
            assert!(known, "the event of port {} was lost", PORTS[n]);
        }
    }
    let behind = areas.iter().flat_map(|area| &area[EVENT_WORDS..]);
    assert!(
        behind.into_iter().all(|word| word.load(Ordering::Relaxed) == u64::MAX),
        "a hint that is not there"
    );
    for ring in &mut rings {
        take(ring, &mut ports, 8);
        assert!(ring.entries.is_empty(), "an entry was lost");
        assert!(ring.taker.arm(), "an entry came twice");
        assert_eq!(ring.raiser.reserve().is_ok(), ring.bound < ring.size, "room that nobody has");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn any_history_is_that_of_a_list(
        sizes in prop::array::uniform2(prop::sample::select(vec![1usize, 2, 4, 8])),
        start in prop_oneof![Just(0u64), (1u64 << 32) - 20..1 << 32, (5u64 << 32) - 20..5 << 32],
        steps in prop::collection::vec(step(), 0..200),
    ) {
        run(sizes, start, &steps);
    }
}

/// EVT-4: a port that comes and goes with an entry in the ring, while the guest stays one entry behind, does
/// not use it up.
#[test]
fn departed_entries_are_forgotten_while_the_guest_lags() {
    let mut steps = vec![];
    for _ in 0..20 {
        steps.extend([Step::Bind(0, 0), Step::Raise(0), Step::Release(0), Step::Bind(1, 0), Step::Raise(1)]);
        steps.extend([Step::Take(0, 1), Step::Release(1), Step::Take(0, 0)]);
        steps.extend([Step::Bind(0, 0), Step::Raise(0), Step::Take(0, 1), Step::Release(0)]);
    }
    run([4, 1], 0, &steps);
}

/// EVT-11: to disarm is to arm as far ahead as positions can be compared.
#[test]
fn disarming_arms_far_ahead() {
    for (taken, far) in [(0, 0x7fff_ffff), (1, 0x8000_0000), (u32::MAX, 0x7fff_fffe)] {
        let (area, entries) = (memory(EVENT_WORDS), memory(1));
        let mut taker = crate::taker(&area[..], &entries[..], 1, 7, 1, taken);
        taker.disarm();
        assert_eq!(area[17].load(Ordering::Relaxed), far);
    }
}

/// EVT-8: what is stored is a position behind entries that were taken. Nothing taken, nothing stored, and no
/// fence paid for.
#[test]
fn taking_nothing_stores_nothing() {
    let (area, entries) = (memory(EVENT_WORDS), memory(2));
    area[8].store(u64::from(u32::MAX), Ordering::Relaxed);
    let mut raiser = crate::raiser(&area[..], &entries[..], 0, 7, u64::from(u32::MAX));
    let mut taker = crate::taker(&area[..], &entries[..], 0, 7, 6, u32::MAX);
    assert_eq!(raiser.raise(5, &mut None), Ok(Raised::Written { upcall: false }));
    let canary = 0x1234;
    area[8].store(canary, Ordering::Relaxed);
    assert_eq!(taker.take(&mut []), Ok(0), "no room");
    assert_eq!((taker.taken(), area[8].load(Ordering::Relaxed)), (u32::MAX, canary));
    let mut ports = [0; 3];
    assert_eq!(taker.take(&mut ports), Ok(1));
    assert_eq!((ports[0], taker.taken(), area[8].load(Ordering::Relaxed)), (5, 0, 0));
    area[8].store(canary, Ordering::Relaxed);
    assert_eq!(taker.take(&mut ports), Ok(0), "no entry");
    assert_eq!((taker.taken(), area[8].load(Ordering::Relaxed)), (0, canary));
}

/// EVT-15: a hint is set however the caller counts the port among the others, and cleared alike.
#[test]
fn a_hint_is_one_bit() {
    let (area, entries) = (memory(EVENT_WORDS), memory(1));
    let mut taker = crate::taker(&area[..], &entries[..], 0, 7, 2000, 0);
    for (port, word, bit) in [(0, 32, 1), (63, 32, 1 << 63), (64, 33, 1), (1023, 47, 1 << 63)] {
        for others in [0, bit, 6, 6 | bit] {
            taker.hint_masked(port, others);
            assert_eq!(area[word].load(Ordering::Relaxed), others | bit, "port {port}");
            taker.hint_unmasked(port, others);
            assert_eq!(area[word].load(Ordering::Relaxed), others & !bit, "port {port}");
        }
    }
    let before: Vec<u64> = area.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    taker.hint_masked(1024, u64::MAX);
    taker.hint_unmasked(1024, u64::MAX);
    assert!(area.iter().map(|word| word.load(Ordering::Relaxed)).eq(before), "ports from 1024 on have none");
}
