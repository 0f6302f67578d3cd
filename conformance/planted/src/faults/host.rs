// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in `tenon-host`.

use super::{fault, test};
use crate::{Fault, Seen};

pub(super) const fn core(name: &'static str) -> Seen {
    test("tenon-host", "core", name)
}

/// Seen by a case on the loopback host.
pub(super) const fn case(case: &'static str) -> Seen {
    Seen::Case { host: "loopback", case }
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
    fault(
        "save-loses-stop",
        "VCPU-6",
        "a saved state does not say which vCPUs are to stop",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-asker",
        "VCPU-6",
        "a saved state does not say who asked for a stop",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-vector",
        "VCPU-8",
        "a saved state has no upcall vectors",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-crash",
        "LIFE-4",
        "a saved state has no crash record",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-end",
        "LIFE-2",
        "a saved state does not say that the guest has ended",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-queue-breach",
        "CALL-15",
        "a saved state does not say which queues are corrupt",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-ring-breach",
        "EVT-20",
        "a saved state does not say which event rings are corrupt",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-departed",
        "EVT-4",
        "a saved state does not count the untaken entries of ports that have gone",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "restore-loses-end",
        "LIFE-2",
        "a restored domain serves a guest that has ended",
        core("lost::a_restored_domain_saves_the_same"),
    ),
    fault(
        "restore-loses-asker",
        "VCPU-6",
        "a restored domain has forgotten who asked for a stop",
        core("lost::a_restored_domain_saves_the_same"),
    ),
    fault(
        "restore-owes-nothing",
        "EVT-13",
        "a restore sends no upcall",
        core("saved::every_bound_vcpu_gets_an_upcall_after_a_restore"),
    ),
    fault(
        "start-needs-areas",
        "VCPU-5",
        "a vCPU that is not bound is not started",
        case("vcpu.start-unbound"),
    ),
    fault(
        "stop-needs-areas",
        "VCPU-6",
        "a vCPU that is not bound is not stopped",
        case("vcpu.start-unbound"),
    ),
    fault(
        "frame-overlap-unchecked",
        "VCPU-10",
        "a guest-written area may lie on the request that binds it, and on another one",
        case("session.areas-apart"),
    ),
    fault(
        "host-overlap-unchecked",
        "VCPU-10",
        "a donated area may lie on other areas",
        case("session.areas-of-two-vcpus-apart"),
    ),
    fault("stolen-falls", "VCPU-11", "stolen time falls now and then", case("vcpu.stolen-counts")),
    fault("stolen-early", "VCPU-12", "stolen time is counted twice", case("vcpu.stolen-counts")),
    fault("stolen-of-vcpu-0", "VCPU-11", "each vCPU is told what vCPU 0 lost", case("vcpu.stolen-each")),
    fault(
        "stolen-at-bind-alone",
        "VCPU-12",
        "stolen time is told by BIND and never again",
        case("vcpu.stolen-counts"),
    ),
    fault("stolen-unasked", "VCPU-11", "stolen time is told to who did not ask", case("vcpu.stolen-unasked")),
    fault(
        "save-loses-stolen",
        "VCPU-11",
        "a saved state has no stolen time, and it begins again at zero",
        core("stolen::a_restored_count_goes_on_whatever_its_new_source_says"),
    ),
    fault("entropy-of-zeros", "ENT-1", "random bytes are zeros", case("entropy.bytes")),
    fault("entropy-again", "ENT-1", "random bytes are the same at each call", case("entropy.bytes")),
    fault(
        "entropy-says-none",
        "ENT-2",
        "ENTROPY says that it wrote nothing, and did",
        case("entropy.inside-the-range"),
    ),
    fault(
        "entropy-one-byte-more",
        "ENT-3",
        "ENTROPY writes the byte behind its range too",
        case("entropy.inside-the-range"),
    ),
    fault("meter-falls", "MET-4", "a count is less after it was read", case("meter.outlives-reset")),
    fault(
        "meter-epoch-kept",
        "MET-4",
        "a host that lost its counts goes on in the epoch of its predecessor",
        core("meter::a_host_that_lost_its_counts_begins_another_epoch"),
    ),
    fault(
        "generation-kept",
        "LIFE-5",
        "a restored domain has the id of the one that was saved",
        core("generation::a_domain_that_is_restored_twice_gives_two_guests_with_different_ids"),
    ),
    fault(
        "clone-repaired",
        "LIFE-8",
        "the generation of a restored domain is repaired from the start",
        core("generation::a_domain_that_is_restored_twice_gives_two_guests_with_different_ids"),
    ),
    fault(
        "repaired-with-any-id",
        "LIFE-7",
        "REPAIRED with another id is accepted",
        core("generation::a_repair_that_was_not_fetched_does_not_open_the_gate_of_the_clone"),
    ),
    fault(
        "repaired-forgotten",
        "LIFE-7",
        "REPAIRED answers OK and changes nothing",
        core("generation::a_domain_that_moves_keeps_its_generation"),
    ),
    fault(
        "repaired-untold",
        "LIFE-7",
        "the embedder is not told that a generation is repaired",
        core("generation::a_domain_that_is_restored_twice_gives_two_guests_with_different_ids"),
    ),
    fault(
        "put-back-lets-counts-fall",
        "MET-4",
        "a domain goes back to a state that is older than what its guest has read",
        core("generation::a_state_that_would_let_a_count_fall_is_refused_and_nothing_changes"),
    ),
    fault(
        "watch-of-an-unbound-port",
        "LIFE-9",
        "a port that is not bound may watch for suspension",
        case("generation.watch-misuse"),
    ),
    fault(
        "watch-outlives-port",
        "LIFE-9",
        "a port that was released is told that the guest is to be suspended",
        core("generation::the_guest_is_asked_and_answers_once"),
    ),
    fault(
        "suspend-untold",
        "LIFE-9",
        "the guest is not told that it is to be suspended",
        core("generation::the_guest_is_asked_and_answers_once"),
    ),
    fault(
        "ready-unasked",
        "LIFE-10",
        "SUSPEND_READY is accepted although nobody asks",
        case("generation.ready-unasked"),
    ),
    fault("reset-clears-counts", "MET-4", "a reset clears the counts", case("meter.outlives-reset")),
    fault("meter-epoch-of-each-call", "MET-4", "each METER_READ begins an epoch", case("meter.pieces")),
    fault("meter-first-unheard", "MET-1", "METER_READ begins with the lowest row", case("meter.first")),
    fault(
        "meter-one-row-more",
        "MET-3",
        "METER_READ writes a row behind its range",
        case("meter.room-for-whole-rows"),
    ),
    fault(
        "meter-says-a-row-less",
        "MET-1",
        "METER_READ says that it wrote a row less than it did",
        case("meter.inside-the-range"),
    ),
    fault("meter-counts-events-twice", "MET-5", "an event is counted twice", case("meter.counts-events")),
    fault(
        "meter-miscounts-output",
        "MET-5",
        "each write to the console counts for a byte more",
        case("meter.counts-console-output"),
    ),
    fault(
        "meter-counts-input-as-asked",
        "MET-5",
        "a read of the console counts for the bytes that it had room for",
        case("meter.counts-console-input"),
    ),
];
