// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tenon-vmm`: boots a guest on KVM, with disks and network interfaces.
//!
//! The exit code is the guest's (255 for a larger one), or 1 for a guest that did not end by itself, or 2 for
//! a wrong option or something that this system lacks.

mod network;
mod options;
mod run;
mod tell;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run::run(&options::Options::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("tenon-vmm: {why}");
            ExitCode::from(2)
        }
    }
}
