// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest side of Tenon, for any kernel: no allocator, no std, usable before interrupts and a heap exist.
//!
//! A kernel implements [`Platform`], finds the window ([`discovery`]), and goes from state to state:
//! [`Found`] → [`Session`] → [`Vcpu`]. Nothing that the host does can make this crate panic, loop or touch
//! memory outside of what the kernel handed over ([GEN-8]).
//!
//! | module | what |
//! | --- | --- |
//! | [`platform`] | what a kernel provides: the one unsafe trait |
//! | [`conduit`] | doorbells: port I/O, MMIO, hypercalls, or whichever the record names |
//! | [`memory`] | pages and buffers that the host may see; memory that is given back or shared |
//! | [`discovery`] | is Tenon here? |
//! | [`shared`] | a host behind the memory of a device, such as ivshmem |
//! | [`pci`] | for kernels without PCI code: finds such a device, routes its messages |
//! | [`session`] | negotiate, bind, reset |
//! | [`vcpu`] | a bound vCPU; start, stop, upcall |
//! | [`stolen`] | time that the host took from a vCPU |
//! | [`call`] | calls and batches |
//! | [`calls`] | what the families below are made of |
//! | [`event`], `events` | ports, taking, masking |
//! | [`region`] | lengths of regions |
//! | [`page`] | pages that the host writes |
//! | [`console`] | output as `core::fmt::Write`, input by call |
//! | [`lifecycle`] | exit, restart, crash record |
//! | [`generation`] | the generation after a restore, suspension |
//! | [`entropy`] | random bytes of the host's |
//! | [`meter`] | what the host counts |
//! | [`device`] | devices: what there is, opening and closing |
//! | [`block`] | disks |
//! | [`net`] | network interfaces |
//! | [`time`] | clocks and timers |
//! | `error` | why something was not done |
//!
//! [GEN-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#generalities
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod block;
pub mod call;
pub mod calls;
pub mod conduit;
pub mod console;
pub mod device;
pub mod discovery;
pub mod entropy;
mod error;
pub mod event;
mod events;
pub mod generation;
pub mod lifecycle;
pub mod memory;
pub mod meter;
pub mod net;
pub mod page;
pub mod pci;
pub mod platform;
pub mod region;
pub mod session;
pub mod shared;
pub mod stolen;
pub mod time;
pub mod vcpu;

pub use block::Block;
pub use call::{Batch, Request};
pub use calls::Calls;
pub use conduit::Conduit;
pub use device::{Device, Devices};
pub use discovery::Found;
pub use error::Error;
pub use event::Gate;
pub use memory::{Buffer, Pages};
pub use net::{Receiver, Sender};
pub use page::HostPage;
pub use platform::Platform;
pub use session::{Session, Wish};
pub use vcpu::Vcpu;
