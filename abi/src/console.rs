// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: [`crate::Op::CONSOLE_WRITE`] and [`crate::Op::CONSOLE_READ`] (CON-1).

/// The largest console payload of one call, whatever the record's `max_payload` says (CON-3), in bytes.
pub const MAX_BYTES: u32 = 65_536;
