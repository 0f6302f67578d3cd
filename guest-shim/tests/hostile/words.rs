// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every word that the host wrote, set to every boundary value, after every entry into the host.

use crate::host::{Attack, GRANULE, Host, Shared};
use crate::session::{DEPTH, EVENTS, run};
use tenon_abi::vcpu::Sizes;

/// What an honest session achieves.
const ALL: usize = 30;

/// What a word becomes: boundaries of each of its fields, and what lies next to what it was.
const VALUES: [fn(u64) -> u64; 22] = [
    |_| 0,
    |_| 1,
    |_| u64::MAX,
    |_| 1 << 63,
    |_| 1 << 31,
    |_| u64::from(u32::MAX),
    |_| 1 << 32,
    |word| word.wrapping_add(1),
    |word| word.wrapping_sub(1),
    // Turn, of slots and entries: the next, the last, one that lies half the circle away.
    |word| word.wrapping_add(1 << 32),
    |word| word.wrapping_sub(1 << 32),
    |word| word ^ 1 << 63,
    // Id, in range and out of it.
    |word| word ^ 1 << 16,
    |word| word & !(0xffff << 16) | 2 << 16,
    |word| word & !(0xffff << 16) | 4 << 16,
    |word| word | 0xffff << 16,
    // Status, known and unknown; port.
    |word| word & !0xffff | 3,
    |word| word & !0xffff | 15,
    |word| word | 0xffff,
    |word| word & !0xffff_ffff | 63,
    |word| word & !0xffff_ffff | 64,
    |word| word | 0xffff_ffff,
];

#[test]
fn an_honest_host_is_understood() {
    let host = Host::new(Shared::new(), None);
    assert_eq!(run(&host), ALL);
    host.assert_contained();
}

#[test]
fn no_word_of_the_host_does_harm_at_any_step() {
    let shared = Shared::new();
    let honest = Host::new(shared, None);
    run(&honest);
    let steps = honest.entered();
    let area = Sizes { depth: DEPTH as u32, events: EVENTS }.host_len() as usize;
    let words = (0..256 / 8).chain(GRANULE / 8..(GRANULE + area) / 8);
    let (mut sessions, mut spoilt) = (0_u32, 0_u32);
    for word in words {
        for after in 0..=steps {
            for value in VALUES {
                let host = Host::new(shared, Some(Attack { after, word, value }));
                let done = run(&host);
                host.assert_contained();
                sessions += 1;
                spoilt += u32::from(done != ALL);
            }
        }
    }
    // Most attacks hit a word that is not looked at again; many must hit.
    println!("{sessions} sessions of {steps} steps, {spoilt} of them spoilt");
    assert!(spoilt > 500, "{spoilt} of {sessions} attacks had an effect");
}
