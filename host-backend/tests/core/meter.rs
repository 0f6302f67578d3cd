// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host counts: for the embedder, over a restore, after a loss.

use crate::tools::{Guest, config, patchy};
use std::collections::BTreeSet;
use tenon_abi::{Meter, Op};
use tenon_host::{Domain, Error, Misfit, Services, State};

fn calls(guest: &Guest) -> u64 {
    guest.domain.counted().get(Meter::CALLS)
}

#[test]
fn the_embedder_reads_what_the_guest_reads() {
    let mut guest = Guest::open(config(1));
    guest.bind(0);
    for _ in 0..5 {
        guest.ok(0, Op::NOP, [1, 0, 0]);
    }
    let written = guest.ok(0, Op::METER_READ, [0, crate::tools::PAYLOAD, 4096]);
    let mut bytes = vec![0; written as usize];
    assert!(tenon_host::Memory::read(&guest.arena, 0, crate::tools::PAYLOAD, &mut bytes));
    let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let counted = guest.domain.counted();
    assert_eq!(words[0], counted.epoch());
    let rows: Vec<(u64, u64)> =
        words[1..].as_chunks::<2>().0.iter().map(|[number, count]| (*number, *count)).collect();
    let same = counted.rows().map(|(number, count)| (number.0, count));
    // The look at the queue that METER_READ was found in had not ended.
    let same =
        same.map(|(number, count)| (number, if number == Meter::BATCHES.0 { count - 1 } else { count }));
    assert_eq!(rows, same.collect::<Vec<_>>());
    assert_eq!((calls(&guest), counted.get(Meter(0)), counted.get(Meter(999))), (6, 0, 0));
}

#[test]
fn counts_go_on_over_a_restore() {
    let mut guest = Guest::open(config(1));
    guest.bind(0);
    guest.ok(0, Op::NOP, [1, 0, 0]);
    let before = *guest.domain.counted();
    guest.migrate();
    let after = *guest.domain.counted();
    assert_eq!((after.epoch(), calls(&guest)), (before.epoch(), 1));
    guest.ok(0, Op::NOP, [1, 0, 0]);
    assert_eq!(calls(&guest), 2);
}

/// No two of a domain's hosts have the same epoch, wherever their predecessors were lost.
#[test]
fn a_host_that_lost_its_counts_begins_another_epoch() {
    let mut guest = Guest::open(config(1));
    let mut epochs = BTreeSet::from([guest.domain.counted().epoch()]);
    for round in 0..20 {
        if round % 3 == 0 {
            guest.reset();
            guest.negotiate(tenon_abi::Features::empty());
        }
        // Each of them is given the same seed, as a process that is started again may be.
        guest.domain =
            Domain::recover(config(1), patchy(&guest.arena), Services::default()).expect("it fits");
        assert_eq!(calls(&guest), 0);
        let epoch = guest.domain.counted().epoch();
        assert!(epoch != 0 && epochs.insert(epoch), "epoch {epoch:#x} was there before, in round {round}");
        guest.negotiate(tenon_abi::Features::empty());
    }
}

#[test]
fn counts_that_cannot_be_are_refused() {
    let guest = Guest::open(config(1));
    let whole = serde_json::to_value(guest.domain.save()).expect("a state can be written");
    for (path, value) in [("/counted/epoch", 0u64), ("/counted/counts/batches", 1 << 40)] {
        let mut other = whole.clone();
        *other.pointer_mut(path).expect("it is there") = value.into();
        let state: State = serde_json::from_value(other).expect("a state can be read");
        assert_eq!(guest.fork(state).err(), Some(Error::BadState(Misfit::Meter)), "{path}");
    }
}
