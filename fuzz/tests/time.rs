// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lives that are about clocks, timers and pages: noise comes there too seldom. A life's bytes are those of
//! `Life::new` and `Life::live`.

use tenon_abi::Op;
use tenon_abi::operation::OPERATIONS;

/// Random numbers, the same ones on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u8::try_from((self.0 >> 11) % end).expect("a byte")
    }

    fn byte(&mut self) -> u8 {
        self.below(256)
    }
}

/// A submission that is served at once.
fn call(data: &mut Vec<u8>, op: Op, args: [u8; 3]) {
    let index = OPERATIONS.iter().position(|row| row.op == op).expect("a row of the table");
    data.extend([5, 0, u8::try_from(index).expect("few operations")]);
    data.extend(args);
    data.push(8);
}

fn life(random: &mut Random) -> Vec<u8> {
    // One vCPU or more, 4 KiB granules, time, with the window or without it, no hole.
    let mut data = vec![random.below(4), 0, [0, 3][usize::from(random.below(2))], random.below(5), 0, 0];
    let open = |data: &mut Vec<u8>| data.extend([0, 0, 0, 1, 0, 0x1b, 0, 0]);
    open(&mut data);
    for _ in 0..60 {
        match random.below(16) {
            0 => {
                data.extend([3, 0]);
                open(&mut data);
            }
            1 => data.extend([29]),
            2 => data.extend([30]),
            3 | 4 => data.extend([26, 0]),
            5..=7 => data.extend([22, random.byte(), random.byte()]),
            8 | 9 => call(&mut data, Op::EVENT_BIND, [random.below(4), 0, random.byte()]),
            10 => call(&mut data, Op::EVENT_UNBIND, [random.below(4), 0, 0]),
            11 => call(&mut data, Op::PAGE, [1, random.below(64), random.byte()]),
            12 => call(&mut data, Op::TIMER_CANCEL, [random.below(4), 0, 0]),
            13 => call(&mut data, Op::CLOCK_READ, [random.below(4), 0, 0]),
            _ => call(&mut data, Op::TIMER_SET, [random.below(4), random.byte(), random.byte()]),
        }
    }
    data
}

#[test]
fn the_core_survives_lives_with_timers() {
    let mut random = Random(0x7e_40_11);
    for n in 0..1500 {
        let data = life(&mut random);
        // It stands in the output if this one fails.
        println!("life {n}");
        tenon_fuzz::core(&data);
    }
}
