// SPDX-License-Identifier: MIT OR Apache-2.0
//! Negotiation, sessions, control requests, reset.

pub mod bind;
pub mod control;
pub(crate) mod desk;
pub(crate) mod fake;
pub mod granule;
pub mod negotiate;
pub mod reset;
pub mod shim;
pub mod smp;
