// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data rings: a library's role on the one side, bytes by the spec's offsets on the other.

pub mod breach;
pub mod consumer;
pub mod producer;
mod side;
pub mod wake;
