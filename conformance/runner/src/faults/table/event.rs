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
