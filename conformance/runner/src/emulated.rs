// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rows of emulated machines with hypervisors of their own: this runner again, as a static program inside, by
//! `cargo xtask vm`.

use crate::hosts::folder::Folder;
use crate::play::Wish;
use crate::report::Row;
use crate::slowness;
use serde::Deserialize as _;
use serde_json::Value;
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// A row, and the hosts that are played inside for it and the other rows of its machine.
struct Emulated {
    row: &'static str,
    machine: &'static str,
    host: &'static str,
}

/// Seconds that a machine has from power-on, where nothing else runs.
const LIMIT: f64 = 300.0;

const ROWS: &[Emulated] = &[
    Emulated { row: "kvm-amd", machine: "kvm-amd", host: "kvm" },
    Emulated { row: "kvm-amd-vmcall", machine: "kvm-amd", host: "kvm-vmcall" },
    Emulated { row: "kvm-amd-no-npt", machine: "kvm-amd-no-npt", host: "kvm" },
    Emulated { row: "kvm-arm64", machine: "kvm-arm64", host: "kvm" },
];

/// Names of these rows, in the order of the report.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.row)
}

/// The rows that are asked for, machine by machine; one that is absent has its reason. `foreign`: with
/// another image than the suite's, which these machines do not have.
#[must_use]
pub fn rows(wanted: &[String], wish: &Wish, foreign: bool) -> Vec<Row> {
    if foreign {
        return wanted
            .iter()
            .map(|name| absent(name, "its machine has the suite's own image".to_owned()))
            .collect();
    }
    let asked: Vec<_> = ROWS.iter().filter(|row| wanted.iter().any(|name| name == row.row)).collect();
    let machines: Vec<_> = asked.chunk_by(|a, b| a.machine == b.machine).collect();
    let players = thread::available_parallelism().map_or(1, NonZero::get).min(machines.len());
    let mut played: Vec<_> = machines.iter().map(|_| Vec::new()).collect();
    // Each has one processor. The last one's program is built first of all: it begins.
    let waiting = Mutex::new(machines.into_iter().zip(&mut played).rev());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..players {
            scope.spawn(|| {
                while let Some((rows, place)) = next() {
                    *place = play(rows, wish);
                }
            });
        }
    });
    played.into_iter().flatten().collect()
}

/// Boots one machine, and has it play the hosts of these rows.
fn play(rows: &[&Emulated], wish: &Wish) -> Vec<Row> {
    let report = rows.first().ok_or_else(String::new).and_then(|first| run(first.machine, rows, wish));
    let row = |row: &&Emulated| match &report {
        Ok(report) => read(row.row, report),
        Err(reason) => absent(row.row, reason.clone()),
    };
    rows.iter().map(row).collect()
}

fn absent(name: &str, reason: String) -> Row {
    Row { host: name.to_owned(), arch: None, reason: Some(reason), cases: Vec::new() }
}

fn run(machine: &str, rows: &[&Emulated], wish: &Wish) -> Result<Value, String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !project.join("Cargo.toml").is_file() {
        return Err("the project that builds the machine's program is not here any more".to_owned());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let keeper =
        std::env::current_exe().map_err(|error| format!("the executable does not know itself: {error}"))?;
    let folder = Folder::new("vm")?;
    let mut command = Command::new(keeper);
    command.arg("--keep").arg(folder.path()).arg("--").arg(cargo);
    command.args(["run", "--quiet", "--package", "xtask", "--", "vm", machine]);
    // A machine that is loaded or slow gives the one inside as much less.
    let limit = wish.limits.scale().max(1.0) * slowness::measure() * LIMIT;
    command.args(["--timeout", &format!("{limit:.0}"), "--"]);
    for row in rows {
        command.args(["--host", row.host]);
    }
    command.args(["--format", "json", "--seed", &format!("{:x}", wish.seed)]);
    command.args(["--timeout-scale", &wish.limits.scale().to_string()]);
    if let Some(filter) = &wish.filter {
        command.args(["--filter", filter]);
    }
    if let Some(part) = wish.part {
        command.args(["--partition", &part.to_string()]);
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.current_dir(project).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cargo cannot be run: {error}"))?;
    // As long as this is open, the machine is kept.
    let leash = child.stdin.take();
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    drop(leash);
    let said = String::from_utf8_lossy(&output.stdout);
    let report = said.lines().find_map(|line| serde_json::from_str(line.trim()).ok());
    report.ok_or_else(|| {
        let complaints = String::from_utf8_lossy(&output.stderr);
        let last = complaints.lines().rev().map(str::trim).find(|line| !line.is_empty());
        last.unwrap_or("the machine said nothing").to_owned()
    })
}

/// A row out of the report of the runner inside, which calls it by the machine's name too.
fn read(name: &str, report: &Value) -> Row {
    let rows = report["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(row) = rows.iter().find(|row| row["host"] == name) else {
        return absent(name, "the runner inside the machine has no such row".to_owned());
    };
    Row::deserialize(row)
        .unwrap_or_else(|why| absent(name, format!("the report of the runner inside cannot be read: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{CaseResult, First, Verdict};

    #[test]
    fn rows_come_out_of_a_report_as_they_went_in() {
        let case = tenon_conformance::all().next().expect("a case");
        let row = Row {
            host: "kvm-amd".to_owned(),
            arch: Some("x86_64".to_owned()),
            reason: None,
            cases: vec![
                CaseResult::new(case, Verdict::Pass, "", 3),
                CaseResult::new(case, Verdict::Fail, "why", 4),
                CaseResult {
                    first: Some(First { detail: "late".to_owned(), micros: 7, slowness: 2.5 }),
                    ..CaseResult::new(case, Verdict::Pass, "", 5)
                },
            ],
        };
        let text = crate::report::Report { seed: 1, rows: vec![row.clone()], ..Default::default() }
            .text(crate::report::Format::Json, false);
        let report = serde_json::from_str(&text).expect("JSON");
        let back = read("kvm-amd", &report);
        assert_eq!((back.host, back.arch, back.reason, back.cases), (row.host, row.arch, None, row.cases));
        assert!(read("kvm-arm64", &report).reason.is_some_and(|why| why.contains("no such row")));
    }

    #[test]
    fn rows_of_one_machine_stand_together() {
        let machines: Vec<_> =
            ROWS.chunk_by(|a, b| a.machine == b.machine).map(|rows| rows[0].machine).collect();
        let distinct: std::collections::BTreeSet<_> = machines.iter().collect();
        assert_eq!(distinct.len(), machines.len(), "{machines:?}");
        assert!(ROWS.iter().all(|row| row.row.starts_with(row.machine)));
    }
}
