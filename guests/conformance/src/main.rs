// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bootable image that runs the conformance cases.
#![no_std]
#![no_main]

use tenon_guest_rt::serial_write;

tenon_guest_rt::entry!(main);
tenon_guest_rt::panic_with_message!();

fn main() -> u32 {
    serial_write(b"conformance: no cases in this image\n");
    1
}
