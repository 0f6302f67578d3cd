// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory functions that the compiler calls by name.
#![allow(unsafe_code, reason = "these symbols exist below the language")]

core::arch::global_asm!(include_str!("mem.s"));
