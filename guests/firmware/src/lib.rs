// SPDX-License-Identifier: MIT OR Apache-2.0
//! What firmware hands to a bootable image, read with distrust: whatever the bytes are, there is an answer
//! and no panic.
//!
//! | module | what |
//! | --- | --- |
//! | [`mod@line`] | the boot command line: words of the form `key=value` |
//! | [`tree`] | the device tree: where RAM, serial port, interrupt controller, PCI and Tenon's window are |
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

pub mod line;
pub mod tree;

pub use tree::{Gic, Pci, Platform, Range, Uart, UartKind};
