// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in the KVM machine and its attachment, and in the states of vCPU threads.

use super::{fault, test};
use crate::{Fault, Seen};

const fn unit(name: &'static str) -> Seen {
    test("tenon-host", "tenon_host", name)
}

const fn kvm(target: &'static str, name: &'static str) -> Seen {
    test("tenon-host", target, name)
}

const fn case(case: &'static str) -> Seen {
    Seen::Case { host: "kvm", case }
}

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "stop-while-starting-lost",
        "VCPU-6",
        "a stop that comes while the vCPU is starting is dropped",
        unit("cpus::tests::a_stop_of_a_starting_vcpu_counts"),
    ),
    fault(
        "stop-before-end",
        "VCPU-6",
        "a stop that is pending is told before the end of the run",
        unit("cpus::tests::every_order_of_steps_is_answered_as_the_model_says"),
    ),
    fault(
        "late-threads-in-turn",
        "VCPU-6",
        "the end of a run waits for one late vCPU after the other",
        unit("cpus::tests::late_threads_are_waited_for_together"),
    ),
    fault(
        "stop-seen-at-the-next-kick",
        "VCPU-6",
        "a vCPU that is kicked does not see why",
        kvm("kvm_stops", "every_stop_is_reported_whenever_it_comes"),
    ),
    fault(
        "stop-not-reported",
        "VCPU-6",
        "nobody is told that a vCPU has stopped",
        kvm("kvm_stops", "every_stop_is_reported_whenever_it_comes"),
    ),
    fault(
        "kick-lost-in-a-restart",
        "VCPU-6",
        "a kick that comes while a vCPU is started again is forgotten",
        unit("kvm::runner::tests::a_kick_while_a_vcpu_is_started_again_is_kept"),
    ),
    fault(
        "period-too-long",
        "TIME-6",
        "the counter's period is a thousandth too long",
        unit("kvm::time::source::tests::a_period_and_its_error_are_those_of_two_moments"),
    ),
    fault(
        "guest-counter-ahead",
        "TIME-5",
        "the guest's counter is taken to be ahead of what it is",
        unit("kvm::vmm::tests::time::the_page_tells_the_hosts_clock_by_the_guests_counter"),
    ),
    fault(
        "expiry-forgotten",
        "TIME-13",
        "whoever is woken for a deadline looks at no timer",
        unit("kvm::vmm::tests::time::a_timer_raises_its_port_by_itself_and_never_early"),
    ),
    fault(
        "memory-without-a-hole",
        "REG-1",
        "memory behind the hole under 4 GiB is taken to follow what lies before it",
        unit("kvm::vmm::tests::payload_lies_on_both_sides_of_the_hole_under_4_gib"),
    ),
    fault(
        "restart-keeps-apic",
        "VCPU-5",
        "a restarted vCPU has the local APIC that it had",
        kvm("kvm_restart", "a_restarted_vcpu_finds_what_a_fresh_one_finds"),
    ),
    fault(
        "restart-keeps-model-registers",
        "VCPU-5",
        "a restarted vCPU has the model-specific registers that it had",
        kvm("kvm_restart", "a_restarted_vcpu_finds_what_a_fresh_one_finds"),
    ),
    fault(
        "restart-keeps-float",
        "VCPU-5",
        "a restarted vCPU has the FPU that it had",
        unit("kvm::arch::x86_64::registers::tests::a_restarted_vcpu_is_a_fresh_one"),
    ),
    fault(
        "restart-keeps-debug",
        "VCPU-5",
        "a restarted vCPU has the debug registers that it had",
        unit("kvm::arch::x86_64::registers::tests::a_restarted_vcpu_is_a_fresh_one"),
    ),
    fault(
        "restart-keeps-xcr0",
        "VCPU-5",
        "a restarted vCPU has the XCR0 that it had",
        unit("kvm::arch::x86_64::registers::tests::a_restarted_vcpu_is_a_fresh_one"),
    ),
    fault(
        "raise-without-actions",
        "EVT-9",
        "a handle raises a port and does not send the upcall",
        unit("kvm::vmm::tests::a_handle_that_raises_sends_the_upcall"),
    ),
    fault(
        "input-without-actions",
        "CON-4",
        "a handle gives input and does not send the upcall",
        unit("kvm::vmm::tests::a_handle_that_gives_input_completes_the_read"),
    ),
    fault(
        "budget-rest-forgotten",
        "CALL-19",
        "what the budget of one kick leaves over waits for another kick",
        unit("kvm::vmm::tests::what_a_budget_leaves_over_is_served_without_another_kick"),
    ),
    fault(
        "upcall-route-kept",
        "VCPU-8",
        "an upcall that is switched off is still routed",
        unit("kvm::vmm::tests::an_upcall_goes_where_it_was_set_last"),
    ),
    fault(
        "direct-route-kept",
        "VCPU-6",
        "a direct port that moves with a stop keeps its route",
        unit("kvm::vmm::tests::a_direct_port_moves_with_its_interrupt_when_its_vcpu_stops"),
    ),
    fault(
        "released-route-kept",
        "EVT-22",
        "a direct port that is released is still routed",
        unit("kvm::vmm::tests::a_direct_port_that_is_moved_or_released_loses_its_interrupt"),
    ),
    fault(
        "reset-keeps-routes",
        "SES-6",
        "a reset leaves interrupts routed",
        unit("kvm::vmm::tests::a_reset_leaves_no_route"),
    ),
    fault(
        "every-crash-logged",
        "LIFE-4",
        "each crash record is a line in the log",
        unit("kvm::vmm::tests::crashes_are_counted_more_than_they_are_logged"),
    ),
    fault(
        "helper-panic-swallowed",
        "GEN-7",
        "a panic of a thread beside the vCPUs does not end the run",
        kvm("kvm_embedder", "a_panic_in_a_callback_is_the_end_of_the_run"),
    ),
    fault(
        "full-sink-holds-vcpu",
        "GEN-7",
        "a vCPU waits for a full sink for ever",
        kvm("kvm_embedder", "a_callback_that_blocks_does_not_hold_the_limit"),
    ),
    fault(
        "kick-stays-ignored",
        "VCPU-6",
        "a process that ignores the kick's signal stops no vCPU",
        kvm("kvm_signals", "a_process_may_do_with_its_signals_what_it_likes"),
    ),
    fault(
        "kick-stays-blocked",
        "VCPU-6",
        "a process that blocks the kick's signal stops no vCPU",
        kvm("kvm_signals", "a_process_may_do_with_its_signals_what_it_likes"),
    ),
    fault(
        "interrupted-set-up-fails",
        "GEN-7",
        "a machine is not made when a signal comes meanwhile",
        unit("kvm::setup::tests::an_interrupted_request_is_made_again_but_not_for_ever"),
    ),
    fault(
        "kvm-bell-silent",
        "DEV-9",
        "the bell of a device's queue raises nothing that is not direct",
        case("device.port-completion"),
    ),
    fault(
        "kvm-direct-bell-silent",
        "DEV-7",
        "the bell of a queue raises no direct port",
        case("device.port-direct-moved"),
    ),
    fault(
        "kvm-bell-is-its-first",
        "DEV-7",
        "a queue's bell does not follow its port from a line of its own to a ring",
        case("device.port-direct-moved"),
    ),
    fault(
        "kvm-end-lost",
        "DEV-11",
        "the end of a device's queue does not come home",
        case("device.close-twice"),
    ),
    fault(
        "kvm-doorbell-kept",
        "DEV-11",
        "the doorbell of a closed queue signals the eventfd that it had",
        case("device.request-corrupt-is-cured"),
    ),
    fault(
        "close-not-passed-on",
        "DEV-11",
        "a back end is not told that a queue is to be closed",
        case("device.queue-close-leaves-others"),
    ),
    fault(
        "recall-not-passed-on",
        "DEV-12",
        "a back end does not give its ends back for the domain to be saved",
        case("device.restored-in-flight"),
    ),
];
