// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers on a real machine: prints rows (`tenon_benches::row`).

use std::process::ExitCode;

fn main() -> ExitCode {
    rows::print()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::row::Skip;

    pub(crate) fn print() -> ExitCode {
        let skip = Skip { name: "timers".into(), reason: "the machine needs Linux on x86-64".into() };
        println!("{skip}");
        ExitCode::SUCCESS
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::call::Trouble;
    use tenon_benches::row::{Row, Skip};
    use tenon_benches::timer::timers;

    const ROUNDS: u64 = 401;
    const NAME: &str = "set a timer and take its event";

    /// A timer, and how late events are.
    pub(crate) fn print() -> ExitCode {
        let found = match timers(NAME, ROUNDS) {
            Ok(found) => found,
            Err(Trouble::Absent(reason)) => {
                println!("{}", Skip { name: NAME.into(), reason });
                return ExitCode::SUCCESS;
            }
            Err(Trouble::Broken(why)) => {
                eprintln!("{NAME}: {why}");
                return ExitCode::from(1);
            }
        };
        println!("{}", row(NAME.into(), [found.medians.ours, found.medians.theirs], Some(1.15)));
        for (thousandths, name) in [(500, "half"), (900, "90 %"), (990, "99 %"), (1000, "all")] {
            if let Some(late) = found.late(thousandths) {
                println!("{}", row(format!("an event is late, {name} at most"), late, None));
            }
        }
        ExitCode::SUCCESS
    }

    fn row(name: String, [ours, theirs]: [f64; 2], most: Option<f64>) -> Row {
        Row { name, ours, unit: "us", reference: "bare timerfd", reference_value: theirs, most }
    }
}
