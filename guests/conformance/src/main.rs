// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bootable image that runs the conformance cases. Its verdicts go out by the serial port, never through
//! Tenon.
#![no_std]
#![no_main]

mod balloon;
mod bar;
mod bell;
mod clocks;
mod env;
mod find;
mod neighbour;
mod pace;
mod timers;
mod trial;

use tenon_conformance::{Selection, absent, run};
use tenon_guest_rt::{NAME, Params, serial_write};

tenon_guest_rt::entry!(main);
tenon_guest_rt::panic_with_message!();

/// Exit code of an image that finds no host to judge.
const NO_HOST: u32 = 5;

fn main() -> u32 {
    match env::discover() {
        Ok(env) => {
            if let Some(restarts) = Params::number("load") {
                tenon_conformance::load::run(env, restarts as u32);
                // The machine stays, so that whoever runs it can look at what is left.
                tenon_guest_rt::interrupts::halt_for_ever();
            }
            let trials = [neighbour::asked, pace::asked, clocks::asked, timers::asked, balloon::asked];
            if trials.iter().any(|asked| asked(env).is_some()) {
                return 0;
            }
            run(env, Selection::of(env), NAME);
            if Params::get("rest").is_some() {
                // The machine stays, and does nothing.
                tenon_guest_rt::interrupts::halt_for_ever();
            }
            0
        }
        Err(why) => {
            absent(serial_write, NAME, Params::get("seed"), why);
            NO_HOST
        }
    }
}
