// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in devices, of the shim.

use super::{fault, test};
use crate::{Fault, Seen};

/// Seen by a test of the shim's.
const fn hostile(name: &'static str) -> Seen {
    test("tenon-guest", "hostile", name)
}

/// The faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "device-info-stale",
        "DEV-4",
        "what a host did not write of a device is taken from an earlier answer",
        hostile("devices::control::what_a_host_did_not_write_is_not_its_answer"),
    ),
    fault(
        "device-info-believed",
        "GEN-8",
        "what a host says of a device is believed, whatever it is",
        hostile("devices::control::what_a_host_says_of_a_device_is_held_against_the_text"),
    ),
    fault(
        "incarnation-left-out",
        "DEV-6",
        "a device is opened whichever it is",
        hostile("devices::control::an_open_names_the_incarnation_and_the_arena"),
    ),
    fault(
        "queue-port-dropped",
        "DEV-7",
        "a queue is opened without its port",
        hostile("devices::control::a_queue_is_opened_over_cleared_parts_with_its_port"),
    ),
    fault(
        "queue-part-left-as-found",
        "DEV-8",
        "a queue is opened over what an earlier one left",
        hostile("devices::control::a_queue_is_opened_over_cleared_parts_with_its_port"),
    ),
    fault(
        "doorbell-believed",
        "DEV-8",
        "a queue of a device is kicked by the number of a vCPU's",
        hostile("devices::control::a_kick_that_belongs_to_a_vcpu_or_to_nobody_is_refused"),
    ),
    fault(
        "early-close-believed",
        "DEV-11",
        "a queue that the host still serves counts as closed",
        hostile("devices::control::a_close_that_is_answered_while_the_queue_is_served_is_not_believed"),
    ),
    fault(
        "parts-given-back-early",
        "DEV-11",
        "the parts of a queue come back before it is closed",
        hostile("devices::frames::rings_come_back_when_they_are_closed_and_not_before"),
    ),
    fault(
        "removed-ignored",
        "DEV-13",
        "a device that was removed passes for one that is there",
        hostile("devices::control::a_device_that_was_removed_is_told_whatever_has_its_number"),
    ),
    fault(
        "block-info-believed",
        "BLK-2",
        "a disk without blocks is believed",
        hostile("devices::headers::a_disk_that_cannot_be_is_none"),
    ),
    fault(
        "net-info-believed",
        "NET-2",
        "an interface whose frames are shorter than its MTU is believed",
        hostile("devices::headers::an_interface_that_cannot_be_is_none"),
    ),
    fault(
        "durable-left-out",
        "BLK-5",
        "a write that is to be durable does not say so",
        hostile("devices::requests::arguments_are_those_of_the_text"),
    ),
    fault(
        "list-kept-from-before",
        "BLK-3",
        "a list of segments changes while its request has it",
        hostile("devices::requests::a_list_is_written_anew_for_each_request"),
    ),
    fault(
        "moved-believed",
        "BLK-4",
        "a length that the host wrote is trusted",
        hostile("devices::requests::a_length_that_was_not_asked_for_is_no_success"),
    ),
    fault(
        "token-of-any-request",
        "CALL-17",
        "a token takes the result of a later request",
        hostile("devices::requests::a_result_is_taken_once_and_a_token_names_one_request"),
    ),
    fault(
        "cancel-without-slot",
        "BLK-10",
        "requests take the slot that is kept for CANCEL",
        hostile("devices::requests::a_slot_is_kept_for_cancel"),
    ),
    fault(
        "buffer-before-completion",
        "CALL-17",
        "memory comes back before its request is completed",
        hostile("devices::requests::what_was_given_up_stays_with_the_host_until_it_is_done"),
    ),
    fault(
        "buffer-freed-in-flight",
        "CALL-17",
        "a queue that is dropped frees memory that the host has",
        hostile("devices::requests::a_queue_that_is_dropped_frees_nothing_that_the_host_has"),
    ),
    fault(
        "device-queue-unarmed",
        "CALL-16",
        "who sleeps has not armed the queue",
        hostile("devices::sleep::who_sleeps_has_asked_to_be_woken"),
    ),
    fault(
        "sleeps-without-kick",
        "CALL-25",
        "who sleeps has not kicked what it pushed",
        hostile("devices::sleep::nobody_sleeps_over_a_result_or_over_requests_that_were_not_kicked"),
    ),
    fault(
        "unanswered-forgotten",
        "CALL-18",
        "what a host did not answer before its session ended is lost",
        hostile("devices::ends::what_a_host_did_not_answer_its_successor_does"),
    ),
    fault(
        "answered-submitted-again",
        "CALL-18",
        "what a host answered before its session ended is submitted again",
        hostile("devices::ends::what_a_host_did_not_answer_its_successor_does"),
    ),
    fault(
        "last-answers-left",
        "DEV-11",
        "results that came before a queue was closed are lost",
        hostile("devices::ends::a_close_takes_the_last_answers"),
    ),
    fault(
        "frame-length-believed",
        "NET-4",
        "a record of any length passes for a frame",
        hostile("devices::frames::a_record_of_an_impossible_length_is_dropped_and_counted"),
    ),
    fault(
        "checksum-place-believed",
        "NET-5",
        "a checksum's place behind the frame is believed",
        hostile("devices::frames::a_header_that_does_not_fit_its_frame_is_dropped_and_counted"),
    ),
    fault(
        "segments-believed",
        "NET-6",
        "headers that are longer than their frame are believed",
        hostile("devices::frames::a_header_that_does_not_fit_its_frame_is_dropped_and_counted"),
    ),
    fault(
        "stray-header-fields",
        "NET-5",
        "fields that mean nothing are not held to be zero",
        hostile("devices::frames::a_header_that_does_not_fit_its_frame_is_dropped_and_counted"),
    ),
    fault(
        "header-left-from-before",
        "NET-4",
        "a frame is sent behind the header of an earlier one",
        hostile("devices::frames::a_segmented_frame_is_sent_where_that_was_chosen"),
    ),
    fault(
        "receiver-unarmed",
        "STR-11",
        "who waits for a frame has not armed the ring",
        hostile("devices::frames::who_waits_for_a_frame_has_asked_to_be_woken"),
    ),
];
