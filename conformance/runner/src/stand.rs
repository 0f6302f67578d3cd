// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests on the stand: the host core behind a layer that watches the guest, and that is unkind within the
//! text, or lies.
//!
//! | module | what |
//! | --- | --- |
//! | [`watch`] | what the shared pages say of a guest, clause by clause |
//! | [`memory`] | the layer: the host's memory, watched, late, out of order, or with a lie |
//! | [`plan`] | how a host behaves in one boot |
//! | [`machine`] | one boot on KVM |
//! | [`judge`] | all boots of one guest, and what came of them |
//! | [`report`] | the table |

pub mod judge;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod machine;
pub mod memory;
pub mod plan;
pub mod report;
pub mod watch;
