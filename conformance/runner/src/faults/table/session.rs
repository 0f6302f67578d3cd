// SPDX-License-Identifier: MIT OR Apache-2.0
//! Discovery, negotiation, sessions (GEN, DISC, NEG, SES).

use super::{LOW, MAGIC, STATUS, fault, op, status};
use crate::faults::{Fault, Line};
use crate::guest::CPUS;
use tenon_rings::Site;

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
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
];
