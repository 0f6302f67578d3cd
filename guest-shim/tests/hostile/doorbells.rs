// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which doorbells a record names, and where a store to one goes (DISC-6, DISC-7).
#![allow(unsafe_code, reason = "the test plays the device")]

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use tenon_abi::{ConduitKind, Record};
use tenon_guest::conduit::{Conduit, Doorbells, Hypercall, Mmio, PortIo};
use zerocopy::FromZeros;

fn record(conduit: ConduitKind, kick: u64, stride: u32, bind: u64, vcpus: u32) -> Record {
    let mut record = Record::new_zeroed();
    record.conduit.set(conduit.0);
    record.kick_base.set(kick);
    record.kick_stride.set(stride);
    record.bind_base.set(bind);
    record.max_vcpus.set(vcpus);
    record
}

/// A device's page: what was stored, and what was asked for.
struct Device {
    words: [AtomicU32; 32],
    asked: RefCell<Vec<(u64, u64)>>,
}

const BASE: u64 = 0x1000;

impl Device {
    fn new() -> Self {
        Self { words: [const { AtomicU32::new(0) }; 32], asked: RefCell::default() }
    }

    fn map(&self, address: u64, len: u64) -> Option<NonNull<u32>> {
        self.asked.borrow_mut().push((address, len));
        let first = usize::try_from(address.checked_sub(BASE)? / 4).ok()?;
        NonNull::new(self.words.get(first)?.as_ptr())
    }

    /// The words that were stored to, which are then zero again.
    fn stored(&self) -> Vec<(usize, u32)> {
        let words = self.words.iter().map(|word| u32::from_le(word.swap(0, Ordering::Relaxed)));
        words.enumerate().filter(|(_, word)| *word != 0).collect()
    }
}

#[test]
fn a_queue_without_a_doorbell_rings_none() {
    let device = Device::new();
    // Two vCPUs, four queues, eight bytes apart; the bind doorbell behind them.
    let named = record(ConduitKind::MMIO, BASE, 8, BASE + 0x40, 2);
    // SAFETY: the words are this test's.
    let bells = unsafe { Mmio::of(&named, |at, len| device.map(at, len)) }.expect("they are mapped");
    assert_eq!(*device.asked.borrow(), [(BASE, 28), (BASE + 0x40, 4)]);
    for (queue, stored) in
        [(1, vec![(2, 1)]), (3, vec![(6, 3)]), (4, vec![]), (u32::MAX, vec![]), (0x2000_0001, vec![])]
    {
        bells.kick(queue);
        assert_eq!(device.stored(), stored, "queue {queue:#x}");
    }
    bells.bind(77);
    assert_eq!(device.stored(), [(16, 77)]);
    // One doorbell for all queues.
    let named = record(ConduitKind::MMIO, BASE, 0, BASE + 4, 2);
    // SAFETY: as above.
    let bells = unsafe { Mmio::of(&named, |at, len| device.map(at, len)) }.expect("they are mapped");
    bells.kick(0xffff_ffff);
    assert_eq!(device.stored(), [(0, u32::MAX)]);
}

#[test]
fn doorbells_that_are_not_mapped_are_none() {
    let device = Device::new();
    let of = |record: Record| {
        // SAFETY: as above.
        unsafe { Mmio::of(&record, |at, len| device.map(at, len)) }.is_some()
    };
    assert!(of(record(ConduitKind::MMIO, BASE, 8, BASE, 1)));
    assert!(!of(record(ConduitKind::MMIO, 0, 8, BASE, 1)) && !of(record(ConduitKind::MMIO, BASE, 8, 0, 1)));
    assert!(!of(record(ConduitKind::MMIO, BASE, 8, BASE, 0)), "no vCPU, no doorbell");
    assert!(!of(record(ConduitKind::MMIO, BASE, 8, BASE, u32::MAX)), "more queues than there are numbers");
    assert!(!of(record(ConduitKind::PORT_IO, BASE, 8, BASE, 1)));
}

#[test]
fn the_record_names_the_conduit() {
    let device = Device::new();
    let of = |record: &Record| {
        // SAFETY: as above; ports and hypercalls are not used.
        unsafe { Doorbells::of(record, |at, len| device.map(at, len)) }
    };
    let memory = of(&record(ConduitKind::MMIO, BASE, 8, BASE + 0x40, 2)).expect("it has doorbells");
    memory.kick(1);
    memory.bind(5);
    assert_eq!(device.stored(), [(2, 1), (16, 5)]);
    assert!(matches!(memory, Doorbells::Mmio(_)));
    let ports = of(&record(ConduitKind::PORT_IO, 0x500, 4, 0x600, 2));
    assert!(!cfg!(target_arch = "x86_64") || matches!(ports, Some(Doorbells::PortIo(_))));
    let hypercalls = of(&record(ConduitKind::HYPERCALL, 1, 0, 2, 2));
    assert!(matches!(hypercalls, Some(Doorbells::Hypercall(_))));
    assert!(of(&record(ConduitKind::SHARED, 1, 0, 2, 2)).is_none(), "it comes with its device");
    assert!(of(&record(ConduitKind(0x7777), 1, 0, 2, 2)).is_none());
}

#[test]
#[cfg(target_arch = "x86_64")]
fn numbers_that_are_no_ports_and_no_functions_are_refused() {
    // SAFETY: they are not used.
    let ports = |record: Record| unsafe { PortIo::of(&record) }.map(|ports| format!("{ports:?}"));
    let some = ports(record(ConduitKind::PORT_IO, 0xffff, 4, 0x600, 2)).expect("they are ports");
    assert_eq!(some, "PortIo { kick: 65535, stride: 4, bind: 1536 }");
    for (kick, stride, bind) in [(0x1_0000, 4, 0), (0, 0x1_0000, 0), (0, 4, 0x1_0000)] {
        assert_eq!(ports(record(ConduitKind::PORT_IO, kick, stride, bind, 2)), None);
    }
    assert_eq!(ports(record(ConduitKind::MMIO, 1, 4, 2, 2)), None);
    // SAFETY: as above.
    let functions = |record: Record| unsafe { Hypercall::of(&record) }.is_some();
    assert!(functions(record(ConduitKind::HYPERCALL, 0xffff_ffff, 0, 0xffff_ffff, 2)));
    for (kick, stride, bind) in [(1 << 32, 0, 0), (0, 1, 0), (0, 0, 1 << 32)] {
        assert!(!functions(record(ConduitKind::HYPERCALL, kick, stride, bind, 2)));
    }
    assert!(!functions(record(ConduitKind::PORT_IO, 1, 0, 2, 2)));
}
