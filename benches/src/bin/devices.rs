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
    use tenon_benches::call::Trouble;
    use tenon_benches::io::disk::{Plan, reads};
    use tenon_benches::row::Skip;

    pub(crate) fn print() -> ExitCode {
        for polled in [true, false] {
            for depth in [1, 32] {
                let how = if polled { "both polling" } else { "both asleep when idle" };
                let name = format!("4 KiB random reads, RAM disk of 1 MiB, depth {depth}, {how}");
                let plan = Plan { depth, polled, bytes: 1 << 20, rounds: [25, 2000] };
                match reads(&name, plan) {
                    Ok(found) => println!("{name}: {found:?}"),
                    Err(Trouble::Absent(reason)) => println!("{}", Skip { name, reason }),
                    Err(Trouble::Broken(why)) => {
                        eprintln!("{name}: {why}");
                        return ExitCode::from(1);
                    }
                }
            }
        }
        ExitCode::SUCCESS
    }
}
