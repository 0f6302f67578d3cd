// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page's arithmetic at its edges (TIME-5, TIME-6).
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]

use super::{Clock, Clocks, CounterKind, NEVER, TimeCopy, ticks_to_ns};
use zerocopy::FromZeros;

fn copy() -> TimeCopy {
    let mut copy = TimeCopy::new_zeroed();
    copy.counter_kind = CounterKind::X86_TSC.0.into();
    copy.valid = Clocks::all().bits().into();
    copy.counter_base = 1000.into();
    copy.ns = [10.into(), 20.into(), 30.into()];
    copy.error_ns = [1.into(), 2.into(), NEVER.into()];
    // A third of a nanosecond, and an error of a thousandth of it.
    copy.shift = 32.into();
    copy.period = ((1 << 32) / 3).into();
    copy.period_error = ((1 << 32) / 3000).into();
    copy
}

#[test]
fn the_product_has_128_bits() {
    assert_eq!(ticks_to_ns(u64::MAX, 1 << 63, 63), u64::MAX);
    assert_eq!(ticks_to_ns(u64::MAX, u64::MAX, 63), NEVER);
    assert_eq!(ticks_to_ns(3 << 40, 1 << 50, 60), 3 << 30);
    assert_eq!(ticks_to_ns(7, 1, 0), 7);
    assert_eq!(ticks_to_ns(u64::MAX, u64::MAX, u16::MAX), NEVER, "an impossible shift is no panic");
}

#[test]
fn a_clock_is_its_base_and_what_was_counted_since() {
    let copy = copy();
    assert_eq!(copy.read(Clock::RUNNING, 1000), Some(10));
    assert_eq!(copy.read(Clock::BOOT, 1000 + 3_000_000), Some(20 + 999_999));
    assert_eq!(copy.read(Clock::UTC, 0), Some(30), "a counter before its base counts as the base");
    assert_eq!(copy.read(Clock(3), 1000), None);
}

#[test]
fn what_is_not_told_is_not_read() {
    let changes: [fn(&mut TimeCopy); 3] = [
        |copy| copy.counter_kind = 0.into(),
        |copy| copy.shift = 64.into(),
        |copy| copy.valid = Clocks::UTC.bits().into(),
    ];
    for change in changes {
        let mut copy = copy();
        change(&mut copy);
        assert_eq!(copy.read(Clock::BOOT, 2000), None);
    }
}

#[test]
fn clocks_and_errors_end_where_64_bits_do() {
    let mut copy = copy();
    copy.ns[0] = (NEVER - 1).into();
    assert_eq!(copy.read(Clock::RUNNING, u64::MAX), Some(NEVER));
    assert_eq!(copy.error(Clock::RUNNING, 1000), 1);
    assert_eq!(copy.error(Clock::RUNNING, 1000 + 3_000_000), 1 + 999);
    assert_eq!(copy.error(Clock::UTC, 1000), NEVER);
    assert_eq!(copy.error(Clock(9), 1000), NEVER);
}
