// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in `tenon-host`: host pages, clocks and timers.

use super::fault;
use super::host::{case, core};
use crate::Fault;

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "timer-early",
        "TIME-13",
        "a timer expires a millisecond before its deadline",
        core("time::a_timer_expires_when_its_deadline_is_reached_and_not_before"),
    ),
    fault(
        "timer-twice",
        "TIME-13",
        "a timer expires, and a millisecond later again",
        case("time.timer-once"),
    ),
    fault(
        "timer-lost",
        "TIME-13",
        "the timers of odd ports expire and raise nothing",
        core("time::the_attachment_is_told_of_a_sooner_deadline_and_of_no_later_one"),
    ),
    fault(
        "timer-past-lost",
        "TIME-13",
        "a deadline that is over when it is set is never raised",
        case("time.deadline-over"),
    ),
    fault(
        "timer-not-replaced",
        "TIME-12",
        "TIMER_SET keeps the timer that a port has",
        case("time.timer-replaced"),
    ),
    fault("slack-is-early", "TIME-14", "slack makes a timer early, and not late", case("time.timer-slack")),
    fault(
        "end-of-time-comes",
        "TIME-13",
        "the deadline at the end of time is due at once",
        case("time.deadline-never"),
    ),
    fault(
        "cancel-says-none",
        "TIME-15",
        "TIMER_CANCEL says that there was no timer",
        case("time.timer-cancelled"),
    ),
    fault(
        "deadline-sooner-untold",
        "TIME-13",
        "the attachment is not told of a deadline that comes before the one it knows",
        core("time::the_attachment_is_told_of_a_sooner_deadline_and_of_no_later_one"),
    ),
    fault(
        "unbind-keeps-timer",
        "TIME-16",
        "EVENT_UNBIND keeps the timer of its port",
        case("time.unbind-drops"),
    ),
    fault("move-drops-timer", "TIME-16", "EVENT_MOVE drops the timer of its port", case("time.move-keeps")),
    fault(
        "stop-drops-timer",
        "TIME-16",
        "VCPU_STOP drops the timers of the ports that it moves",
        case("time.stop-keeps"),
    ),
    fault("reset-keeps-timers", "TIME-16", "RESET keeps the timers of its session", case("time.reset-drops")),
    fault(
        "time-unasked",
        "TIME-10",
        "operations of time take the last moment that was told",
        core("time::time_is_asked_by_operations_of_time_alone"),
    ),
    fault(
        "clock-by-call-behind",
        "TIME-10",
        "CLOCK_READ is 50 ms behind the page",
        case("time.page-and-call"),
    ),
    fault(
        "clock-steps-back",
        "TIME-7",
        "the page steps back when the counter's relation is told again",
        core("time::a_correction_is_never_a_step_back_and_is_told_as_an_error"),
    ),
    fault(
        "error-that-lies",
        "TIME-6",
        "the page says that its clocks have no error",
        core("time::a_correction_is_never_a_step_back_and_is_told_as_an_error"),
    ),
    fault(
        "clock-runs-while-it-stands",
        "TIME-7",
        "RUNNING counts while the domain does not run",
        core("time::running_stands_still_and_boot_jumps_as_the_embedder_says"),
    ),
    fault(
        "step-is-no-disruption",
        "TIME-9",
        "a step of UTC leaves the disruption marker",
        core("time::a_step_of_utc_has_its_timers_looked_at_again"),
    ),
    fault(
        "restore-is-no-disruption",
        "TIME-9",
        "a restore leaves the disruption marker",
        core("time::kept::a_restore_is_a_disruption_even_where_boot_is_frozen"),
    ),
    fault(
        "save-loses-timers",
        "TIME-19",
        "a saved state has no timers",
        core("time::kept::running_goes_on_boot_jumps_and_utc_is_not_known"),
    ),
    fault(
        "save-loses-running",
        "TIME-19",
        "a saved state does not say how long the domain has run",
        core("time::kept::running_goes_on_boot_jumps_and_utc_is_not_known"),
    ),
    fault(
        "save-loses-boot",
        "TIME-19",
        "a saved state does not say how far BOOT is ahead",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-sequence",
        "PAGE-7",
        "a saved state does not say which sequence its pages show",
        core("page::a_restored_domain_shows_a_larger_sequence_when_its_clocks_start"),
    ),
    fault(
        "restore-shows-old-sequence",
        "PAGE-7",
        "a restored domain writes its pages with the sequence that they showed",
        core("page::a_restored_domain_shows_a_larger_sequence_when_its_clocks_start"),
    ),
    fault(
        "recover-shows-no-sequence",
        "PAGE-7",
        "a host that was lost begins with the first sequence again",
        core("page::a_host_that_was_lost_leaves_the_valid_copy_alone"),
    ),
    fault("page-not-written", "PAGE-3", "PAGE answers, and nothing is in the page", case("page.place")),
    fault(
        "page-address-unchecked",
        "PAGE-5",
        "PAGE takes an address where the page is in the window",
        case("page.address-with-window"),
    ),
    fault(
        "page-of-any-session",
        "PAGE-2",
        "PAGE tells of a kind whose feature was not negotiated",
        case("page.kind-of-no-feature"),
    ),
    fault(
        "areas-over-window-page",
        "PAGE-5",
        "an area is placed where the window has its page",
        core("page::areas_leave_the_page_alone"),
    ),
    fault(
        "page-alignment-unchecked",
        "PAGE-6",
        "a donated page may lie anywhere",
        case("page.donated-nowhere"),
    ),
    fault("page-placed-twice", "PAGE-6", "a page may be donated again elsewhere", case("page.donated-twice")),
    fault(
        "page-overlap-unchecked",
        "PAGE-6",
        "a page may be donated over an area",
        case("page.donated-over-an-area"),
    ),
    fault("area-over-page", "PAGE-6", "an area may be donated over a page", case("page.area-over-a-page")),
    fault("reset-keeps-page", "PAGE-6", "a reset keeps the donated page", case("page.donation-ends")),
];
