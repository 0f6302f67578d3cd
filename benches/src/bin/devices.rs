// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices on a real machine: prints rows (`tenon_benches::row`).

use std::process::ExitCode;

fn main() -> ExitCode {
    rows::print()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::row::Skip;

    pub(crate) fn print() -> ExitCode {
        let skip = Skip { name: "devices".into(), reason: "the machine needs Linux on x86-64".into() };
        println!("{skip}");
        ExitCode::SUCCESS
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::io::report::run;

    pub(crate) fn print() -> ExitCode {
        // The first thread sits nowhere, so that the others can see which processors there are.
        let only = std::env::args().nth(1).unwrap_or_default();
        match std::thread::spawn(move || run(&only)).join() {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(why)) => {
                eprintln!("{why}");
                ExitCode::from(1)
            }
            Err(_) => ExitCode::from(1),
        }
    }
}
