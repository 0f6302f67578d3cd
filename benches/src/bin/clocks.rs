// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks on a real machine: prints rows (`tenon_benches::row`).

use std::process::ExitCode;

fn main() -> ExitCode {
    rows::print()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::row::Skip;

    pub(crate) fn print() -> ExitCode {
        let skip = Skip { name: "clocks".into(), reason: "the machine needs Linux on x86-64".into() };
        println!("{skip}");
        ExitCode::SUCCESS
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::call::Trouble;
    use tenon_benches::clock::reading;
    use tenon_benches::row::{Row, Skip};

    const ROUNDS: u64 = 801;

    /// A reading of one CPU's clock, and one that other CPUs' clocks do not go back behind.
    pub(crate) fn print() -> ExitCode {
        for (name, shared, most) in
            [("read a clock by its page", false, Some(1.3)), ("read one that all CPUs share", true, None)]
        {
            match reading(name, shared, ROUNDS) {
                Ok(found) => {
                    let [ours, reference_value] = found.nanos;
                    let [low, _, high] = found.quartiles;
                    println!(
                        "{}",
                        Row {
                            name: format!("{name} (quartiles {low:.3} to {high:.3})"),
                            ours,
                            unit: "ns",
                            reference: "counter and multiply",
                            reference_value,
                            most,
                        }
                    );
                }
                Err(Trouble::Absent(reason)) => println!("{}", Skip { name: name.into(), reason }),
                Err(Trouble::Broken(why)) => {
                    eprintln!("{name}: {why}");
                    return ExitCode::from(1);
                }
            }
        }
        ExitCode::SUCCESS
    }
}
