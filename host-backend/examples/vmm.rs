// SPDX-License-Identifier: MIT OR Apache-2.0
//! A VMM from the ready machine: boots `hello`, or the PVH image named on the command line.

use std::process::ExitCode;
use tenon_guest_images::HELLO;
use tenon_host::kvm::{Error, Outcome, Vmm, VmmConfig};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let image = words.next().map_or_else(|| Ok(HELLO.bytes.to_vec()), std::fs::read);
    let result = image.map_err(|why| why.to_string()).and_then(|image| {
        let run = || -> Result<Outcome, Error> {
            Vmm::new(VmmConfig::default())?.run(&image, &words.collect::<Vec<_>>().join(" "))
        };
        run().map_err(|why| why.to_string())
    });
    match result {
        Ok(Outcome::Exit(0)) => ExitCode::SUCCESS,
        Ok(outcome) => {
            eprintln!("the guest ended badly: {outcome:?}");
            ExitCode::from(1)
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}
