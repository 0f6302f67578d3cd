// SPDX-License-Identifier: MIT OR Apache-2.0
//! The faults, in the order of the spec. `tests/faults.rs` plays each of them against the cases that cite its clause.

use super::{Fault, Line};
use crate::guest::CPUS;
use tenon_host::Action;
use tenon_rings::Site;

/// The magic of a control request (SES-3).
const MAGIC: u64 = u64::from_le_bytes(*b"Tenon\0CR");
const LOW: u64 = 0xffff_ffff;
const STATUS: u64 = 0xffff;

const fn fault(name: &'static str, clause: &'static str, what: &'static str, line: Line) -> Fault {
    Fault { name, what, clause, line }
}

/// Every fault.
pub const ALL: &[Fault] = &[
    fault(
        "control-reserved-ignored",
        "GEN-5",
        "reserved fields of a control request are not looked at",
        Line::Request(|words, _| words[9..].fill(0)),
    ),
    fault(
        "record-changes",
        "DISC-3",
        "a limit in the record changes with each session",
        Line::Store(|access, value| {
            if access.is_session() {
                access.store_at(0x50 / 8, access.load(0x50 / 8).wrapping_add(8));
            }
            access.store(value);
        }),
    ),
    fault(
        "unbound-kick-crashes",
        "DISC-7",
        "a kick of a queue beyond the last vCPU's crashes the host",
        Line::Kick(|domain, queue| {
            assert!(queue < 2 * CPUS, "queue {queue} is out of bounds");
            while domain.serve(queue, 64).again {}
        }),
    ),
    fault(
        "late-service",
        "DISC-10",
        "the conduit says SYNCHRONOUS, but kicks are served some time later",
        Line::LateService,
    ),
    fault(
        "version-unchecked",
        "NEG-1",
        "any version is accepted",
        Line::Request(|words, _| {
            words[3] = if words[3] & LOW == 0 { words[3] } else { words[3] & !LOW | 1 << 16 }
        }),
    ),
    fault(
        "features-cut",
        "NEG-2",
        "unknown feature bits are dropped, not refused",
        Line::Request(|words, _| words[4] &= 0x7f),
    ),
    fault(
        "active-not-shown",
        "NEG-5",
        "what was negotiated does not stand in the record",
        Line::Store(|access, value| {
            if access.in_record() != Some(0x88) {
                access.store(value)
            }
        }),
    ),
    fault(
        "seed-kept",
        "SES-1",
        "a reset changes the session's number, but not its seed in the record",
        Line::Store(|access, value| {
            let kept = if access.is_session() { access.load(access.index) & LOW } else { value & LOW };
            access.store(value & !LOW | kept);
        }),
    ),
    fault(
        "area-not-cleared",
        "SES-2",
        "the host-written area is used as it is found",
        Line::Store(|access, value| {
            if value != 0 || access.site != Site::Status || access.in_record().is_some() {
                access.store(value);
            }
        }),
    ),
    fault(
        "magic-unchecked",
        "SES-3",
        "any frame is taken for a control request",
        Line::Request(|words, _| words[0] = MAGIC),
    ),
    fault(
        "ticket-wrong",
        "SES-4",
        "a control result carries another ticket",
        Line::Store(|access, value| {
            access.store(if access.in_record() == Some(0xa0) { value ^ 1 << 32 } else { value })
        }),
    ),
    fault(
        "session-unchecked",
        "SES-5",
        "a control request of an ended session is served",
        Line::Request(|words, session| words[2] = words[2] & !LOW | session >> 32),
    ),
    fault(
        "write-after-reset",
        "SES-7",
        "control results are also written where the last completion was, whatever became of that memory",
        Line::Store(|access, value| {
            access.store(value);
            if access.in_record() == Some(0xa0) {
                access.store_at_last_completion(value);
            }
        }),
    ),
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
        "emergency-ignored",
        "CALL-23",
        "kicks of emergency lanes are not answered",
        Line::Kick(|domain, queue| while queue % 2 == 0 && domain.serve(queue, 64).again {}),
    ),
    fault(
        "taken-unchecked",
        "EVT-8",
        "the high half of `taken` is not looked at",
        Line::Load(|access, value| if access.site == Site::TakenRead { value & LOW } else { value }),
    ),
    fault(
        "dropped-raise-fence",
        "EVT-9",
        "without its fence the host reads `taken` as it was before",
        Line::Load(|access, value| if access.site == Site::TakenRead { access.stale(value) } else { value }),
    ),
    fault(
        "storm",
        "EVT-10",
        "an event is raised again though it has not been taken",
        Line::Load(|access, value| if access.site == Site::TakenRead { access.written() } else { value }),
    ),
    fault(
        "upcall-lost",
        "EVT-11",
        "upcalls are owed, but not sent",
        Line::Act(|_, action| (!matches!(action, Action::Upcall { .. })).then_some(action)),
    ),
    fault(
        "armed-unchecked",
        "EVT-11",
        "the high half of an armed position is not looked at",
        Line::Load(|access, value| if access.site == Site::ArmedRead { value & LOW } else { value }),
    ),
    fault(
        "dropped-wake-fence",
        "EVT-12",
        "without its fence the host reads the armed position as it was before",
        Line::Load(|access, value| if access.site == Site::ArmedRead { access.stale(value) } else { value }),
    ),
    fault(
        "event-lost-on-mask-race",
        "EVT-15",
        "the host reads a mask hint before its fence: as it was before",
        Line::Load(|access, value| if access.site == Site::HintRead { access.stale(value) } else { value }),
    ),
    fault(
        "stop-forgotten",
        "VCPU-6",
        "a stopped vCPU goes on",
        Line::Act(|domain, action| match action {
            Action::Stop { vcpu } => {
                domain.stopped(vcpu);
                None
            }
            _ => Some(action),
        }),
    ),
    fault(
        "start-forgotten",
        "VCPU-5",
        "a started vCPU does not run",
        Line::Act(|_, action| (!matches!(action, Action::Start { .. })).then_some(action)),
    ),
    fault(
        "region-as-range",
        "REG-2",
        "a region that is none is reported as a bad range",
        Line::Store(|access, value| {
            let region = access.site == Site::CompletionPublish && value & STATUS == 4;
            access.store(if region { value + 1 } else { value });
        }),
    ),
    fault(
        "off-by-one-range",
        "REG-3",
        "a payload may end one byte behind its region",
        Line::Length(|len| len + 1),
    ),
    fault(
        "exit-code-cut",
        "LIFE-2",
        "only seven bits of an exit code arrive",
        Line::Act(|_, action| match action {
            Action::Exit { code } => Some(Action::Exit { code: code & 0x7f }),
            _ => Some(action),
        }),
    ),
    fault(
        "restart-as-exit",
        "LIFE-3",
        "RESTART ends the domain for good",
        Line::Act(|_, action| match action {
            Action::Restart => Some(Action::Exit { code: 0 }),
            _ => Some(action),
        }),
    ),
];
