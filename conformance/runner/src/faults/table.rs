// SPDX-License-Identifier: MIT OR Apache-2.0
//! The faults, in the order of the spec. `tests/faults.rs` plays each of them against the cases that cite its clause.

use super::{Fault, Line};
use crate::guest::CPUS;
use std::thread;
use std::time::Duration;
use tenon_host::{Action, Memory};
use tenon_rings::Site;

/// The magic of a control request (SES-3).
const MAGIC: u64 = u64::from_le_bytes(*b"Tenon\0CR");
const LOW: u64 = 0xffff_ffff;
const STATUS: u64 = 0xffff;

/// Operations, as the spec prints them.
mod op {
    use std::ops::RangeInclusive;

    type Ops = RangeInclusive<u16>;

    pub(super) const PROBE: Ops = 0x0101..=0x0101;
    pub(super) const CANCEL: Ops = 0x0102..=0x0102;
    /// All of the chapter.
    pub(super) const EVENTS: Ops = 0x0200..=0x02ff;
    pub(super) const EVENT_BIND: Ops = 0x0200..=0x0200;
    pub(super) const EVENT_UNBIND: Ops = 0x0201..=0x0201;
    pub(super) const EVENT_MOVE: Ops = 0x0202..=0x0202;
    pub(super) const EVENT_SIGNAL: Ops = 0x0203..=0x0203;
    pub(super) const REGION_QUERY: Ops = 0x0300..=0x0300;
    pub(super) const VCPU_STOP: Ops = 0x0501..=0x0501;
    pub(super) const VCPU_UPCALL: Ops = 0x0502..=0x0502;
    pub(super) const CONSOLE_WRITE: Ops = 0x0600..=0x0600;
    pub(super) const CONSOLE_READ: Ops = 0x0601..=0x0601;
    pub(super) const EXIT: Ops = 0x0800..=0x0800;
}

