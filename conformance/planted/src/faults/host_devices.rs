// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in `tenon-host`: devices.

use super::{fault, test};
use crate::{Fault, Seen};

const fn core(name: &'static str) -> Seen {
    test("tenon-host", "core", name)
}

const fn unit(name: &'static str) -> Seen {
    test("tenon-host", "tenon_host", name)
}

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "any-end-taken",
        "DEV-11",
        "an end of another domain is taken",
        core("device::a_wrong_end_is_refused"),
    ),
    fault("arena-is-given", "MEM-6", "memory of an open arena is given", core("device::an_arena_is_in_use"))
        .and("device.open-arena-given"),
    fault(
        "change-uncounted",
        "DEV-3",
        "a change of a device is not counted",
        core("device::a_device_comes_changes_and_goes"),
    ),
    fault(
        "change-untold",
        "DEV-7",
        "the port of a device is not raised when it changes",
        core("device::ports_are_told_of_changes_as_long_as_they_are_bound"),
    )
    .and("net.link-is-told"),
    fault(
        "close-answered-early",
        "DEV-11",
        "QUEUE_CLOSE is answered before the end is home",
        core("device::a_queue_closes_when_its_end_is_home"),
    )
    .and("device.queue-close-in-flight"),
    fault(
        "close-forgets-requests",
        "DEV-11",
        "what was in flight in a closed queue is not completed",
        core("device::a_queue_closes_when_its_end_is_home"),
    ),
    fault(
        "closed-doorbell-kept",
        "DEV-11",
        "the attachment is not told that a queue has closed",
        core("device::a_queue_closes_when_its_end_is_home"),
    ),
    fault(
        "closed-queue-runs",
        "DEV-11",
        "the state word of a closed queue says that it runs",
        core("device::a_queue_closes_when_its_end_is_home"),
    )
    .and("device.request-corrupt-is-cured"),
    fault(
        "device-features-unchecked",
        "DEV-6",
        "a feature that a device does not offer is taken",
        core("device::what_an_open_may_not_name_is_refused"),
    )
    .and("device.open-disk-features"),
    fault(
        "device-kick-merged-away",
        "DEV-8",
        "a kick of a device's queue is taken for one of a vCPU's",
        unit("loopback::tests::device::a_back_end_hears_kicks_of_an_asynchronous_host"),
    ),
    fault(
        "device-told-after-unbind",
        "DEV-3",
        "a port that was unbound is raised for devices when it is bound again",
        core("device::ports_are_told_of_changes_as_long_as_they_are_bound"),
    )
    .and("device.watch-ends"),
    fault(
        "device-untold",
        "DEV-3",
        "who watches devices is not told",
        core("device::a_device_comes_changes_and_goes"),
    )
    .and("device.removed"),
    fault(
        "end-before-ends",
        "DEV-12",
        "EXIT takes effect before every end is home",
        core("device::an_exit_waits_for_every_end"),
    ),
    fault(
        "filter-not-passed-on",
        "NET-9",
        "a back end is not told which frames are wanted",
        unit("loopback::tests::device::a_back_end_is_told_which_frames_are_wanted"),
    ),
    fault(
        "first-reset-answered",
        "DEV-12",
        "a later RESET does not take the waiting one over",
        core("device::a_reset_waits_for_every_end"),
    )
    .and("device.reset-takes-over"),
    fault(
        "incarnation-again",
        "DEV-5",
        "a device has the incarnation of the one that had its number before",
        core("device::a_device_comes_changes_and_goes"),
    )
    .and("device.incarnations"),
    fault(
        "incarnation-unchecked",
        "DEV-6",
        "DEVICE_OPEN of another incarnation opens the device",
        core("device::what_an_open_may_not_name_is_refused"),
    )
    .and("device.open-other-incarnation"),
    fault(
        "kick-not-passed-on",
        "DEV-8",
        "a kick does not reach the back end",
        unit("loopback::tests::device::a_back_end_hears_kicks_of_a_synchronous_host"),
    ),
    fault(
        "loopback-bell-silent",
        "DEV-9",
        "the bell of a queue raises nothing",
        unit("loopback::tests::device::a_back_end_hears_kicks_of_a_synchronous_host"),
    )
    .and("device.port-armed-ahead"),
    fault(
        "moved-port-not-rung",
        "DEV-7",
        "a port that was bound again is not raised for the queues that name it",
        core("device::an_end_serves_and_its_bell_rings"),
    )
    .and("device.port-moved"),
    fault(
        "part-outside-arena",
        "DEV-8",
        "a part of a queue lies outside of the arena",
        core("device::what_an_open_may_not_name_is_refused"),
    )
    .and("device.part-before-the-arena"),
    fault(
        "part-overlap-unchecked",
        "DEV-8",
        "parts of queues lie over each other",
        core("device::what_an_open_may_not_name_is_refused"),
    )
    .and("device.parts-overlap"),
    fault(
        "port-of-device-unchecked",
        "DEV-7",
        "a port that is not bound is taken",
        core("device::what_an_open_may_not_name_is_refused"),
    )
    .and("device.open-port"),
    fault(
        "removal-not-passed-on",
        "DEV-13",
        "a back end is not told that its device was taken away",
        unit("loopback::tests::device::a_back_end_is_told_of_its_removal"),
    ),
    fault(
        "removed-untold",
        "DEV-13",
        "DEVICE_QUERY does not say that a device was taken away",
        core("device::a_device_comes_changes_and_goes"),
    )
    .and("device.removed"),
    fault(
        "reset-before-ends",
        "DEV-12",
        "RESET takes effect before every end is home",
        core("device::a_reset_waits_for_every_end"),
    )
    .and("net.reset-with-frames"),
    fault(
        "save-loses-device",
        "DEV-12",
        "a saved state lacks that a device is open",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-device-queue",
        "DEV-12",
        "a saved state lacks the queues of devices",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-device-watch",
        "DEV-12",
        "a saved state lacks who watches devices",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-removal",
        "DEV-12",
        "a saved state lacks that a device was taken away",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "unrepaired-frames-carried",
        "NET-11",
        "rings of a restored domain are served before its generation is repaired",
        core("device::unrepaired::a_ring_waits_until_the_generation_is_repaired_and_a_disk_goes_on"),
    )
    .and("net.unrepaired"),
    fault(
        "unrepaired-ring-opened",
        "NET-11",
        "a ring is opened before the generation is repaired",
        core("device::unrepaired::a_ring_waits_until_the_generation_is_repaired_and_a_disk_goes_on"),
    )
    .and("net.unrepaired"),
];
