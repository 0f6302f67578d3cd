// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in `tenon-ivshmem`: the broker.

use super::{fault, test};
use crate::{Fault, Seen};

const fn broker(name: &'static str) -> Seen {
    test("tenon-ivshmem", "broker", name)
}

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "half-told-client-forgotten",
        "SHM-7",
        "what a client got that was told half is given to the next one",
        broker("half_way::what_a_client_got_that_was_told_half_is_nobody_elses"),
    ),
    fault(
        "half-told-client-kept",
        "SHM-7",
        "a client that was told half stays the guest",
        broker("half_way::what_a_client_got_that_was_told_half_is_nobody_elses"),
    ),
    fault(
        "left-client-kept-open",
        "SHM-7",
        "the socket of a client that left stays open",
        broker("half_way::a_client_that_leaves_at_any_step_takes_its_memory_and_doorbells_along"),
    ),
    fault(
        "guest-outlives-its-client",
        "SHM-7",
        "memory and doorbells of a client that left are given to the next one",
        broker("half_way::a_client_that_leaves_at_any_step_takes_its_memory_and_doorbells_along"),
    ),
    fault(
        "worker-outlives-its-guest",
        "SHM-7",
        "the worker of a guest that left goes on beside the next one's",
        broker("half_way::a_client_that_leaves_at_any_step_takes_its_memory_and_doorbells_along"),
    ),
    fault(
        "memory-outlives-its-guest",
        "SHM-7",
        "the next guest gets the memory of the one before it",
        broker("half_way::a_client_that_leaves_at_any_step_takes_its_memory_and_doorbells_along"),
    ),
    fault(
        "doorbells-outlive-their-guest",
        "SHM-7",
        "the next guest gets the messages of the one before it",
        broker("half_way::a_doorbell_of_one_that_left_rings_for_nobody"),
    ),
    fault(
        "second-client-closed-mute",
        "SHM-7",
        "a second client is closed without a word, on which QEMU 7.2 waits for ever",
        broker("guests::there_is_one_guest_and_the_next_gets_fresh_memory"),
    ),
    fault(
        "waiting-client-closed-mute",
        "SHM-7",
        "who waits when the broker ends is closed without a word",
        broker("socket::who_waits_when_the_broker_ends_is_told_so"),
    ),
    fault(
        "end-untold",
        "SHM-7",
        "the worker does not say that its guest has ended, and is taken for dead",
        broker("guests::the_end_of_its_guest_ends_a_broker_for_one"),
    ),
    fault(
        "socket-mode-left-to-the-umask",
        "SHM-7",
        "the socket's file has the mode that the umask leaves",
        broker("socket::nobody_else_can_reach_it_at_any_time"),
    ),
    fault(
        "file-makes-way-for-a-socket",
        "SHM-7",
        "a file in the socket's place is removed",
        broker("socket::what_is_no_dead_socket_stays"),
    ),
    fault(
        "file-of-others-removed",
        "SHM-7",
        "a file that has taken the socket's place is removed at the end",
        broker("socket::a_dead_socket_makes_way_and_a_file_in_its_place_stays_at_the_end"),
    ),
];
