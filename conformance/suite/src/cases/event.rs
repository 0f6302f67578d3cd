// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events: ports and rings by hand, then the shim's side of them.

pub mod arm;
pub mod bind;
pub mod corrupt;
pub mod direct;
pub mod mask;
pub mod moves;
pub mod raise;
pub mod shim;
