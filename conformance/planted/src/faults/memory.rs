// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults in memory that is given and shared: of the core, of the KVM machine, and of the shim.

use super::{fault, test};
use crate::{Fault, Seen};

/// Seen by a case on this host.
const fn case(host: &'static str, case: &'static str) -> Seen {
    Seen::Case { host, case }
}

const fn core(name: &'static str) -> Seen {
    test("tenon-host", "core", name)
}

const fn hostile(name: &'static str) -> Seen {
    test("tenon-guest", "hostile", name)
}

/// The faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "memory-says-half",
        "MEM-6",
        "MEMORY_INFO says half of what is given",
        case("loopback", "memory.give-and-take"),
    ),
    fault(
        "memory-not-told",
        "MEM-5",
        "a target that changes is told to nobody",
        case("loopback", "memory.target-is-told"),
    ),
    fault(
        "memory-told-after-unbind",
        "MEM-5",
        "a port that was released and bound again still watches",
        case("loopback", "memory.watch-ends-with-unbind"),
    ),
    fault(
        "take-of-anything",
        "MEM-7",
        "TAKE of what was not given zeroes what the guest has",
        case("loopback", "memory.take-not-given"),
    ),
    fault(
        "take-counts-nothing",
        "MEM-7",
        "what was taken again still counts as given",
        case("loopback", "memory.give-and-take"),
    ),
    fault("given-twice", "MEM-6", "memory is given a second time", case("loopback", "memory.give-twice")),
    fault(
        "area-is-given",
        "MEM-6",
        "the area of a vCPU is given, and its queue with it",
        case("loopback", "memory.area-is-not-given"),
    ),
    fault(
        "payload-in-given",
        "MEM-9",
        "given memory holds payload",
        case("loopback", "memory.payload-in-given"),
    ),
    fault(
        "gives-nothing-back",
        "MEM-6",
        "what the guest gives stays with the process",
        test("tenon-host", "kvm_balloon", "resident_memory_follows_what_is_given"),
    ),
    fault(
        "takes-what-was-there",
        "MEM-7",
        "given memory is not zero when it is taken again",
        case("kvm", "memory.touch-given"),
    ),
    fault(
        "reset-keeps-giving",
        "MEM-9",
        "what the last session gave is discarded under the next one",
        core("memory::nothing_is_discarded_once_the_next_session_is_shown"),
    ),
    fault(
        "payload-unshared",
        "MEM-11",
        "the host reads and writes payload that is not shared",
        case("loopback-closed", "closed.unshared-payload"),
    ),
    fault(
        "rights-unchecked",
        "MEM-11",
        "the host writes where it may only read",
        case("loopback-closed", "closed.rights"),
    ),
    fault(
        "shared-twice",
        "MEM-12",
        "a range is shared a second time",
        case("loopback-closed", "closed.share-twice"),
    ),
    fault(
        "unshare-forgotten",
        "MEM-13",
        "the host still uses a range whose share has ended",
        case("loopback-closed", "closed.rights"),
    ),
    fault(
        "unshare-leaves-read",
        "MEM-13",
        "a read waits where nothing is shared any more, and the host writes its input there",
        case("loopback-closed", "closed.unshare-under-a-read"),
    ),
    fault(
        "save-loses-given",
        "MEM-6",
        "a saved state does not say what is given",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "save-loses-shared",
        "MEM-12",
        "a saved state does not say what is shared",
        core("lost::a_restored_domain_does_what_the_saved_one_would_have_done"),
    ),
    fault(
        "pages-used-while-given",
        "MEM-15",
        "pages whose GIVE is in flight come back to the kernel",
        hostile("memory::pages_on_their_way_stay_with_their_request"),
    ),
    fault(
        "rest-counts-as-done",
        "MEM-6",
        "the rest that a host did not do counts as given, or as taken",
        hostile("memory::the_rest_of_a_call_is_for_another_one"),
    ),
    fault(
        "info-believed",
        "GEN-8",
        "what a host says of memory is believed, whatever it is",
        hostile("memory::what_a_host_says_of_memory_is_held_against_itself"),
    ),
    fault(
        "share-ends-in-flight",
        "MEM-15",
        "a share is ended by another buffer than the one that is in flight",
        hostile("memory::a_share_is_ended_by_its_own_buffer_alone"),
    ),
];
