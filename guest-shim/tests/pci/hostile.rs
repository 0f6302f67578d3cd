// SPDX-License-Identifier: MIT OR Apache-2.0
//! A configuration space that answers anything: the search ends, and every place that it gives lies in the
//! free range.

use std::cell::Cell;
use tenon_guest::pci::{Bus, ConfigSpace, Function, IVSHMEM};

/// More than 255 buses of 256 functions with a bridge and six BARs each need.
const ACCESSES_MAX: u32 = 4_000_000;
const FREE: core::ops::Range<u64> = 0x1000_0000..0x3eff_0000;

struct Liar<F> {
    answer: F,
    accesses: Cell<u32>,
}

impl<F: Fn(Function, u16, u32) -> u32> ConfigSpace for Liar<F> {
    fn read(&self, function: Function, register: u16) -> u32 {
        self.accesses.set(self.accesses.get() + 1);
        assert!(self.accesses.get() < ACCESSES_MAX, "the search does not end");
        (self.answer)(function, register, self.accesses.get())
    }

    fn write(&self, _: Function, register: u16, _: u32) {
        assert!(register % 4 == 0 && register < 256, "{register:#x}");
    }
}

fn search(answer: impl Fn(Function, u16, u32) -> u32) -> (usize, u32) {
    let liar = Liar { answer, accesses: Cell::new(0) };
    let mut found = [None; 64];
    let count = Bus::new(&liar, FREE, FREE.end).find(IVSHMEM, &mut found);
    for device in found.iter().flatten() {
        for bar in (0..7).filter_map(|index| device.bar(index).ok()) {
            assert!(bar.len.is_power_of_two() && bar.address != 0, "{bar:x?}");
            assert!(bar.address + bar.len <= FREE.end, "{bar:x?}");
        }
        if let Some(messages) = device.messages(&liar) {
            let (bar, offset, len) = messages.table();
            assert!(device.bar(bar).is_ok_and(|bar| offset + len <= bar.len));
            assert!((1..=2048).contains(&messages.count()));
        }
    }
    (count, liar.accesses.get())
}

#[test]
fn the_same_answer_to_everything_ends() {
    for word in [0, 1, u32::MAX - 1, u32::MAX, IVSHMEM, 0x0001_0000, 0x0081_0101, 0x00ff_ff01, 0x8001_0000] {
        search(|_, _, _| word);
    }
}

#[test]
fn bridges_without_an_end_end() {
    // Each function of each bus is a bridge to the next bus, or to itself, or to nowhere.
    for numbers in [|bus: u8| bus.wrapping_add(1), |bus: u8| bus, |_: u8| 0, |_: u8| 255] {
        let (_, accesses) = search(|function, register, _| match register {
            0 => 0x000c_1b36,
            0x0c => 0x0081_0000,
            0x18 => u32::from_le_bytes([function.bus, numbers(function.bus), 255, 0]),
            _ => 0,
        });
        assert!(accesses > 256);
    }
}

#[test]
fn random_answers_end() {
    let mut devices = 0;
    for seed in 1..=400_u64 {
        let state = Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let random = || {
            let mut word = state.get();
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            state.set(word);
            word
        };
        let (count, _) = search(|function, register, _| match (register, random() % 4) {
            (0, 0..3) if function.device % 8 == 3 => IVSHMEM,
            (0, _) => {
                if random() % 8 == 0 {
                    0x000c_1b36
                } else {
                    u32::MAX
                }
            }
            (0x34, 0..3) => 0x40 + (random() % 48 * 4) as u32,
            (0x40.., 0..2) => 0x11 | (random() as u32) << 8,
            _ => random() as u32 >> (random() % 32),
        });
        devices += count;
    }
    assert!(devices > 400, "{devices} devices were found");
}
