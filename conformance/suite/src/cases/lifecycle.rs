// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit, restart, crash records and the emergency lane that they are made for.

pub mod crash;
pub mod ends;
pub mod kept;
