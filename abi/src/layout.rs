// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wire as data: the tables of `docs/abi.md`, the C header and the golden test are made from this.

use crate::{
    block, call, control, device, discovery, lifecycle, memory, meter, net, operation, page, status, stream,
    time, vcpu,
};

pub use crate::item::{Field, Group, Number, Struct};

/// Every wire structure.
pub const LAYOUT: &[Struct] = &[
    discovery::Record::LAYOUT,
    control::ControlRequest::LAYOUT,
    call::Submission::LAYOUT,
    call::Completion::LAYOUT,
    lifecycle::GenerationCopy::LAYOUT,
    memory::MemoryInfo::LAYOUT,
    memory::MemoryPiece::LAYOUT,
    meter::MeterRow::LAYOUT,
    device::DeviceInfo::LAYOUT,
    block::BlockInfo::LAYOUT,
    block::Segment::LAYOUT,
    net::NetInfo::LAYOUT,
    net::NetHeader::LAYOUT,
    stream::RingLine::LAYOUT,
    stream::RecordHeader::LAYOUT,
    time::TimeCopy::LAYOUT,
];

/// Every group of numbers.
pub const NUMBERS: &[Group] = &[
    Group { name: "Features", numbers: discovery::Features::NUMBERS },
    Group { name: "ConduitKind", numbers: discovery::ConduitKind::NUMBERS },
    Group { name: "ConduitFlags", numbers: discovery::ConduitFlags::NUMBERS },
    Group { name: "ControlOp", numbers: control::ControlOp::NUMBERS },
    Group { name: "SessionState", numbers: control::SessionState::NUMBERS },
    Group { name: "Op", numbers: operation::Op::NUMBERS },
    Group { name: "Check", numbers: operation::Check::NUMBERS },
    Group { name: "Traits", numbers: operation::Traits::NUMBERS },
    Group { name: "SubmissionFlags", numbers: call::SubmissionFlags::NUMBERS },
    Group { name: "Status", numbers: status::Status::NUMBERS },
    Group { name: "QueueState", numbers: status::QueueState::NUMBERS },
    Group { name: "Reason", numbers: status::Reason::NUMBERS },
    Group { name: "Rights", numbers: memory::Rights::NUMBERS },
    Group { name: "Meter", numbers: meter::Meter::NUMBERS },
    Group { name: "DeviceKind", numbers: device::DeviceKind::NUMBERS },
    Group { name: "DeviceFlags", numbers: device::DeviceFlags::NUMBERS },
    Group { name: "GuestPart", numbers: device::guest::NUMBERS },
    Group { name: "HostPart", numbers: device::host::NUMBERS },
    Group { name: "BlockFlags", numbers: block::BlockFlags::NUMBERS },
    Group { name: "WriteFlags", numbers: block::WriteFlags::NUMBERS },
    Group { name: "ZeroFlags", numbers: block::ZeroFlags::NUMBERS },
    Group { name: "NetFeatures", numbers: net::NetFeatures::NUMBERS },
    Group { name: "NetFlags", numbers: net::NetFlags::NUMBERS },
    Group { name: "SegmentKind", numbers: net::SegmentKind::NUMBERS },
    Group { name: "FilterMode", numbers: net::FilterMode::NUMBERS },
    Group { name: "RecordLength", numbers: stream::RecordLength::NUMBERS },
    Group { name: "GuestArea", numbers: vcpu::guest::NUMBERS },
    Group { name: "HostArea", numbers: vcpu::host::NUMBERS },
    Group { name: "PageKind", numbers: page::PageKind::NUMBERS },
    Group { name: "GenerationPage", numbers: lifecycle::page::NUMBERS },
    Group { name: "TimePage", numbers: time::page::NUMBERS },
    Group { name: "Clock", numbers: time::Clock::NUMBERS },
    Group { name: "Clocks", numbers: time::Clocks::NUMBERS },
    Group { name: "CounterKind", numbers: time::CounterKind::NUMBERS },
    Group { name: "TimeFlags", numbers: time::TimeFlags::NUMBERS },
    Group { name: "ClockStatus", numbers: time::ClockStatus::NUMBERS },
    Group { name: "Leap", numbers: time::Leap::NUMBERS },
    Group { name: "Smear", numbers: time::Smear::NUMBERS },
];
