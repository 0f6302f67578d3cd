// SPDX-License-Identifier: MIT OR Apache-2.0
//! Discovery: the record, the window, the doorbells.

pub mod doorbell;
pub mod record;
pub mod window;
