// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls (CALL).

use super::{LOW, STATUS, fault, op};
use crate::faults::{Fault, Line};
use tenon_rings::Site;

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "value-on-error",
        "CALL-3",
        "a completion carries a value beside an error",
        Line::Store(|access, value| {
            if access.site == Site::CompletionPublish && value & STATUS != 0 {
                access.store_at(access.index - 1, 0x5a);
            }
            access.store(value);
        }),
    ),
    fault(
        "any-turn",
        "CALL-4",
        "a submission is taken whatever its turn, if it is not zero",
        Line::Load(|access, value| {
            let take = access.site == Site::SubmissionTake && value != 0 && access.is_first();
            let turn = access.seed().wrapping_add((access.index / 8) as u32).wrapping_add(1);
            if take { value & LOW | u64::from(turn) << 32 } else { value }
        }),
    ),
    fault(
        "id-cut",
        "CALL-6",
        "an id beyond the depth is reduced to one below it",
        Line::Load(|access, value| match access.site {
            Site::SubmissionTake => value & !(STATUS << 16) | (value & (access.words() as u64 / 8 - 1) << 16),
            _ => value,
        }),
    ),
    fault(
        "completion-twice",
        "CALL-7",
        "each completion is written twice",
        Line::Store(|access, value| {
            access.store(value);
            if access.site == Site::CompletionPublish && access.words() > 2 {
                let next = (access.index + 2) % access.words();
                access.store_at(next - 1, access.load(access.index - 1));
                access.store_at(next, value.wrapping_add(1 << 32));
            }
        }),
    ),
    fault(
        "reserved-bits-ignored",
        "CALL-9",
        "unknown flags of a submission are dropped, not refused",
        Line::Load(|access, value| match access.site {
            Site::SubmissionBody if access.index % 8 == 0 => value & !(LOW - 1),
            _ => value,
        }),
    ),
    fault(
        "inline-count-cut",
        "CALL-10",
        "an inline payload beyond 48 bytes is cut off, not refused",
        Line::Load(|access, value| match access.site {
            Site::SubmissionBody if access.index % 8 == 0 => value & LOW | (value >> 32).min(48) << 32,
            _ => value,
        }),
    ),
    fault(
        "last-argument-ignored",
        "CALL-11",
        "an argument that the operation does not use is not looked at",
        Line::Load(|access, value| match access.site {
            Site::SubmissionBody if access.index % 8 == 6 && access.load(access.index - 6) & 1 == 0 => 0,
            _ => value,
        }),
    ),
    fault(
        "unknown-op-ok",
        "CALL-12",
        "an unknown operation answers OK",
        Line::Store(|access, value| {
            let unknown = access.site == Site::CompletionPublish && value & STATUS == 1;
            access.store(if unknown { value & !STATUS } else { value });
        }),
    ),
    fault(
        "one-per-kick",
        "CALL-14",
        "a kick serves one submission and forgets the others",
        Line::Kick(|domain, queue| {
            let _ = domain.serve(queue, 1);
        }),
    ),
    fault(
        "corruption-not-shown",
        "CALL-15",
        "a corrupt queue's state word does not say so",
        Line::Store(|access, value| {
            if access.site != Site::Status || access.in_record().is_some() || value & STATUS != 2 {
                access.store(value);
            }
        }),
    ),
    fault(
        "completions-wake-nobody",
        "CALL-16",
        "the position from which completions owe an upcall is misread",
        Line::Load(|access, value| match access.site {
            Site::ArmedRead if access.index == 0 => value & !LOW | value.wrapping_add(1 << 30) & LOW,
            _ => value,
        }),
    ),
    fault(
        "everything-exists",
        "CALL-21",
        "PROBE says of every operation that it exists",
        Line::Store(|access, value| access.store_value(value, op::PROBE, value | 1)),
    ),
    fault(
        "cancel-denies",
        "CALL-22",
        "CANCEL cancels and says that it did not",
        Line::Store(|access, value| access.store_value(value, op::CANCEL, 0)),
    ),
    fault(
        "emergency-ignored",
        "CALL-23",
        "kicks of emergency lanes are not answered",
        Line::Kick(|domain, queue| while queue % 2 == 0 && domain.serve(queue, 64).again {}),
    ),
];
