// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in `tenon-guest`.

use super::{fault, test};
use crate::{Fault, Seen};

const fn hostile(name: &'static str) -> Seen {
    test("tenon-guest", "hostile", name)
}

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "stolen-believed-backwards",
        "VCPU-11",
        "a count of stolen time that falls is a lot of stolen time",
        hostile("stolen::a_count_that_falls_has_stolen_nothing"),
    ),
    fault(
        "busy-poll-loses-ticket",
        "CALL-17",
        "a request that is looked at while the queue is in use loses its ticket",
        hostile("busy::a_request_that_is_looked_at_while_the_queue_is_in_use_stays_in_flight"),
    ),
    fault(
        "busy-passes-for-pending",
        "GEN-8",
        "what finds the queue in use says that it waits for the host",
        hostile("busy::nothing_works_inside_of_a_call"),
    ),
    fault(
        "guard-left-early",
        "GEN-8",
        "upcalls are let in before the queue is out of use",
        hostile("busy::the_guard_is_held_while_the_queue_is_in_use"),
    ),
    fault(
        "second-mask-unmasks",
        "EVT-14",
        "to mask a masked port unmasks it",
        hostile("masks::a_port_that_is_masked_twice_stays_masked"),
    ),
    fault(
        "second-mask-forgets",
        "EVT-14",
        "to mask a port forgets an event that came while it was masked",
        hostile("masks::an_event_that_came_while_masked_is_remembered_until_it_is_told"),
    ),
    fault(
        "unmask-drops-other-hints",
        "EVT-15",
        "to unmask a port takes the hints of 63 others back",
        hostile("masks::hints_of_all_ports_lie_where_they_belong"),
    ),
    fault(
        "stale-answer-taken",
        "SES-4",
        "a kernel counts its tickets from one, and takes an answer to another kernel for its own",
        hostile("successor::a_control_answer_to_another_kernel_is_not_this_ones"),
    ),
    fault(
        "area-left-as-found",
        "SES-2",
        "a kernel binds an area in which another one's words still lie",
        hostile("successor::what_an_earlier_kernel_left_in_the_area_is_gone_when_the_host_looks"),
    ),
    fault(
        "pending-read-gives-buffer",
        "CALL-17",
        "a read that is still in flight gives its buffer back",
        hostile("pages::a_buffer_comes_back_with_the_answer_and_not_before"),
    ),
    fault(
        "pages-given-back-early",
        "SES-7",
        "a vCPU gives its pages back while its session goes on",
        hostile("pages::one_pool_is_enough_and_the_rest_of_it_comes_back"),
    ),
    fault(
        "page-anywhere",
        "PAGE-5",
        "a page is taken from where the host says, aligned or not",
        hostile("time::page::a_page_outside_of_the_window_is_refused"),
    ),
    fault(
        "host-page-given-back-early",
        "PAGE-6",
        "a donated page comes back while its session goes on",
        hostile("time::page::a_page_that_is_donated_comes_back_with_the_session_and_not_before"),
    ),
    fault(
        "counter-of-another-kind",
        "TIME-4",
        "a clock is computed from a counter that the page does not mean",
        hostile("time::page::a_counter_of_another_kind_is_called_for"),
    ),
    fault(
        "untold-clock-taken",
        "TIME-3",
        "a clock that the page does not tell is read from it",
        hostile("time::page::a_clock_that_is_not_told_is_called_for"),
    ),
    fault(
        "shift-above-63-taken",
        "TIME-5",
        "a shift above 63 is cut to six bits and believed",
        hostile("time::page::a_shift_above_63_is_not_believed"),
    ),
    fault(
        "counter-before-base-wraps",
        "TIME-5",
        "a counter before its base counts as one far behind it",
        hostile("time::page::a_counter_before_its_base_counts_as_the_base"),
    ),
    fault(
        "error-bound-dropped",
        "TIME-6",
        "a reading by page says that it is exact",
        hostile("time::page::a_clock_is_told_by_the_formula_with_its_error"),
    ),
    fault(
        "clamped-error-kept",
        "TIME-7",
        "a reading that was held back says that it is as exact as others",
        hostile("time::steps::a_step_back_is_told_once_and_its_error_says_so"),
    ),
    fault(
        "other-cpus-forgotten",
        "TIME-7",
        "a CPU reads less than another CPU has read",
        hostile("time::steps::no_cpu_reads_less_than_another_has_read"),
    ),
    fault(
        "timer-taken-for-early",
        "TIME-13",
        "a deadline that has come within the reading's error is waited for",
        hostile("time::steps::a_deadline_is_reached_as_soon_as_it_may_be"),
    ),
    fault(
        "bracket-middles-compared",
        "TIME-10",
        "a bracketed clock takes the middle of a wide bracket for a step back of the next one",
        hostile("time::bracket::a_wide_bracket_makes_no_step_back_of_a_narrow_one"),
    ),
    fault(
        "bracket-one-sided",
        "TIME-10",
        "a bracketed clock takes the host's for one that was read last",
        hostile("time::bracket::the_hosts_clock_lies_within_the_error_wherever_in_the_call_it_was_read"),
    ),
    fault(
        "meter-stale-rows",
        "MET-3",
        "rows are taken that the host did not write",
        hostile("meter::no_row_is_taken_that_the_host_did_not_write"),
    ),
    fault(
        "meter-first-row-for-asked",
        "MET-2",
        "the first row that the host has is taken for the one that was asked for",
        hostile("meter::a_count_is_that_of_the_number_that_was_asked_for"),
    ),
    fault(
        "meter-epochs-mixed",
        "MET-4",
        "counts of two epochs are compared",
        hostile("meter::counts_of_two_epochs_are_not_compared"),
    ),
    fault(
        "repaired-with-a-later-id",
        "LIFE-7",
        "a kernel says that it repaired a generation which it never saw",
        hostile("generation::a_guest_says_with_which_id_it_began"),
    ),
    fault(
        "repair-refused-unheard",
        "LIFE-7",
        "a refused REPAIRED passes for one that was accepted",
        hostile("generation::a_guest_says_with_which_id_it_began"),
    ),
];
