// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots guests, plays hosts, judges the reports.
//!
//! | module | what |
//! | --- | --- |
//! | [`guest`] | a process as a guest environment |
//! | [`child`] | the loopback machines |

pub mod child;
pub mod guest;
