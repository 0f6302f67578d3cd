// SPDX-License-Identifier: MIT OR Apache-2.0
//! The largest that the configuration allows (DISC-9).

use crate::tools::{Guest, config};
use tenon_abi::vcpu::{Sizes, guest as area};
use tenon_abi::{Op, Status};
use tenon_host::Served;

/// Calls in batches of 60, which is faster than one at a time.
fn calls(guest: &mut Guest, vcpu: u32, all: impl Iterator<Item = (Op, [u64; 3])>) {
    let mut waiting = 0;
    let flush = |guest: &mut Guest, count: &mut u16| {
        while guest.kick(vcpu).again {
            guest.actions();
        }
        guest.actions();
        let taken = guest.take(vcpu, 0);
        assert_eq!(taken.len(), usize::from(*count));
        assert!(taken.iter().all(|(_, status, _)| *status == Status::OK));
        *count = 0;
    };
    for (op, args) in all {
        guest.submit(vcpu, waiting, op, args);
        waiting += 1;
        if waiting == 60 {
            flush(guest, &mut waiting);
        }
    }
    flush(guest, &mut waiting);
}

fn largest() -> Guest {
    let mut config = config(2);
    (config.max_depth, config.max_events, config.max_ports) = (4096, 65_536, 65_536);
    config.window_len = 4 << 20;
    let mut guest = Guest::open(config);
    let sizes = Sizes { depth: 64, events: [65_536, 65_536] };
    (0..2).for_each(|vcpu| assert_eq!(guest.try_bind(vcpu, sizes), Status::OK));
    guest
}

#[test]
fn a_ring_of_65536_entries_holds_an_event_of_each_port() {
    let mut guest = largest();
    calls(&mut guest, 0, (0..65_536).map(|port| (Op::EVENT_BIND, [port, 0, 0])));
    for lap in 0..3 {
        for port in 0..65_536 {
            guest.domain.raise(port).expect("bound");
            guest.domain.raise(port).expect("bound");
        }
        assert_eq!(guest.entries(0, 0).len(), 65_536, "lap {lap}");
        guest.set(0, area::TAKEN0, 65_536 * (lap + 1));
    }
    // All of them move at once, half of them raised.
    (0..65_536).step_by(2).for_each(|port| guest.domain.raise(port).expect("bound"));
    guest.ok(0, Op::VCPU_START, [1, 0x1000, 0]);
    guest.actions();
    guest.submit(1, 0, Op::VCPU_STOP, [0, 1, 0]);
    assert_eq!(guest.kick(1), Served { fetched: 1, again: true });
    assert_eq!(guest.entries(1, 0).len(), 32_768);
}

#[test]
fn a_queue_of_4096_is_filled_and_drained() {
    let mut config = config(1);
    (config.max_depth, config.window_len) = (4096, 1 << 20);
    let mut guest = Guest::open(config);
    assert_eq!(guest.try_bind(0, Sizes { depth: 4096, events: [1, 1] }), Status::OK);
    for lap in 0..3 {
        for id in 0..4096 {
            guest.submit(0, id, Op::NOP, [u64::from(id), 0, 0]);
        }
        let mut fetched = 0;
        loop {
            let served = guest.kick(0);
            assert!(served.fetched <= 256);
            fetched += served.fetched;
            if !served.again {
                break;
            }
        }
        assert_eq!(fetched, 4096, "lap {lap}");
        let taken = guest.take(0, 0);
        assert!(taken.iter().zip(0..).all(|(&taken, id)| taken == (id, Status::OK, u64::from(id))));
        assert_eq!(taken.len(), 4096);
    }
}

#[test]
fn sizes_beyond_the_limits_are_refused() {
    let mut guest = Guest::open(config(1));
    for sizes in [
        Sizes { depth: 0, events: [1, 1] },
        Sizes { depth: 3, events: [1, 1] },
        Sizes { depth: 512, events: [1, 1] },
        Sizes { depth: 1, events: [0, 1] },
        Sizes { depth: 1, events: [1, 8192] },
        Sizes { depth: 1, events: [1 << 31, 1] },
    ] {
        assert_eq!(guest.try_bind(0, sizes), Status::BAD_ARGUMENT, "{sizes:?}");
    }
    assert_eq!(guest.try_bind(0, Sizes { depth: 256, events: [4096, 1] }), Status::OK);
}

#[test]
fn a_domain_of_many_vcpus_binds_them_all() {
    let mut config = config(512);
    config.window_len = 513 * 4096;
    let mut guest = Guest::open(config);
    for vcpu in 0..512 {
        assert_eq!(guest.try_bind(vcpu, Sizes { depth: 64, events: [1, 1] }), Status::OK);
    }
    assert_eq!(guest.ok(511, Op::NOP, [7, 0, 0]), 7);
}
