// SPDX-License-Identifier: MIT OR Apache-2.0
//! Configuration space that is mapped as memory.
#![allow(unsafe_code, reason = "the test plays the memory")]

use std::sync::atomic::{AtomicU32, Ordering};
use tenon_guest::pci::{ConfigSpace, Ecam, Function};

const BUS: usize = 1 << 20;

fn at(bus: u8, device: u8, function: u8) -> Function {
    Function { bus, device, function }
}

#[test]
fn each_function_has_its_own_place() {
    let memory: Vec<AtomicU32> = (0..2 * BUS / 4).map(|_| AtomicU32::new(0)).collect();
    // SAFETY: atomics, which outlive the space.
    let ecam = unsafe { Ecam::new(memory.as_ptr().cast_mut().cast(), 2 * BUS) };
    let places = [
        (at(0, 0, 0), 0, 0),
        (at(0, 0, 0), 0xfc, 0xfc),
        (at(0, 0, 7), 0x10, 0x7010),
        (at(0, 31, 0), 0x14, 0xf_8014),
        (at(1, 0, 0), 0x18, 0x10_0018),
        (at(1, 2, 3), 0x1c, 0x11_301c),
        (at(1, 31, 7), 0xffc, 0x1f_fffc),
    ];
    for (number, (function, register, offset)) in (1..).zip(places) {
        assert_eq!(ecam.read(function, register), 0);
        ecam.write(function, register, number);
        assert_eq!(memory[offset / 4].swap(0x55, Ordering::Relaxed), number.to_le(), "{function:?}");
        assert_eq!(ecam.read(function, register), 0x55_u32.to_le());
        memory[offset / 4].store(0, Ordering::Relaxed);
    }
    assert!(memory.iter().all(|word| word.load(Ordering::Relaxed) == 0), "another place was written");
    // The bits that no function and no register has mean nothing.
    ecam.write(at(0, 33, 9), 0x1013, 7);
    assert_eq!(memory[(1 << 15 | 1 << 12 | 0x10) / 4].load(Ordering::Relaxed), 7);
}

#[test]
fn what_lies_beyond_is_nobody() {
    let memory: Vec<AtomicU32> = (0..4).map(|_| AtomicU32::new(0)).collect();
    for (len, words) in [(0, 0), (3, 0), (4, 1), (6, 1), (8, 2), (16, 4)] {
        // SAFETY: as above.
        let ecam = unsafe { Ecam::new(memory.as_ptr().cast_mut().cast(), len) };
        for index in 0..4_u16 {
            let inside = index < words;
            assert_eq!(
                ecam.read(at(0, 0, 0), 4 * index),
                if inside { 0 } else { u32::MAX },
                "{len}: {index}"
            );
            ecam.write(at(0, 0, 0), 4 * index, 9);
            assert_eq!(memory[usize::from(index)].swap(0, Ordering::Relaxed) == 9, inside, "{len}: {index}");
        }
        assert_eq!(ecam.read(at(1, 0, 0), 0), u32::MAX);
        ecam.write(at(1, 0, 0), 0, 9);
    }
}
