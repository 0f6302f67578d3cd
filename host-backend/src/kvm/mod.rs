// SPDX-License-Identifier: MIT OR Apache-2.0
//! A ready machine on Linux's KVM for x86-64: what an embedder without an exit loop of their own takes.
//!
//! It needs nothing but what every KVM has: an in-kernel interrupt controller, port I/O exits, MSI by irqfd, read-only
//! memory. No register of a vCPU is read or written while it runs. [`Machine`] owns the pieces; [`boot`] and [`cpuid`]
//! also serve embedders who keep their own machine.

mod attachment;
pub mod boot;
mod control;
pub mod cpuid;
mod error;
mod exits;
mod hypercall;
mod interrupts;
mod machine;
pub mod memory;
mod region;
mod registers;
mod serial;
mod vcpu;
mod vmm;
mod worker;

pub use attachment::{BIND_ADDRESS, BIND_FUNCTION, BIND_PORT, CPUID_BASE, Console, Handle};
pub use attachment::{KICK_ADDRESS, KICK_FUNCTION, KICK_PORT, WINDOW_ADDRESS};
pub use control::{Control, CpuBusy};
pub use error::{CpuError, Error};
pub use exits::{Exits, Flow, NoExits, Outcome};
pub use hypercall::Hypercall;
pub use interrupts::{Interrupts, Line, Msi};
pub use machine::{Config, Machine, WindowConfig};
pub use region::VmMemory;
pub use vmm::{Vmm, VmmConfig};
