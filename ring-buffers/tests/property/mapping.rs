// SPDX-License-Identifier: MIT OR Apache-2.0
//! The payload copy: each length and alignment, and every way to ask for what is not there (REG-3).
#![allow(unsafe_code, reason = "a mapping is made from a pointer")]

use crate::memory;
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_rings::{Mapping, Site, Words};

const BYTES: usize = 640;

/// The memory as a mapping, which has to be dropped before it.
pub(crate) fn mapping(memory: &[AtomicU64]) -> Mapping {
    // SAFETY: the memory consists of atomics and outlives each test's use of its mapping.
    unsafe { Mapping::new(memory.as_ptr().cast_mut().cast(), memory.len() * 8) }.unwrap()
}

fn bytes(memory: &[AtomicU64]) -> Vec<u8> {
    memory.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect()
}

fn pattern(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from((n * 7 + salt * 31 + n / 251) % 255 + 1).unwrap()).collect()
}

#[test]
fn each_length_and_alignment_is_copied_exactly() {
    let memory = memory(BYTES / 8);
    let mapping = mapping(&memory);
    let background = pattern(BYTES, 1);
    for len in 0..600 {
        for offset in 0..8 {
            assert!(mapping.write(0, &background));
            let data = pattern(len + 8, 2);
            // The private side is misaligned the other way round.
            let data = &data[8 - offset..][..len];
            assert!(mapping.write(offset, data));
            let mut expected = background.clone();
            expected[offset..offset + len].copy_from_slice(data);
            assert_eq!(bytes(&memory), expected, "write {len} at {offset}");

            let mut out = vec![0xff; len + 16];
            assert!(mapping.read(offset, &mut out[7 - offset..][..len]));
            assert_eq!(out[7 - offset..][..len], *data, "read {len} at {offset}");
            assert!(out[..7 - offset].iter().chain(&out[7 - offset + len..]).all(|byte| *byte == 0xff));
        }
    }
}

#[test]
fn what_is_not_inside_is_refused() {
    let memory = memory(4);
    let mapping = mapping(&memory);
    let mut out = [9; 33];
    for offset in (0..=40).chain(usize::MAX - 40..=usize::MAX) {
        for len in 0..=33 {
            let inside = offset.checked_add(len).is_some_and(|end| end <= 32);
            assert_eq!(mapping.read(offset, &mut out[..len]), inside, "{len} at {offset}");
            assert_eq!(mapping.write(offset, &out[..len]), inside, "{len} at {offset}");
            if !inside {
                assert!(bytes(&memory).iter().all(|byte| *byte == 0 || *byte == 9));
            }
        }
    }
    assert_eq!(out[32], 9, "no read reached the last byte");
}

#[test]
fn a_word_or_slice_outside_is_not_there() {
    let memory = memory(4);
    let mapping = mapping(&memory);
    mapping.store(3, 5, Site::Status);
    for index in [4, 5, 1 << 40, usize::MAX / 8, usize::MAX] {
        mapping.store(index, 7, Site::Status);
        assert_eq!(mapping.load(index, Site::Status), 0, "{index}");
    }
    assert_eq!(mapping.load(3, Site::Status), 5);
    for (first, len, there) in
        [(0, 4, true), (4, 0, true), (3, 1, true), (3, 2, false), (5, 0, false), (1, usize::MAX, false)]
    {
        assert_eq!(mapping.slice(first, len).is_some(), there, "{len} from {first}");
        assert_eq!((&memory[..]).slice(first, len).is_some(), there, "{len} from {first}");
    }
    assert_eq!(mapping.slice(3, 1).unwrap().load(0, Site::Status), 5);
    let before = mapping.slice(2, 1).unwrap();
    assert_eq!((before.len(), before.load(1, Site::Status)), (1, 0), "a slice ends where it ends");
}

#[test]
fn a_null_or_misaligned_base_is_refused() {
    let memory = memory(2);
    let base: *mut u8 = memory.as_ptr().cast_mut().cast();
    // SAFETY: refused, or never used.
    unsafe {
        assert!(Mapping::new(std::ptr::null_mut(), 8).is_none());
        assert!((1..8).all(|by| Mapping::new(base.add(by), 8).is_none()));
        assert_eq!(Mapping::new(base, 15).unwrap().byte_len(), 8);
    }
}

#[test]
fn a_mapping_knows_where_it_lies() {
    let memory = memory(16);
    let whole = mapping(&memory);
    let line = memory.as_ptr().align_offset(64);
    for first in line..line + 8 {
        let at = whole.slice(first, 1).unwrap();
        assert_eq!((at.is_aligned(8), at.is_aligned(64)), (true, first == line), "word {first}");
    }
}
