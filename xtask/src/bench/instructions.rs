// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions of a call, counted by callgrind on a guest and a host in one thread.
//!
//! Callgrind counts between the entry and the exit of the functions that `--toggle-collect` names, and again
//! not inside those that are named within them: a guest without its host, or a host alone. Two runs of
//! different length, subtracted, leave what each call costs.

use std::path::Path;
use std::process::{Command, Stdio};

use super::build;
use super::row::{Line, Row};
use crate::failure::{Context, Failure};
use crate::project;

const TOOL: &str = "valgrind";
/// The functions of `tenon_benches::process`.
const CALL: &str = "*guest_call*";
const BATCH: &str = "*guest_batch*";
const HOST: &str = "*host_kick*";
/// That of `tenon_benches::disk`.
const READS: &str = "*guest_reads*";
/// A multiple of each queue's depth, so that all laps are alike.
const SHORT: u64 = 256;
const CALLS_OF_A_BATCH: f64 = 32.0;

/// What is counted, in the order of [`count`], and the most that is allowed for each operation: a call, and a
/// further call of a batch, on either side.
const OPERATIONS: [(&str, [f64; 4]); 3] = [
    ("nop", [120.0, 250.0, 60.0, 40.0]),
    ("query", [120.0, 270.0, 60.0, 55.0]),
    ("signal", [120.0, 450.0, 60.0, 225.0]),
];
const COUNTS: [&str; 4] = [
    "call, guest",
    "call, host core",
    "further call of a batch of 32, guest",
    "further call of a batch of 32, host core",
];

/// What is counted of a disk's queue, and the most that is allowed: the shim's part of a request, from its
/// submission to its result.
const DISK: [(&str, f64); 2] =
    [("disk: read, guest", 400.0), ("disk: further read of 32 at once, guest", 350.0)];

/// The rows, or why they are not there.
pub(super) fn count() -> Result<Vec<Line>, Failure> {
    let name = |operation: &str, count: &str| format!("{operation}: {count}");
    if project::find_program(TOOL).is_none() {
        let reason = format!("{TOOL} is not installed");
        let names = OPERATIONS.iter().flat_map(|(operation, _)| COUNTS.map(|count| name(operation, count)));
        let names = names.chain(DISK.map(|(name, _)| name.to_owned()));
        return Ok(names.map(|name| Line::Skip { name, reason: reason.clone() }).collect());
    }
    let program = build("instructions")?;
    let mut lines = Vec::new();
    for (operation, most) in OPERATIONS {
        let each = |mode: &str, toggles: &[&str]| per_run(&program, [operation, mode], toggles);
        let further = |guest_or_host: &[&str]| -> Result<f64, Failure> {
            Ok((each("batch32", guest_or_host)? - each("batch1", guest_or_host)?) / (CALLS_OF_A_BATCH - 1.0))
        };
        let counts = [
            each("call", &[CALL, HOST])?,
            each("call", &[HOST])?,
            further(&[BATCH, HOST])?,
            further(&[HOST])?,
        ];
        lines.extend(
            COUNTS
                .iter()
                .zip(counts)
                .zip(most)
                .map(|((count, ours), most)| line(name(operation, count), ours, most)),
        );
    }
    let [one, all] = ["call", "batch32"].map(|mode| per_run(&program, ["disk", mode], &[READS, HOST]));
    let one = one?;
    let counts = [one, (all? - one) / (CALLS_OF_A_BATCH - 1.0)];
    lines.extend(DISK.iter().zip(counts).map(|((name, most), ours)| line((*name).to_owned(), ours, *most)));
    Ok(lines)
}

fn line(name: String, ours: f64, most: f64) -> Line {
    Line::Row(Row {
        name,
        ours,
        unit: "instructions".to_owned(),
        reference: "at most".to_owned(),
        reference_value: most,
        most: Some(1.0),
    })
}

/// Instructions of one run of what `mode`, an operation and a way to call it, repeats.
fn per_run(program: &Path, mode: [&str; 2], toggles: &[&str]) -> Result<f64, Failure> {
    let short = instructions(program, mode, SHORT, toggles)?;
    let long = instructions(program, mode, 2 * SHORT, toggles)?;
    Ok(long.saturating_sub(short) as f64 / SHORT as f64)
}

fn instructions(program: &Path, mode: [&str; 2], repeats: u64, toggles: &[&str]) -> Result<u64, Failure> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let file = folder.path().join("counts");
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(&file);
    let output = Command::new(TOOL)
        .arg("--tool=callgrind")
        .arg(out)
        .args(toggles.iter().map(|name| format!("--toggle-collect={name}")))
        .arg(program)
        .args(mode)
        .arg(repeats.to_string())
        .stdin(Stdio::null())
        .output()
        .context(TOOL)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().last().unwrap_or_default();
        return Err(Failure::Environment(format!("{TOOL} ended with {}: {last}", output.status)));
    }
    let text = std::fs::read_to_string(&file).context(file.display())?;
    total(&text)
        .filter(|total| *total > 0)
        .ok_or_else(|| Failure::Environment(format!("{TOOL} counted nothing in {}", toggles.join(", "))))
}

/// The number of instructions in callgrind's output.
fn total(text: &str) -> Option<u64> {
    let line =
        text.lines().find_map(|line| line.strip_prefix("summary:").or(line.strip_prefix("totals:")))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found() {
        assert_eq!(total("events: Ir\nsummary: 1234\n\nfn=(1) main\n"), Some(1234));
        assert_eq!(total("events: Ir\ntotals: 99\n"), Some(99));
        assert_eq!(total("fn=(1) main\n"), None);
    }
}
