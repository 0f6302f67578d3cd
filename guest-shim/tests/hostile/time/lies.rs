// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every word of the page set to every boundary value, and counters that jump.

use tenon_abi::time::page::{COPY0, COPY1};
use tenon_abi::{Clock as Which, Op};

use super::{PAGE, honest, publish, with_clock};

/// Boundaries of each field that a word can have.
const VALUES: [u64; 14] = [
    0,
    1,
    1 << 15,
    0xffff,
    0x0001_0000,
    63 << 16 | 1,
    64 << 16 | 1 | 7 << 32,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
    0x0007_0007_003f_0001,
];
const COUNTERS: [u64; 8] = [0, 1, 999, 1000, 1 << 40, 1 << 63, u64::MAX - 1, u64::MAX];

#[test]
fn no_word_of_the_page_lets_a_clock_go_back() {
    with_clock(|host, calls, ticks, clock| {
        publish(host, &honest());
        let mut last = [0; 2];
        let mut called = 0;
        for place in (0..8).chain([COPY0, COPY1].into_iter().flat_map(|copy| copy / 8..copy / 8 + 16)) {
            let honest = host.word(PAGE + place * 8);
            for value in VALUES {
                host.spoil(PAGE + place * 8, value);
                for counter in COUNTERS {
                    ticks.set(counter);
                    for (which, last) in [Which::RUNNING, Which::BOOT].into_iter().zip(&mut last) {
                        let reading = clock.read(which).expect("the call answers");
                        assert!(reading.ns >= *last, "{which:?} went back: {reading:?} after {last}");
                        *last = reading.ns;
                    }
                    assert!(clock.utc().is_ok());
                }
            }
            host.spoil(PAGE + place * 8, honest);
            called += calls.asked.borrow_mut().drain(..).filter(|(op, _)| *op == Op::CLOCK_READ).count();
        }
        assert!(called > 100, "{called} calls: the page is doubted less than it should be");
        host.assert_contained();
    });
}
