// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory with holes, and memory that shrinks under a guest (REG-1 to REG-3, CON-5).

use crate::tools::{Guest, PAYLOAD, config};
use tenon_abi::{Features, Op, Status};
use tenon_host::Memory;

fn guest() -> Guest {
    let mut guest = Guest::open(config(2));
    guest.bind(0);
    guest
}

#[test]
fn payload_in_a_hole_is_out_of_range() {
    let mut guest = guest();
    guest.domain.memory().hole.set((PAYLOAD + 0x100, PAYLOAD + 0x200));
    for (offset, len, status) in [
        (0, 0x100, Status::OK),
        (0, 0x101, Status::BAD_RANGE),
        (0x150, 1, Status::BAD_RANGE),
        (0x1ff, 2, Status::BAD_RANGE),
        (0x200, 2, Status::OK),
        (0x150, 0, Status::OK),
    ] {
        assert_eq!(
            guest.call(0, Op::CONSOLE_WRITE, [PAYLOAD + offset, len, 0]).0,
            status,
            "{offset:#x}, {len}"
        );
    }
}

#[test]
fn nothing_is_taken_from_an_empty_range_wherever_it_lies() {
    let mut guest = guest();
    let end = guest.domain.memory().region_len(0).expect("region 0");
    assert_eq!(guest.call(0, Op::CONSOLE_WRITE, [end, 0, 0]), (Status::OK, 0));
    assert_eq!(guest.call(0, Op::CRASH, [end, 0, 9]), (Status::OK, 0));
    assert_eq!(guest.call(0, Op::CONSOLE_WRITE, [end + 1, 0, 0]).0, Status::BAD_RANGE);
    assert_eq!(guest.call(0, Op::CONSOLE_WRITE, [end, 1, 0]).0, Status::BAD_RANGE);
}

#[test]
fn an_area_in_a_hole_binds_nothing() {
    for unwanted in [Features::empty(), Features::WINDOW] {
        let mut guest = Guest::open_without(config(2), unwanted);
        let area = 0x10_0000;
        for hole in [area, area + 0x1000, area + 0x2_0000] {
            if unwanted.is_empty() && hole > area + 0x1000 {
                continue;
            }
            guest.domain.memory().hole.set((hole, hole + 1));
            assert_eq!(guest.try_bind(0, crate::tools::small()), Status::BAD_RANGE, "{hole:#x}");
        }
        guest.domain.memory().hole.set((0, 0));
        guest.bind(0);
        assert_eq!(guest.ok(0, Op::NOP, [3, 0, 0]), 3);
    }
}

#[test]
fn a_read_whose_memory_went_away_ends_and_keeps_the_input() {
    let mut guest = guest();
    let end = guest.domain.memory().len.get();
    guest.submit(0, 1, Op::CONSOLE_READ, [end - 64, 64, 0]);
    let _ = guest.kick(0);
    guest.domain.memory().len.set(end - 64);
    assert_eq!(guest.domain.input(b"kept"), 4);
    assert_eq!(guest.take(0, 0), [(1, Status::BAD_RANGE, 0)]);
    assert_eq!(guest.ok(0, Op::CONSOLE_READ, [PAYLOAD, 64, 0]), 4);
    let mut bytes = [0; 4];
    assert!(guest.arena.read(0, PAYLOAD, &mut bytes));
    assert_eq!(&bytes, b"kept");
    assert_eq!(guest.ok(0, Op::REGION_QUERY, [0; 3]), end - 64);
}

#[test]
fn a_frame_beyond_the_memory_gets_no_answer() {
    let mut guest = guest();
    let before = guest.window(0xa0);
    let end = guest.domain.memory().len.get();
    for frame in [(end >> 12) as u32, u32::MAX, 1 << 31] {
        guest.domain.control(frame);
    }
    assert_eq!(guest.window(0xa0), before);
    guest.domain.memory().len.set(127);
    guest.domain.control(0);
    assert_eq!(guest.window(0xa0), before);
}

#[test]
fn a_read_writes_what_it_says_and_not_a_byte_more() {
    let mut guest = guest();
    for word in 0..64 {
        guest.store(PAYLOAD + word * 8, u64::MAX);
    }
    guest.submit(0, 1, Op::CONSOLE_READ, [PAYLOAD + 3, 5, 0]);
    let _ = guest.kick(0);
    assert_eq!(guest.domain.input(b"abcdefgh"), 8);
    assert_eq!(guest.take(0, 0), [(1, Status::OK, 5)]);
    let mut bytes = [0; 16];
    assert!(guest.arena.read(0, PAYLOAD, &mut bytes));
    assert_eq!(&bytes, b"\xff\xff\xffabcde\xff\xff\xff\xff\xff\xff\xff\xff");
}
