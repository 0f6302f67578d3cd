// SPDX-License-Identifier: MIT OR Apache-2.0
//! vCPUs and regions (VCPU, REG).

use super::{LOW, STATUS, fault, op, status};
use crate::faults::{Fault, Line};
use tenon_host::{Action, VcpuAction};
use tenon_rings::Site;

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
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
        "overlap-unchecked",
        "VCPU-10",
        "BIND of areas that overlap answers OK",
        Line::Store(|access, value| {
            let refused = access.in_record() == Some(0xa0) && value & STATUS == status::BAD_RANGE;
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
            Action::Vcpu(VcpuAction::Stop { vcpu }) => {
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
        Line::Act(|_, action| (!matches!(action, Action::Vcpu(VcpuAction::Start { .. }))).then_some(action)),
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
            let routed =
                domain.memory().past().mark(matches!(action, Action::Vcpu(VcpuAction::Route { .. })));
            (!routed || !matches!(action, Action::Vcpu(VcpuAction::Upcall { .. }))).then_some(action)
        }),
    ),
    fault(
        "upcall-to-another-vcpu",
        "VCPU-9",
        "the upcalls of vCPU 1 arrive at vCPU 0",
        Line::Act(|_, action| {
            Some(match action {
                Action::Vcpu(VcpuAction::Upcall { vector, .. }) => {
                    Action::Vcpu(VcpuAction::Upcall { vcpu: 0, vector })
                }
                other => other,
            })
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
];
