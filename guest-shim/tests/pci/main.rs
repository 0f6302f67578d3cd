// SPDX-License-Identifier: MIT OR Apache-2.0
//! The PCI helper over a configuration space that behaves as hardware does, and over one that does not.
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]

mod bars;
mod bridges;
mod ecam;
mod hostile;
mod messages;
mod model;
