// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a virtual machine boots: what a monitor does between an image's file and the first instruction of
//! its guest.
//!
//! This crate knows no hypervisor, maps no memory and opens no file. It checks an image against a machine's
//! memory, and answers with plain values: the bytes that belong into memory, and the registers that a vCPU
//! starts with. A monitor of any hypervisor writes them.
//!
//! | module | what |
//! | --- | --- |
//! | [`layout`] | a machine's memory as a list of pieces |
//! | [`plan`] | what is written before the guest starts |
//! | [`pvh`] | x86-64: the PVH boot protocol, and the state in which vCPUs start (VCPU-5) |
//! | [`cpuid`] | x86-64: the leaves of discovery (DISC-4), and those that differ between vCPUs |
//! | [`aarch64`] | AArch64: Linux's boot protocol, with a device tree (DISC-13) |
//! | `elf`, `error` | an ELF file's segments and entries, and why a guest cannot be booted |
//!
//! Every segment of an image is checked before a byte is written: that its bytes are in the file and are no
//! more than its memory, that all of its memory, bytes or not, is RAM, and that nothing else lies there.
//!
//! # Example
//!
//! A machine with 6 GiB, a window for Tenon, and memory that is a map here:
//!
//! ```
//! use std::collections::BTreeMap;
//! use tenon_boot::{Error, Kind, Layout, cpuid, pvh};
//!
//! # fn boot(image: &[u8]) -> Result<BTreeMap<u64, Vec<u8>>, Error> {
//! let layout = Layout::x86_64(6 << 30)?.with(Kind::Window, 0xd000_0000, 4 << 20)?;
//! let pieces: Vec<_> = layout.ram().map(|piece| (piece.address, piece.len)).collect();
//! assert_eq!(pieces, [(0, 3 << 30), (4 << 30, 3 << 30)]);
//!
//! // Checks the whole image. What is wrong with it has a name.
//! let plan = pvh::plan(image, "console=tenon", &layout)?;
//! let mut memory = BTreeMap::new();
//! for (address, bytes) in plan.writes() {
//!     memory.insert(address, bytes.to_vec());
//! }
//!
//! // The first vCPU starts so, and a vCPU that its guest starts (VCPU-5) with that entry and argument.
//! let start = pvh::Start::new(plan.entry(), plan.argument());
//! assert_eq!((start.rip, start.rbx), (plan.entry(), u64::from(pvh::START_INFO)));
//!
//! // The guest finds the window by these CPUID leaves.
//! let [base, _window] = cpuid::discovery(cpuid::BASE, &layout)?;
//! assert_eq!(base.function, 0x4000_0100);
//! # Ok(memory)
//! # }
//! # assert_eq!(boot(b"no image"), Err(Error::NotElf));
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

pub mod aarch64;
pub mod cpuid;
mod elf;
mod error;
pub mod layout;
pub mod plan;
pub mod pvh;

pub use error::Error;
pub use layout::{Kind, Layout, Piece};
pub use plan::Plan;
