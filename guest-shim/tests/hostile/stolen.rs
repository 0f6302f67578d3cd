// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stolen time under a host that writes what it likes.

use tenon_abi::vcpu::host as area;

use crate::host::GRANULE;
use crate::lies::{bind, host, open};

const WORD: u64 = GRANULE as u64 + area::STOLEN;

#[test]
fn a_count_that_falls_has_stolen_nothing() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    host.spoil(WORD, 1000);
    let mut stolen = vcpu.stolen();
    let mut after = |word| {
        host.spoil(WORD, word);
        stolen.since_last()
    };
    assert_eq!([after(1000), after(1500), after(1500)], [0, 500, 0]);
    // It falls, comes back to where it was, and grows.
    assert_eq!([after(3), after(1499), after(1500), after(1600)], [0, 0, 0, 100]);
    assert_eq!([after(u64::MAX), after(0)], [u64::MAX - 1600, 0]);
    host.assert_contained();
}
