// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bootable image that runs the conformance cases. Its verdicts go out by the serial port, never through Tenon.
#![no_std]
#![no_main]

mod bar;
mod bell;
mod env;
mod find;

use tenon_conformance::{Selection, absent, run};
use tenon_guest_rt::{NAME, Params, serial_write};

tenon_guest_rt::entry!(main);
tenon_guest_rt::panic_with_message!();

/// Exit code of an image that finds no host to judge.
const NO_HOST: u32 = 5;

fn main() -> u32 {
    match env::discover() {
        Ok(env) => {
            run(env, Selection::of(env), NAME);
            0
        }
        Err(why) => {
            absent(serial_write, NAME, Params::get("seed"), why);
            NO_HOST
        }
    }
}
