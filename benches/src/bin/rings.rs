// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tenon's rings beside other crates and beside the floors: prints every figure and a row for each comparison
//! (`tenon_benches::rings::report`). With an argument: only groups whose names contain it.

use std::process::ExitCode;

fn main() -> ExitCode {
    rows::print()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::row::Skip;

    pub(crate) fn print() -> ExitCode {
        println!("{}", Skip { name: "rings".into(), reason: "needs Linux on x86-64".into() });
        ExitCode::SUCCESS
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::rings::report::run;

    pub(crate) fn print() -> ExitCode {
        // The first thread sits nowhere, so that the others can see which processors there are.
        let only = std::env::args().nth(1).unwrap_or_default();
        match std::thread::spawn(move || run(&only)).join() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(1),
        }
    }
}
