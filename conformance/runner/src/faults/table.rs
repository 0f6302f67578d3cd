// SPDX-License-Identifier: MIT OR Apache-2.0
//! The faults, in the order of the spec. `tests/faults.rs` plays each of them against the cases that cite its
//! clause.

mod call;
mod console;
mod event;
mod session;
mod vcpu;

use super::{Fault, Line};

/// The magic of a control request (SES-3).
const MAGIC: u64 = u64::from_le_bytes(*b"Tenon\0CR");
const LOW: u64 = 0xffff_ffff;
const STATUS: u64 = 0xffff;

/// Operations, as the spec prints them.
mod op {
    use std::ops::RangeInclusive;

    type Ops = RangeInclusive<u16>;

    pub(in crate::faults) const PROBE: Ops = 0x0101..=0x0101;
    pub(in crate::faults) const CANCEL: Ops = 0x0102..=0x0102;
    /// All of the chapter.
    pub(in crate::faults) const EVENTS: Ops = 0x0200..=0x02ff;
    pub(in crate::faults) const EVENT_BIND: Ops = 0x0200..=0x0200;
    pub(in crate::faults) const EVENT_UNBIND: Ops = 0x0201..=0x0201;
    pub(in crate::faults) const EVENT_MOVE: Ops = 0x0202..=0x0202;
    pub(in crate::faults) const EVENT_SIGNAL: Ops = 0x0203..=0x0203;
    pub(in crate::faults) const REGION_QUERY: Ops = 0x0300..=0x0300;
    pub(in crate::faults) const VCPU_STOP: Ops = 0x0501..=0x0501;
    pub(in crate::faults) const VCPU_UPCALL: Ops = 0x0502..=0x0502;
    pub(in crate::faults) const CONSOLE_WRITE: Ops = 0x0600..=0x0600;
    pub(in crate::faults) const CONSOLE_READ: Ops = 0x0601..=0x0601;
    pub(in crate::faults) const EXIT: Ops = 0x0800..=0x0800;
}

/// Status codes, as the spec prints them.
mod status {
    pub(in crate::faults) const OK: u64 = 0;
    pub(in crate::faults) const NOT_SUPPORTED: u64 = 1;
    pub(in crate::faults) const BAD_ARGUMENT: u64 = 2;
    pub(in crate::faults) const BAD_RANGE: u64 = 5;
    pub(in crate::faults) const NO_CAPACITY: u64 = 7;
    pub(in crate::faults) const EXISTS: u64 = 8;
    pub(in crate::faults) const NOT_FOUND: u64 = 9;
    pub(in crate::faults) const BAD_STATE: u64 = 10;
}

const fn fault(name: &'static str, clause: &'static str, what: &'static str, line: Line) -> Fault {
    Fault { name, what, clause, line }
}

/// Every fault, by chapters.
pub(super) const CHAPTERS: &[&[Fault]] =
    &[session::FAULTS, call::FAULTS, event::FAULTS, vcpu::FAULTS, console::FAULTS];
