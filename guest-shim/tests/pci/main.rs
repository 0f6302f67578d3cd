// SPDX-License-Identifier: MIT OR Apache-2.0
//! The PCI helper over a configuration space that behaves as hardware does, and over one that does not.

mod bars;
mod bridges;
mod ecam;
mod hostile;
mod messages;
mod model;
