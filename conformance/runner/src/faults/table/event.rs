// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events (EVT).

use super::{LOW, fault, op, status};
use crate::faults::{Fault, Line};
use tenon_host::{Action, EventAction, VcpuAction};
use tenon_rings::Site;

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
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
        "unbound-as-argument",
        "CALL-28",
        "a vCPU that is not bound is refused as one out of range",
        Line::Store(|access, value| {
            access.store_status(value, op::EVENT_BIND, status::NOT_FOUND, status::BAD_ARGUMENT)
        }),
    ),
    fault(
        "range-as-unbound",
        "CALL-28",
        "a port or vCPU out of range is refused as one that is not bound",
        Line::Store(|access, value| {
            access.store_status(value, op::EVENTS, status::BAD_ARGUMENT, status::NOT_FOUND)
        }),
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
        Line::Act(|_, action| (!matches!(action, Action::Vcpu(VcpuAction::Upcall { .. }))).then_some(action)),
    ),
    fault(
        "armed-unchecked",
        "EVT-11",
        "the high half of an armed position is not looked at",
        Line::Load(|access, value| if access.site == Site::ArmedRead { value & LOW } else { value }),
    ),
    fault(
        "armed-unsigned",
        "CALL-27",
        "positions are compared as numbers: an armed position behind zero is never reached",
        Line::Load(|access, value| match access.site {
            Site::ArmedRead if value & LOW >= 1 << 31 => value & !LOW | 0x7fff_ffff,
            _ => value,
        }),
    ),
    fault(
        "cleared-is-disarmed",
        "CALL-27",
        "an armed position of zero stands for none",
        Line::Load(|access, value| match access.site {
            Site::ArmedRead if value == 0 => 0x7fff_ffff,
            _ => value,
        }),
    ),
    fault(
        "breach-unanswered",
        "EVT-20",
        "a signal into a corrupt ring answers OK",
        Line::Store(|access, value| {
            access.store_status(value, op::EVENT_SIGNAL, status::BAD_STATE, status::OK)
        }),
    ),
    fault(
        "entry-turn-off",
        "CALL-4",
        "the first entry of a ring has position 1",
        Line::Store(|access, value| {
            access.store(if access.site == Site::EntryPublish { value + (1 << 32) } else { value })
        }),
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
        Line::Act(|_, action| {
            (!matches!(action, Action::Event(EventAction::Raise { .. }))).then_some(action)
        }),
    ),
];
