// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs between processors: a module for each, with the same items. Its numbers have a file of their
//! own, `map`, which needs nothing of the machine: errors, interrupts and the serial port use them too.
//!
//! | item | what |
//! | --- | --- |
//! | `CONDUIT`, `CONDUITS`, `KICK_ADDRESS`, `BIND_ADDRESS` | the usual kind of doorbell, and all; where those in memory are |
//! | `layout`, `RAM_MAX`, `WINDOW`, `WINDOW_ADDRESS` | where memory lies, and how much; where a window may lie, and does |
//! | `INTERRUPTS`, `FIRST_INPUT`, `SILENT_INPUTS`, `route` | interrupts that a guest may choose, and how one input of KVM's leads there |
//! | `discovered` | a machine whose guest finds its window |
//! | `MAX_START` | largest entry and argument of a vCPU's start |
//! | `IMAGE`, `plan` | what is booted, and what is written for it |
//! | `NEEDS`, `Board` | what KVM has to offer; what a machine has beside memory, and its vCPUs |
//! | `Fresh` | the state that a vCPU starts in |
//! | `SERIAL`, `SERIAL_STATUS`, `EXIT` | the serial port, and the port that ends the machine |
//! | `trap_hypercalls`, `hypercall` | hypercalls out of the guest |
//! | `host_counter`, `guest_counter` | the counter that the guest reads, as this system and as KVM know it |
//! | `program_counter` | for messages |

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as chosen;
#[cfg(target_arch = "x86_64")]
use x86_64 as chosen;

pub use chosen::Fresh;
pub use chosen::map::{BIND_ADDRESS, KICK_ADDRESS, WINDOW_ADDRESS};
pub(crate) use chosen::map::{
    CONDUIT, CONDUITS, EXIT, FIRST_INPUT, IMAGE, INTERRUPTS, MAX_START, NEEDS, RAM_MAX, SERIAL,
    SERIAL_STATUS, SILENT_INPUTS, WINDOW, layout, room_at, route,
};
pub(crate) use chosen::{
    Board, discovered, guest_counter, host_counter, hypercall, plan, program_counter, trap_hypercalls,
};
#[cfg(target_arch = "x86_64")]
pub use x86_64::{cpuid, map::CPUID_BASE};
