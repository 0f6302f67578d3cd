// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bootable image that runs the conformance cases. Its verdicts go out by the serial port, never through Tenon.
#![no_std]
#![no_main]

mod bar;
mod bell;
mod env;

use tenon_conformance::{Selection, run};
use tenon_guest_rt::serial_write;

tenon_guest_rt::entry!(main);
tenon_guest_rt::panic_with_message!();

/// Exit code of an image that finds no host to judge.
const NO_HOST: u32 = 5;

fn main() -> u32 {
    let Some(env) = env::discover() else {
        serial_write(b"no Tenon host was found\n");
        return NO_HOST;
    };
    run(env, Selection::of(env), tenon_guest_rt::NAME);
    0
}
