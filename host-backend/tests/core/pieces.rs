// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory in pieces, as most attachments have it (REG-1, REG-3).
#![allow(unsafe_code, reason = "maps what the tests own")]

use tenon_host::{Memory, Pieces};
use tenon_rings::{Mapping, Site, Words};

/// Words that live as long as the tests.
fn mapping(words: usize) -> Mapping {
    let memory = vec![0_u64; words].leak();
    // SAFETY: the memory is never freed, and nothing else refers to it.
    unsafe { Mapping::new(memory.as_mut_ptr().cast(), words * 8) }.unwrap()
}

/// 32 bytes at 0, 32 at 64 and 32 right behind them.
fn pieces() -> Pieces {
    Pieces::new([(96, mapping(4)), (0, mapping(4)), (64, mapping(4))], mapping(1)).unwrap()
}

#[test]
fn a_range_goes_on_in_the_next_piece_but_not_over_a_hole() {
    let memory = pieces();
    let data: Vec<u8> = (1..65).collect();
    assert!(memory.write(0, 64, &data), "all of two pieces");
    let mut back = [0; 40];
    assert!(memory.read(0, 70, &mut back));
    assert_eq!(back[..], data[6..46]);
    for (offset, len) in [(0, 33), (31, 2), (32, 1), (63, 2), (64, 65), (127, 2), (128, 1), (u64::MAX, 2)] {
        assert!(!memory.write(0, offset, &vec![0xee; len]), "{offset} {len}");
        assert!(!memory.read(0, offset, &mut vec![0; len]), "{offset} {len}");
    }
    // What did not fit has left nothing.
    assert!(memory.read(0, 64, &mut back) && back[..] == data[..40]);
    let mut first = [1; 32];
    assert!(memory.read(0, 0, &mut first) && first == [0; 32]);
    assert!(memory.read(0, 40, &mut []) && !memory.read(1, 0, &mut []), "nothing is everywhere in region 0");
}

#[test]
fn words_lie_in_one_piece() {
    let memory = pieces();
    assert_eq!((memory.region_len(0), memory.region_len(1)), (Some(128), None));
    assert!(memory.write(0, 96, &7_u64.to_le_bytes()));
    assert_eq!(memory.words(0, 96, 32).map(|words| words.load(0, Site::Status)), Some(7));
    for (region, offset, len) in [(0, 64, 40), (0, 32, 8), (0, 128, 8), (1, 0, 8), (0, u64::MAX - 7, 8)] {
        assert!(memory.words(region, offset, len).is_none(), "{region} {offset} {len}");
    }
}

#[test]
fn pieces_that_cannot_be_are_refused() {
    let new = |ram: &[(u64, Mapping)]| Pieces::new(ram.iter().copied(), mapping(1));
    let piece = mapping(4);
    assert!(new(&[(0, piece), (32, piece)]).is_some());
    assert!(new(&[(!0_u64 - 39, piece)]).is_some());
    for bad in
        [&[][..], &[(0, piece), (24, piece)], &[(8, piece), (8, piece)], &[(4, piece)], &[(!0 - 23, piece)]]
    {
        assert!(new(bad).is_none());
    }
}
