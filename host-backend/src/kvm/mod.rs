// SPDX-License-Identifier: MIT OR Apache-2.0
//! A ready machine on Linux's KVM for x86-64 and AArch64: what an embedder without an exit loop of their own
//! takes.
//!
//! It needs nothing but what every KVM has: an in-kernel interrupt controller, exits by port I/O or MMIO,
//! interrupts by irqfd, read-only memory. No register of a vCPU is read or written while it runs, but on Arm
//! for the conduit HVC. [`Machine`] owns the pieces; on x86-64 `cpuid` also serves embedders who keep
//! their own machine; what is free of KVM in booting a guest is [`tenon_boot`].
//!
//! # Threads, locks and callbacks
//!
//! | who | thread | locks held | may block | may call a [`Handle`] |
//! | --- | --- | --- | --- | --- |
//! | [`Exits`] | the vCPU's own | none | not for long: its vCPU does not leave meanwhile | yes |
//! | [`VmmConfig::console`], [`VmmConfig::life`] | one of their own | none | yes | yes |
//! | the serial port's sink | one of its own | none | yes: a guest that writes faster waits | yes |
//! | a `tracing` subscriber | any | perhaps the domain's | no | refused at once where the lock is held |
//!
//! - [`Handle`] and [`Control`] may be used from any thread, before, during and after the run.
//! - A panic in any of these ends the run as [`Outcome::Failed`], whatever the guest says meanwhile.
//! - A run comes back at most half a second after its limit, or after [`Handle::end`], whoever blocks. A
//!   console or a sink that blocks is left behind with its thread; a vCPU that is in a handler of the
//!   embedder's is left behind too, and the run answers [`Error::Stuck`].
//! - A vCPU is brought out of the guest by the signal SIGRTMIN. The machine unblocks it on its vCPUs'
//!   threads, and gives it a handler that does nothing unless the embedder has set one; it may be blocked or
//!   ignored everywhere else.
//! - Requests that build a machine are made again when a signal interrupts them.

mod arch;
mod attachment;
mod balloon;
mod config;
mod control;
mod counter;
mod device;
mod doorbells;
mod error;
mod exits;
mod expiry;
mod helpers;
mod interrupts;
mod job;
mod kick;
mod life;
mod machine;
pub mod memory;
mod msi;
mod noise;
mod place;
mod region;
mod room;
mod runner;
mod serial;
mod setup;
mod stolen;
pub mod time;
mod vcpu;
mod vmm;
mod worker;

pub use crate::cpus::CpuBusy;
pub use arch::{BIND_ADDRESS, Fresh, KICK_ADDRESS, WINDOW_ADDRESS};
#[cfg(target_arch = "x86_64")]
pub use arch::{CPUID_BASE, cpuid};
pub use attachment::{BIND_FUNCTION, BIND_PORT, Console, Handle, KICK_FUNCTION, KICK_PORT};
pub use balloon::discard;
pub use config::{Config, WindowConfig};
pub use control::{Control, Entry};
pub use counter::GuestCounter;
pub use error::{CpuError, Error};
pub use exits::{Exits, Flow, Hypercall, NoExits, Outcome};
pub use interrupts::{Interrupts, Line};
pub use life::{Held, Life};
pub use machine::Machine;
pub use msi::Msi;
pub use region::VmMemory;
pub use room::Room;
pub use runner::Runner;
pub use stolen::RunDelays;
/// What is planned before a guest starts: its types are in signatures here.
pub use tenon_boot;
pub use time::{Alarm, TimeSource};
pub use vmm::{Vmm, VmmConfig};
/// Their types are in signatures here.
pub use {kvm_bindings, kvm_ioctls, vm_memory, vmm_sys_util};
