// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit, restart and the crash record: [`crate::Op::EXIT`], [`crate::Op::RESTART`], [`crate::Op::CRASH`].

/// The longest text of a crash record in bytes (LIFE-4).
pub const CRASH_TEXT_MAX: u32 = 1024;
