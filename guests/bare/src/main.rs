// SPDX-License-Identifier: MIT OR Apache-2.0
//! `hello` without Tenon: the same line on the serial port. What `hello` has more is what Tenon costs.
#![no_std]
#![no_main]

use tenon_guest_rt::{is_native, serial_write};

tenon_guest_rt::entry!(main);
tenon_guest_rt::panic_terse!();

fn main() -> u32 {
    serial_write(if is_native() { b"hello from CPL3\n" } else { b"hello from CPL0\n" });
    0
}