/// Status codes, as the spec prints them.
mod status {
    pub(super) const OK: u64 = 0;
    pub(super) const NOT_SUPPORTED: u64 = 1;
    pub(super) const NO_CAPACITY: u64 = 7;
    pub(super) const EXISTS: u64 = 8;
    pub(super) const BAD_STATE: u64 = 10;
}

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
        "area-rounded",
        "GEN-4",
        "a misaligned area is used from the granule on in which it begins",
        Line::Request(|words, _| words[7] &= !0xfff),
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
        "any-granule",
        "NEG-3",
        "a granule that is not offered is replaced by one that is",
        Line::Request(|words, _| {
            let shift = words[3] >> 32;
            let offered = [0, 12, 14, 16].contains(&shift);
            words[3] = if offered { words[3] } else { words[3] & LOW | 12 << 32 };
        }),
    ),
    fault(
        "negotiated-twice",
        "NEG-4",
        "what comes in the wrong state is not done, but answers OK",
        Line::Store(|access, value| {
            let refused = access.in_record() == Some(0xa0) && value & STATUS == status::BAD_STATE;
            access.store(if refused { value & !STATUS } else { value });
        }),
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
        "events-not-gated",
        "NEG-7",
        "operations on ports answer OK where EVENTS was not negotiated",
        Line::Store(|access, value| {
            access.store_status(value, op::EVENTS, status::NOT_SUPPORTED, status::OK)
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
        "completions-wake-nobody",
        "CALL-16",
        "the position from which completions owe an upcall is misread",
        Line::Load(|access, value| match access.site {
            Site::ArmedRead if access.index == 0 => value.wrapping_add(1 << 30) & LOW,
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
    fault(
        "port-cut",
        "EVT-1",
        "port numbers are cut to ten bits",
        Line::Load(|access, value| match access.site {
            Site::SubmissionBody if access.index % 8 == 1 && op::EVENTS.contains(&access.op()) => {
                if value < 4096 { value & 0x3ff } else { value }
            }
            _ => value,
        }),
    ),
    fault(
        "bound-twice",
        "EVT-3",
        "binding a bound port changes nothing and answers OK",
        Line::Store(|access, value| access.store_status(value, op::EVENT_BIND, status::EXISTS, status::OK)),
    ),
    fault(
        "full-ring",
        "EVT-4",
        "binding to a ring without room does nothing and answers OK",
        Line::Store(|access, value| {
            access.store_status(value, op::EVENT_BIND, status::NO_CAPACITY, status::OK)
        }),
    ),
    fault(
        "departed-forgotten",
        "EVT-4",
        "the entry of a port that is released makes room at once",
        Line::Load(|access, value| match access.site {
            Site::TakenRead => access.taken(value, op::EVENT_UNBIND.contains(&access.op())),
            _ => value,
        }),
    ),
    fault(
        "unbind-forgotten",
        "EVT-5",
        "a port that is released goes on",
        Line::Load(|access, value| access.as_nop(value, op::EVENT_UNBIND, |_| true)),
    ),
    fault(
        "other-port",
        "EVT-7",
        "an entry names the next port",
        Line::Store(|access, value| {
            access.store(if access.site == Site::EntryPublish { value + 1 } else { value })
        }),
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
        "hints-of-all-ports",
        "EVT-15",
        "a port from 1024 on is masked by the hint of one below",
        Line::Load(|access, value| {
            access.as_nop(value, op::EVENT_SIGNAL, |args| {
                let bit = (args[0] & 0x3ff) as usize;
                args[0] >= 1024 && access.area(0x100 + bit / 64 * 8) & 1 << (bit % 64) != 0
            })
        }),
    ),
    fault(
        "move-forgets",
        "EVT-17",
        "what is untaken when a port moves is not raised again",
        Line::Load(|access, value| match access.site {
            Site::TakenRead => access.taken(value, op::EVENT_MOVE.contains(&access.op())),
            _ => value,
        }),
    ),
    fault(
        "direct-lost",
        "EVT-22",
        "direct ports raise no interrupt",
        Line::Act(|_, action| (!matches!(action, Action::Direct { .. })).then_some(action)),
    ),
    fault(
        "vcpu-bound-twice",
        "VCPU-1",
        "BIND of a bound vCPU changes nothing and answers OK",
        Line::Store(|access, value| {
            let refused = access.in_record() == Some(0xa0) && value & STATUS == status::EXISTS;
            access.store(if refused { value & !STATUS } else { value });
        }),
    ),
    fault(
        "depth-rounded",
        "VCPU-2",
        "a depth that is no power of two is rounded up to one",
        Line::Request(|words, _| {
            let depth = (words[5] as u32).checked_next_power_of_two().unwrap_or(0);
            words[5] = words[5] & !LOW | u64::from(depth);
        }),
    ),
    fault(
        "window-without-room",
        "VCPU-4",
        "BIND answers OK where the window has no room",
        Line::Store(|access, value| {
            let refused = access.in_record() == Some(0xa0) && value & STATUS == status::NO_CAPACITY;
            access.store(if refused { value & !STATUS } else { value });
        }),
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
        "stop-forgets",
        "VCPU-6",
        "what is untaken when its vCPU stops is not raised again",
        Line::Load(|access, value| match access.site {
            Site::TakenRead => access.taken(value, op::VCPU_STOP.contains(&access.op())),
            _ => value,
        }),
    ),
    fault(
        "stop-without-room",
        "VCPU-6",
        "VCPU_STOP answers OK where the target lacks room, and does nothing",
        Line::Store(|access, value| {
            access.store_status(value, op::VCPU_STOP, status::NO_CAPACITY, status::OK)
        }),
    ),
    fault(
        "start-forgotten",
        "VCPU-5",
        "a started vCPU does not run",
        Line::Act(|_, action| (!matches!(action, Action::Start { .. })).then_some(action)),
    ),
    fault(
        "vector-cut",
        "VCPU-8",
        "bits 8 to 15 of a vector are not looked at",
        Line::Load(|access, value| match access.site {
            Site::SubmissionBody if access.index % 8 == 2 && op::VCPU_UPCALL.contains(&access.op()) => {
                value & !0xff00
            }
            _ => value,
        }),
    ),
    fault(
        "upcalls-stay-on",
        "VCPU-8",
        "vector 0 does not turn upcalls off",
        Line::Load(|access, value| access.as_nop(value, op::VCPU_UPCALL, |args| args[1] == 0)),
    ),
    fault(
        "owed-upcall-forgotten",
        "VCPU-8",
        "the upcall that was owed before the vector was set is not sent",
        Line::Act(|domain, action| {
            let routed = domain.memory().past().mark(matches!(action, Action::Route { .. }));
            (!routed || !matches!(action, Action::Upcall { .. })).then_some(action)
        }),
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
        "length-short",
        "REG-4",
        "REGION_QUERY says a page less than there is",
        Line::Store(|access, value| access.store_value(value, op::REGION_QUERY, value.saturating_sub(4096))),
    ),
    fault(
        "one-byte-more",
        "CON-2",
        "CONSOLE_WRITE says one byte more than was accepted",
        Line::Store(|access, value| access.store_value(value, op::CONSOLE_WRITE, value + 1)),
    ),
    fault(
        "payload-cut",
        "CON-3",
        "a payload above the limit is cut to the limit",
        Line::Load(|access, value| match access.site {
            Site::SubmissionBody if access.index % 8 == 2 && op::CONSOLE_WRITE.contains(&access.op()) => {
                value.min(65_536)
            }
            _ => value,
        }),
    ),
    fault(
        "read-of-nothing",
        "CON-4",
        "a read of no bytes waits for one",
        Line::Load(|access, value| match access.site {
            Site::SubmissionBody if access.index % 8 == 2 && op::CONSOLE_READ.contains(&access.op()) => {
                value.max(1)
            }
            _ => value,
        }),
    ),
    fault(
        "second-read",
        "CON-4",
        "a second read answers OK, with nothing",
        Line::Store(|access, value| access.store_status(value, op::CONSOLE_READ, status::EXISTS, status::OK)),
    ),
    fault(
        "input-in-words",
        "CON-5",
        "input is written in words of eight bytes",
        Line::Write(|memory, offset, data| {
            let mut words = data.to_vec();
            words.resize(data.len().next_multiple_of(8), 0);
            memory.write(0, offset, &words)
        }),
    ),
    fault(
        "input-late",
        "CON-5",
        "input is written after the completion",
        Line::Write(|memory, offset, data| {
            let data = data.to_vec();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                memory.write(0, offset, &data)
            });
            true
        }),
    ),
    fault(
        "no-exit-in-the-lane",
        "LIFE-1",
        "the emergency lane does not take EXIT",
        Line::Load(|access, value| {
            let lane = access.site == Site::SubmissionTake && access.words() == 8;
            let exit = op::EXIT.contains(&(value as u16));
            if lane && exit { value | 0x7000 } else { value }
        }),
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
