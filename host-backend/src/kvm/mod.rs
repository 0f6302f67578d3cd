// SPDX-License-Identifier: MIT OR Apache-2.0
//! A ready machine on Linux's KVM for x86-64 and AArch64: what an embedder without an exit loop of their own
//! takes.
//!
//! It needs nothing but what every KVM has: an in-kernel interrupt controller, exits by port I/O or MMIO,
//! interrupts by irqfd, read-only memory. No register of a vCPU is read or written while it runs, but on Arm
//! for the conduit HVC. [`Machine`] owns the pieces; on x86-64 `cpuid` also serves embedders who keep
//! their own machine; what is free of KVM in booting a guest is [`tenon_boot`].

mod arch;
mod attachment;
mod control;
mod error;
mod exits;
mod helpers;
mod interrupts;
mod kick;
mod machine;
pub mod memory;
mod noise;
mod region;
mod runner;
mod serial;
mod setup;
mod vcpu;
mod vmm;
mod worker;

pub use crate::cpus::CpuBusy;
pub use arch::{BIND_ADDRESS, Fresh, KICK_ADDRESS, WINDOW_ADDRESS};
#[cfg(target_arch = "x86_64")]
pub use arch::{CPUID_BASE, cpuid};
pub use attachment::{BIND_FUNCTION, BIND_PORT, Console, Handle, KICK_FUNCTION, KICK_PORT};
pub use control::{Control, Entry};
pub use error::{CpuError, Error};
pub use exits::{Exits, Flow, Hypercall, NoExits, Outcome};
pub use interrupts::{Interrupts, Line, Msi};
pub use machine::{Config, Machine, WindowConfig};
pub use region::VmMemory;
pub use runner::Runner;
/// What is planned before a guest starts: its types are in signatures here.
pub use tenon_boot;
pub use vmm::{Vmm, VmmConfig};
