// SPDX-License-Identifier: MIT OR Apache-2.0
//! A model of the gate: each of two CPUs has an event of the same port.

use crate::run;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::cell::Cell;
use tenon_rings::Site;
use tenon_rings::event::{Count, run_alone};

struct LoomCount {
    count: AtomicU32,
    weak: Option<Site>,
}

impl Count for LoomCount {
    fn add(&self, site: Site) -> u32 {
        self.count.fetch_add(1, run::ordering(site, self.weak))
    }

    fn clear(&self, seen: u32, cleared: Site, moved: Site) -> Result<(), u32> {
        let (success, failure) = (run::ordering(cleared, self.weak), run::ordering(moved, self.weak));
        self.count.compare_exchange(seen, 0, success, failure).map(drop)
    }
}

struct Port {
    gate: LoomCount,
    /// What each CPU's event announces.
    states: [AtomicU32; 2],
    /// What the handler has seen of them, and loom's watch over it: nothing but the gate protects it.
    seen: Cell<[u32; 2]>,
    owner: UnsafeCell<()>,
}

impl Port {
    fn event(&self, cpu: usize) {
        // As weak as a store can be: it is the gate that has to make it visible to whoever handles the event.
        self.states[cpu].store(1, Ordering::Relaxed);
        run_alone(&self.gate, || {
            self.owner.with_mut(|_| ());
            self.seen.set([0, 1].map(|state: usize| self.states[state].load(Ordering::Relaxed)));
            self.owner.with_mut(|_| ());
        });
    }
}

/// EVT-18: the handler runs on one CPU at a time, and after each event at least once.
pub(crate) fn two_cpus(weak: Option<Site>) {
    let port = Arc::new(Port {
        gate: LoomCount { count: AtomicU32::new(0), weak },
        states: [AtomicU32::new(0), AtomicU32::new(0)],
        seen: Cell::default(),
        owner: UnsafeCell::new(()),
    });
    let other = Arc::clone(&port);
    let cpu = thread::spawn(move || other.event(1));
    port.event(0);
    cpu.join().unwrap();
    assert_eq!(port.seen.get(), [1, 1], "an event was lost");
}
