// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in `tenon-rings`.

use super::{fault, test};
use crate::{Fault, Seen};

const fn property(name: &'static str) -> Seen {
    test("tenon-rings", "property", name)
}

const fn loom(name: &'static str) -> Seen {
    test("tenon-rings", "loom", name)
}

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "slice-published-early",
        "STR-6",
        "a slice of messages is published before its words are stored",
        loom("bulk::slices_of_messages"),
    ),
    fault(
        "slice-released-early",
        "STR-10",
        "the room of a slice of messages is given back before its words are loaded",
        loom("bulk::slices_of_messages"),
    ),
    fault(
        "records-published-early",
        "STR-6",
        "a run of records of one length is published before its words are stored",
        loom("bulk::runs_of_records"),
    ),
    fault(
        "records-released-early",
        "STR-10",
        "the room of a run of records is given back before its words are loaded",
        loom("bulk::runs_of_records"),
    ),
    fault(
        "slice-over-untaken",
        "STR-5",
        "a slice of messages is stored without looking how much room there is",
        property("stream_channel::any_history_of_messages_is_that_of_a_list"),
    ),
    fault(
        "wish-signed",
        "STR-11",
        "a wish from more than half the circle ago counts as one that was just passed",
        property("distance::a_side_that_armed_long_ago_is_not_woken"),
    ),
    fault(
        "sleep-compared-plainly",
        "STR-11",
        "whether a side may sleep is found out by comparing positions as plain numbers",
        property("distance::a_side_may_sleep_across_the_wrap"),
    ),
    fault(
        "kick-signed",
        "CALL-26",
        "a host that rested more than half the circle ago is kicked each time",
        property("distance::a_host_that_rested_long_ago_is_not_kicked"),
    ),
    fault(
        "disarm-completions-whole",
        "CALL-16",
        "a guest that disarms arms a whole circle ahead, which is behind",
        property("distance::an_end_that_has_disarmed_hears_nothing"),
    ),
    fault(
        "disarm-events-whole",
        "EVT-11",
        "a guest that disarms its event ring arms a whole circle ahead, which is behind",
        property("distance::an_end_that_has_disarmed_hears_nothing"),
    ),
    fault(
        "taken-signed",
        "EVT-8",
        "`taken` may go back by up to half the circle",
        property("distance::taken_goes_backwards_by_no_distance"),
    ),
    fault(
        "entry-32-bits",
        "EVT-10",
        "a port's last entry is remembered modulo 2^32: one that was idle for long passes for pending",
        property("distance::a_port_that_was_idle_for_long_is_raised"),
    ),
    fault(
        "page-looked-at-once",
        "PAGE-4",
        "a reader of a host page does not look at the sequence again: a torn copy is taken",
        loom("read_a_page::holds"),
    ),
    fault(
        "page-other-copy",
        "PAGE-4",
        "a reader of a host page takes the copy that is not the valid one",
        property("page::a_writer_that_dies_at_any_moment_leaves_a_valid_copy_and_so_does_its_successor"),
    ),
    fault(
        "page-published-first",
        "PAGE-3",
        "a host page's sequence is published before its copy is filled",
        loom("read_a_page::holds"),
    ),
    fault(
        "page-valid-copy-first",
        "PAGE-3",
        "the successor of a host page's writer fills the copy that is valid",
        loom("writer_dies_in_a_copy::holds"),
    ),
    fault(
        "clock-believed-backwards",
        "TIME-7",
        "a clock follows a step back of the host's",
        property("page::the_largest_value_stays_and_a_step_back_is_told_once"),
    ),
    fault(
        "step-back-told-each-time",
        "TIME-7",
        "a step back is told at each reading of the clock",
        property("page::the_largest_value_stays_and_a_step_back_is_told_once"),
    ),
];
