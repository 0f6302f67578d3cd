// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory with holes, and memory that shrinks under a guest (REG-1 to REG-3, CON-5).

use crate::tools::{Guest, PAYLOAD, config};
use tenon_abi::{Features, Op, Status};
use tenon_host::{Balloon, Memory, Sharing};

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

/// A guest that gives and shares.
fn giver() -> Guest {
    let config = config(2)
        .with_balloon(Balloon { granule: 4096, max_range: 1 << 16, max_ranges: 64 })
        .with_sharing(Sharing { max_range: 1 << 16, max_ranges: 16 });
    let mut guest = Guest::open(config);
    guest.bind(0);
    guest
}

#[test]
fn nothing_is_discarded_once_the_next_session_is_shown() {
    let mut guest = giver();
    guest.moved(0, Op::GIVE, [0x2000, 0x1000, 0]);
    let old = guest.window(0x80);
    guest.reset();
    assert_ne!(guest.window(0x80), old);
    let over = guest.domain.memory().over.take();
    assert_eq!(over, Some(old), "the memory is told before anybody sees the next session");
}

#[test]
fn what_waits_for_the_attachment_is_bounded() {
    let mut guest = giver();
    // One job for each granule: 64 wait at once, and no more.
    for number in 0..70u64 {
        guest.submit(0, (number % 60) as u16, Op::GIVE, [0x2000 + 0x2000 * (number % 60), 0x1000, 0]);
        if number % 60 == 59 {
            break;
        }
    }
    while guest.kick(0).again {
        guest.actions();
    }
    assert_eq!(guest.take(0, 0), [], "all of them wait");
    guest.bind(1);
    for number in 0..8u64 {
        guest.submit(1, number as u16, Op::GIVE, [0x3000 + 0x2000 * number, 0x1000, 0]);
    }
    while guest.kick(1).again {
        guest.actions();
    }
    let refused = guest.take(1, 0);
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert!(refused.iter().all(|(_, status, _)| *status == Status::NO_CAPACITY), "{refused:?}");
    // A job that could not be done, and one that nobody knows.
    guest.domain.memory_done(1, false);
    guest.domain.memory_done(1, true);
    guest.domain.memory_done(0, true);
    guest.domain.memory_done(9999, true);
    assert_eq!(guest.take(0, 0), [(0, Status::NO_CAPACITY, 0)]);
    assert_eq!(guest.domain.memory_stats().given, 63 * 0x1000, "on their way, they count as given");
}

#[test]
fn a_request_whose_vcpu_has_stopped_is_done_all_the_same() {
    let mut guest = giver();
    guest.bind(1);
    guest.ok(0, Op::VCPU_START, [1, 0x1000, 0]);
    guest.submit(1, 5, Op::GIVE, [0x2000, 0x1000, 0]);
    let _ = guest.kick(1);
    guest.submit(0, 6, Op::VCPU_STOP, [1, 0, 0]);
    let _ = guest.kick(0);
    guest.domain.stopped(1);
    guest.actions();
    assert_eq!(guest.take(0, 0), [(6, Status::OK, 0)]);
    guest.domain.memory_done(1, true);
    assert_eq!(guest.domain.memory_stats().given, 0x1000);
    guest.moved(0, Op::TAKE, [0x2000, 0x1000, 0]);
    assert_eq!(guest.domain.memory_stats().given, 0);
}

#[test]
fn ranges_that_move_are_out_of_use() {
    let mut guest = giver();
    guest.moved(0, Op::SHARE, [0x8000, 0x2000, 3]);
    guest.submit(0, 1, Op::HINT, [0x2000, 0x2000, 0]);
    let _ = guest.kick(0);
    for (op, args) in [
        (Op::GIVE, [0x3000, 0x1000, 0]),
        (Op::HINT, [0x2000, 0x1000, 0]),
        (Op::SHARE, [0x1000, 0x2000, 3]),
        (Op::CONSOLE_WRITE, [0x3ff8, 8, 0]),
    ] {
        assert_eq!(guest.call(0, op, args).0, Status::BAD_STATE, "{op:?}");
    }
    guest.submit(0, 2, Op::UNSHARE, [0x8000, 0x1000, 0]);
    let _ = guest.kick(0);
    assert_eq!(guest.call(0, Op::CONSOLE_WRITE, [0x8000, 8, 0]).0, Status::BAD_STATE);
    assert_eq!(guest.call(0, Op::SHARE, [0x8000, 0x1000, 3]).0, Status::BAD_STATE);
    assert_eq!(guest.call(0, Op::CONSOLE_WRITE, [0x9000, 8, 0]), (Status::OK, 8));
    // A revocation is not refused, whatever the attachment says.
    guest.domain.memory_done(3, false);
    assert_eq!(guest.take(0, 0), [(2, Status::OK, 0x1000)]);
    assert_eq!(guest.call(0, Op::CONSOLE_WRITE, [0x8000, 8, 0]).0, Status::DENIED);
}

#[test]
fn shares_and_given_ranges_have_a_limit() {
    let mut guest = giver();
    for number in 0..16 {
        guest.moved(0, Op::SHARE, [0x2_0000 + 0x2000 * number, 0x1000, 1 + number % 3]);
    }
    assert_eq!(guest.call(0, Op::SHARE, [0x8_0000, 0x1000, 3]).0, Status::NO_CAPACITY);
    assert_eq!(guest.call(0, Op::UNSHARE, [0x2_1000, 0x1000, 0]).0, Status::NOT_FOUND);
    for number in 0..64 {
        guest.moved(0, Op::GIVE, [0x5_0000 + 0x2000 * number, 0x1000, 0]);
    }
    assert_eq!(guest.call(0, Op::GIVE, [0x4_f000, 0x1000, 0]).0, Status::NO_CAPACITY);
    assert_eq!(guest.call(0, Op::TAKE, [0x5_1000, 0x1000, 0]).0, Status::NOT_FOUND);
    // What makes room is never refused for want of it.
    guest.moved(0, Op::TAKE, [0x5_0000, 0x1000, 0]);
    guest.moved(0, Op::GIVE, [0x4_f000, 0x1000, 0]);
}

#[test]
fn a_target_is_a_number_of_units_within_the_memory() {
    let mut guest = giver();
    let all = guest.domain.memory_stats().memory;
    for (asked, target) in
        [(None, all), (Some(0), 0), (Some(4097), 4096), (Some(all + 4096), all), (Some(u64::MAX), all)]
    {
        guest.domain.set_memory_target(asked);
        assert_eq!(guest.domain.memory_stats().target, target & !4095, "{asked:?}");
    }
}
