// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows themselves, and what is made of them.

use super::*;
use crate::call::{Submission, SubmissionFlags};
use crate::status::Status;
use zerocopy::little_endian::{U32, U64};

const LIMITS: Limits = Limits { max_ports: 64, max_vcpus: 2, interrupts: [32, 255], max_start: 0xffff_ffff };

fn refused(op: Op, args: [u64; 6], flags: u32, count: u32) -> Result<Arguments, Status> {
    let mut submission = Submission::new(op, args);
    (submission.flags, submission.count) = (U32::new(flags), U32::new(count));
    op.row().expect("it has a row").arguments(&submission, &LIMITS)
}

#[test]
fn every_row_can_be_found_and_agrees_with_itself() {
    for row in OPERATIONS {
        assert_eq!(row.op.row().map(|found| found.op), Some(row.op), "{}", row.name);
        assert_eq!(row.op.name(), Some(row.name));
        let used = row.checks.iter().take_while(|check| **check != Check::NONE).count();
        assert_eq!(used, row.arguments.len(), "{}: an argument without a name, or the reverse", row.name);
        assert!(row.checks[used..].iter().all(|check| *check == Check::NONE), "{}: a gap", row.name);
        if row.traits.contains(Traits::PAYLOAD) {
            assert_eq!(row.checks[..2], [Check::ADDRESS, Check::LENGTH], "{}", row.name);
        }
    }
    assert_eq!(OPERATIONS.len(), Op::NUMBERS.len());
    assert!(Op(0).row().is_none() && Op(0x0103).row().is_none() && Op(0xffff).row().is_none());
}

#[test]
fn no_argument_has_a_check_without_a_rule() {
    for number in Check::NUMBERS {
        let check = Check(u8::try_from(number.value).expect("a byte"));
        let some = [0, 1, 40].iter().any(|word| check.admits(*word, &LIMITS));
        assert!(some, "{}: refuses everything", number.name);
    }
    assert!(!Check(0xff).admits(0, &LIMITS), "one that is not known");
}

#[test]
fn reserved_comes_before_ranges() {
    // GEN-9.
    let both = refused(Op::EVENT_BIND, [u64::MAX, u64::MAX, 2, 1, 0, 0], 0, 0);
    assert_eq!(both, Err(Status::BAD_RESERVED));
    for (flags, count) in [(1, 0), (2, 0), (0, 1)] {
        assert_eq!(refused(Op::EVENT_BIND, [64, 0, 0, 0, 0, 0], flags, count), Err(Status::BAD_RESERVED));
    }
    assert_eq!(refused(Op::EVENT_BIND, [64, 0, 0, 0, 0, 0], 0, 0), Err(Status::BAD_ARGUMENT));
}

#[test]
fn each_check_has_its_edge() {
    let cases = [
        (Op::NOP, 0, u64::MAX, None),
        (Op::PROBE, 0, 0xffff, Some(0x1_0000)),
        (Op::EXIT, 0, 0xffff_ffff, Some(1 << 32)),
        (Op::EVENT_BIND, 0, 63, Some(64)),
        (Op::EVENT_BIND, 0, 63, Some((1 << 32) | 1)),
        (Op::EVENT_BIND, 1, 1, Some(2)),
        (Op::EVENT_BIND, 2, 1, Some(2)),
        (Op::VCPU_START, 1, 0xffff_ffff, Some(1 << 32)),
        (Op::VCPU_UPCALL, 1, 32, Some(31)),
        (Op::VCPU_UPCALL, 1, 255, Some(256)),
        (Op::VCPU_UPCALL, 1, 0, Some((1 << 32) | 40)),
        (Op::CONSOLE_READ, 1, u64::MAX, None),
    ];
    for (op, index, good, bad) in cases {
        let mut args = [0; 6];
        args[index] = good;
        assert_eq!(refused(op, args, 0, 0).map(|found| found.words), Ok(args), "{op:?}");
        if let Some(bad) = bad {
            args[index] = bad;
            assert_eq!(refused(op, args, 0, 0), Err(Status::BAD_ARGUMENT), "{op:?} {index} {bad:#x}");
        }
    }
    // No interrupt at all.
    assert_eq!(refused(Op::EVENT_BIND_DIRECT, [0; 6], 0, 0), Err(Status::BAD_ARGUMENT));
}

#[test]
fn inline_payloads_are_taken_where_there_are_payloads() {
    let inline = SubmissionFlags::INLINE.bits();
    let text = U64::from(0x41).get();
    let taken = refused(Op::CONSOLE_WRITE, [text, 0, 0, 0, 0, 0], inline, 1);
    assert_eq!(taken, Ok(Arguments { words: [0; 6], inline: Some(1) }));
    assert_eq!(refused(Op::CONSOLE_WRITE, [0; 6], inline, 49), Err(Status::TOO_LONG));
    assert_eq!(refused(Op::CONSOLE_WRITE, [0x4141, 0, 0, 0, 0, 0], inline, 1), Err(Status::BAD_RESERVED));
    assert_eq!(refused(Op::CONSOLE_WRITE, [0; 6], inline | 2, 0), Err(Status::BAD_RESERVED));
    assert_eq!(refused(Op::CONSOLE_READ, [0, 8, 0, 0, 0, 0], inline, 0), Err(Status::BAD_RESERVED));
}

#[test]
fn the_emergency_lane_is_a_matter_of_rows() {
    let inline = SubmissionFlags::INLINE.bits();
    let takes = |flags| OPERATIONS.iter().filter(move |row| row.is_for_emergencies(flags)).map(|row| row.op);
    assert!(takes(0).eq([Op::NOP, Op::EXIT, Op::RESTART, Op::CRASH]));
    assert!(takes(inline).eq([Op::NOP, Op::CONSOLE_WRITE, Op::EXIT, Op::RESTART, Op::CRASH]));
}

#[test]
fn versions_know_what_they_brought() {
    assert_eq!(Features::of_minor(0), Features::empty());
    assert_eq!(Features::of_minor(crate::VERSION.minor), Features::all());
    assert_eq!(rows::NOP.since(), 0);
    assert_eq!(rows::EVENT_BIND_DIRECT.since(), 1);
    let newest = Features::SINCE.iter().map(|(_, since)| *since).max();
    assert_eq!(newest, Some(crate::VERSION.minor));
}
