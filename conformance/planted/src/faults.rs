// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table, one file for each crate that has faults.

mod devices;
mod guest;
mod guest_devices;
mod host;
mod host_devices;
mod ivshmem;
mod kvm;
mod memory;
mod rings;
mod time;

use crate::{Fault, Seen};

/// Every fault.
pub fn all() -> impl Iterator<Item = &'static Fault> + Clone {
    let of_one_side =
        [rings::FAULTS, guest::FAULTS, guest_devices::FAULTS, host::FAULTS, host_devices::FAULTS];
    let of_both = [memory::FAULTS, time::FAULTS, kvm::FAULTS, ivshmem::FAULTS, devices::FAULTS];
    of_one_side.into_iter().chain(of_both).flatten()
}

const fn fault(name: &'static str, clause: &'static str, what: &'static str, seen: Seen) -> Fault {
    Fault { name, what, clause, seen, also: None }
}

/// Seen by a test.
const fn test(package: &'static str, target: &'static str, test: &'static str) -> Seen {
    Seen::Test { package, target, test }
}
