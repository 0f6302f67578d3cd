// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls, doorbells and events on a real machine: prints a row for each (`tenon_benches::row`).

use std::process::ExitCode;

fn main() -> ExitCode {
    rows::print()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::row::Skip;

    pub(crate) fn print() -> ExitCode {
        let skip = Skip { name: "machine".into(), reason: "the machine needs Linux on x86-64".into() };
        println!("{skip}");
        ExitCode::SUCCESS
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod rows {
    use std::process::ExitCode;
    use tenon_benches::call::{Trouble, call, doorbell, exits};
    use tenon_benches::event::round_trips;
    use tenon_benches::row::{Row, Skip};

    const EXITS: u64 = 1000;
    const ROUNDS: u64 = 401;
    /// Where a guest's kernel level is emulated a call takes that much longer.
    const SLOW_ROUNDS: u64 = 101;

    /// CALL-24, and what it costs.
    pub(crate) fn print() -> ExitCode {
        let mut broken = false;
        let mut show = |name: &str, rows: Result<Vec<Row>, Trouble>| match rows {
            Ok(rows) => rows.iter().for_each(|row| println!("{row}")),
            Err(Trouble::Absent(reason)) => println!("{}", Skip { name: name.into(), reason }),
            Err(Trouble::Broken(why)) => {
                eprintln!("{name}: {why}");
                broken = true;
            }
        };
        show(
            "exits",
            exits(EXITS).map(|(calls, batches)| {
                let row = |name: &str, ours| Row {
                    name: name.into(),
                    ours,
                    unit: "exits",
                    reference: "exactly",
                    reference_value: 1.0,
                    most: Some(1.0),
                };
                vec![row("exits of a call", calls), row("exits of a batch of 32", batches)]
            }),
        );
        for (name, level, rounds, most) in [
            ("call, guest in user mode", "mode=native", ROUNDS, Some(1.1)),
            ("call, guest in kernel mode", "", SLOW_ROUNDS, None),
        ] {
            show(
                name,
                call(name, level, rounds)
                    .map(|medians| vec![micros(name, medians.ours, "bare out", medians.theirs, most)]),
            );
        }
        let name = "ioeventfd doorbell";
        show(
            name,
            doorbell(name, ROUNDS)
                .map(|medians| vec![micros(name, medians.ours, "bare ioeventfd", medians.theirs, Some(1.1))]),
        );
        for (idle, waits) in [("halt", "halted"), ("spin", "spinning")] {
            let name = format!("event, guest {waits}");
            show(
                &name,
                round_trips(&name, idle, 701).map(|trips| {
                    let row = |way: &str, ours, most| {
                        micros(&format!("{way}, guest {waits}"), ours, "bare irqfd", trips.bare, Some(most))
                    };
                    vec![row("direct port", trips.direct, 1.15), row("event ring", trips.ring, 1.3)]
                }),
            );
        }
        if broken { ExitCode::from(1) } else { ExitCode::SUCCESS }
    }

    fn micros(name: &str, ours: f64, reference: &'static str, theirs: f64, most: Option<f64>) -> Row {
        Row { name: name.into(), ours, unit: "us", reference, reference_value: theirs, most }
    }
}
