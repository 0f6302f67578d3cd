// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls.

pub mod arguments;
pub mod batch;
pub mod corrupt;
pub mod emergency;
pub(crate) mod held;
pub mod inline;
pub mod interrupted;
pub mod kicks;
pub mod late;
pub mod ops;
pub mod queue;
pub mod random;
pub mod shim;
pub mod shim_distrust;
pub mod turn;
pub mod upcall;
