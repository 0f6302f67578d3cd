// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in `tenon-devices`: back ends.

use super::{fault, test};
use crate::{Fault, Seen};

const fn block(name: &'static str) -> Seen {
    test("tenon-devices", "block", name)
}

const fn net(name: &'static str) -> Seen {
    test("tenon-devices", "net", name)
}

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "flush-that-lies",
        "BLK-6",
        "FLUSH is answered and nothing is asked of the medium",
        block("durable::a_flush_makes_durable_what_was_completed_before_it"),
    ),
    fault(
        "flush-without-sync",
        "BLK-6",
        "a write-back of a file is done without fdatasync",
        block("durable::a_flush_makes_durable_what_was_completed_before_it"),
    ),
    fault(
        "durable-write-not-synced",
        "BLK-5",
        "a durable write is answered when it is in the cache",
        block("durable::a_durable_write_is_durable_when_it_completes"),
    ),
    fault(
        "flush-joins-one-that-runs",
        "BLK-6",
        "a FLUSH is answered by a write-back that began before a write that it is to cover",
        block("durable::a_flush_is_not_served_by_a_write_back_that_began_before_a_write"),
    ),
    fault(
        "write-completed-early",
        "BLK-5",
        "a write is completed when it is begun",
        block("durable::a_write_is_not_completed_before_it_is_done"),
    ),
    fault(
        "disk-error-swallowed",
        "BLK-7",
        "what the medium could not do is answered with OK",
        block("faults::errors_of_the_medium_are_statuses_and_are_counted"),
    ),
    fault(
        "short-transfer-believed",
        "BLK-5",
        "a transfer that the medium did in part counts as done",
        block("faults::a_short_transfer_goes_on"),
    ),
    fault(
        "flush-error-swallowed",
        "BLK-7",
        "a FLUSH whose write-back failed is answered with OK",
        block("faults::a_failed_write_back_is_not_forgotten"),
    ),
    fault(
        "disk-failure-forgotten",
        "BLK-7",
        "a failed write-back is told once, and the next FLUSH says OK",
        block("faults::a_failed_write_back_is_not_forgotten"),
    )
    .and("device.failed"),
    fault(
        "disk-failure-told-first",
        "BLK-7",
        "the status of a failed write-back comes before FAILED is set",
        block("faults::a_failed_write_back_is_not_forgotten"),
    )
    .and("device.failed-outlives-sessions"),
    fault(
        "disk-failure-not-told",
        "BLK-7",
        "FAILED is set and the guest is not told",
        block("faults::a_failed_write_back_is_not_forgotten"),
    )
    .and("device.failed-outlives-sessions"),
    fault(
        "disk-latch-not-kept",
        "BLK-7",
        "FAILED ends with the host that found it",
        block("faults::a_failed_write_back_is_not_forgotten"),
    ),
    fault(
        "disk-latch-not-read",
        "BLK-7",
        "a host does not look whether a write-back failed before it",
        block("faults::a_failed_write_back_is_not_forgotten"),
    ),
    fault(
        "witness-not-asked",
        "BLK-12",
        "a write-back that failed for a host that died at once is not found",
        block("faults::a_host_that_dies_with_the_news_does_not_take_it_along"),
    ),
    fault(
        "disk-closed-early",
        "DEV-11",
        "a queue goes home while its requests are under way",
        block("life::a_closed_queue_goes_home_when_nothing_of_it_is_under_way"),
    )
    .and("device.held-queue-closes-late"),
    fault(
        "removed-disk-served",
        "DEV-13",
        "a disk that was taken away does requests",
        block("life::a_removed_disk_answers_removed"),
    )
    .and("device.removed"),
    fault(
        "disk-resize-not-told",
        "BLK-2",
        "a disk has another size and its guest is not told",
        block("life::a_resize_is_told_and_holds_from_then_on"),
    ),
    fault(
        "disk-bell-not-rung",
        "DEV-9",
        "a guest that waits for completions is not woken",
        block("life::a_worker_that_sleeps_is_woken_and_wakes_its_guest"),
    )
    .and("device.port-completion"),
    fault(
        "disk-not-locked",
        "BLK-11",
        "two hosts may have one disk",
        block("opening::a_disk_is_one_machines_until_its_io_has_landed"),
    ),
    fault(
        "qcow2-loop-not-seen",
        "DEV-14",
        "an image that stands on itself is opened until it is found to be locked",
        block("qcow2::a_chain_that_is_broken_says_where"),
    ),
    fault(
        "frame-carried-twice",
        "NET-8",
        "a frame is given to a guest twice",
        net("echo::frames_come_back_in_order_on_their_pair"),
    )
    .and("net.echo"),
    fault(
        "known-address-flooded",
        "NET-12",
        "a frame to an address that is known goes to every port",
        net("switch::an_address_is_learnt_and_then_its_frames_go_there_alone"),
    ),
    fault(
        "isolation-off",
        "NET-12",
        "two isolated ports reach each other",
        net("switch::isolated_ports_reach_others_and_not_each_other"),
    ),
    fault(
        "mac-policy-off",
        "NET-10",
        "a guest sends from an address that is not its own",
        net("switch::a_guest_that_may_use_its_own_address_alone_uses_no_other"),
    ),
    fault(
        "sum-left-out",
        "NET-12",
        "a receiver that takes no sums gets a frame without one",
        net("switch::what_a_receiver_does_not_take_is_computed"),
    )
    .and("net.checksum-is-computed"),
    fault(
        "link-not-told",
        "NET-2",
        "a link goes down and its guest is not told",
        net("echo::nothing_is_carried_while_the_link_is_down_or_once_the_device_was_removed"),
    ),
    fault(
        "frames-over-a-link-that-is-down",
        "NET-2",
        "frames are carried while the link is down",
        net("echo::nothing_is_carried_while_the_link_is_down_or_once_the_device_was_removed"),
    )
    .and("net.link-down"),
];
