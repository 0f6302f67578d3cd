// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in `tenon-host`.

use super::{fault, test};
use crate::{Fault, Seen};

const fn core(name: &'static str) -> Seen {
    test("tenon-host", "core", name)
}

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "reset-session-first",
        "SES-6",
        "a reset shows the new session before the record is idle",
        core("order::a_reset_shows_its_session_when_nothing_of_the_old_one_is_in_use"),
    ),
    fault(
        "reset-marks-areas-late",
        "SES-7",
        "a reset writes a state word of the old session when the new one is shown already",
        core("order::a_reset_shows_its_session_when_nothing_of_the_old_one_is_in_use"),
    ),
    fault(
        "control-answered-first",
        "SES-4",
        "a control request is answered before it is done",
        core("order::a_reset_shows_its_session_when_nothing_of_the_old_one_is_in_use"),
    ),
    fault(
        "value-behind-result",
        "SES-4",
        "the value of a control request is stored behind its result",
        core("order::a_bound_vcpus_area_is_whole_when_that_is_said"),
    ),
    fault(
        "active-before-features",
        "NEG-5",
        "the record says that the session is open before it says with which features",
        core("order::what_was_negotiated_is_whole_when_it_is_shown"),
    ),
    fault(
        "again-session-first",
        "SES-9",
        "a host that was lost shows its new session before the record is idle",
        core("order::a_host_that_was_lost_comes_back_with_its_session_last"),
    ),
];
