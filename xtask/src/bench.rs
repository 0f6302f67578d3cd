// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench`: what Tenon costs, held against the most that is allowed.
//!
//! A row that is over its limit is marked; only `--check` makes it a failure, because times on a shared
//! machine are no verdict.

mod chart;
mod instructions;
mod rings;
mod row;

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use crate::failure::{Context, Failure};
use crate::{Outcome, project};
use chart::Panel;
use row::{Line, table};

/// The programs that are measured, and the profile of those who ship one: fat LTO.
const PACKAGE: &str = "tenon-benches";
const PROFILE: &str = "bench";

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Calls, doorbells and events (CALL-24).
    Call(Options),
    /// Queues, channels, streams and events beside other crates and beside the floors; a chart in the target
    /// folder.
    Rings(Options),
    /// Clocks and timers.
    Time(Options),
    /// Disks and network interfaces beside virtio's; a chart in the target folder.
    Io(Options),
    /// A call of a guest on QEMU beside a bare doorbell and poll behind the same device. Fails over its
    /// limit.
    Ivshmem,
}

#[derive(clap::Args)]
struct Options {
    /// One JSON object a line in place of the table.
    #[arg(long)]
    json: bool,
    /// Fail if a row is over its limit.
    #[arg(long)]
    check: bool,
}

/// Measures and shows.
pub(crate) fn run(args: &Args) -> Outcome {
    let (options, lines) = match &args.what {
        What::Call(options) => {
            let mut lines = instructions::count()?;
            lines.extend(program("machine")?);
            (options, lines)
        }
        What::Time(options) => {
            let mut lines = program("clocks")?;
            lines.extend(program("timers")?);
            (options, lines)
        }
        What::Io(options) => (options, program("devices")?),
        What::Rings(options) => return rings::run(options),
        What::Ivshmem => return ivshmem(),
    };
    if options.json {
        for line in &lines {
            println!("{}", line.json());
        }
    } else {
        print!("{}", table(&lines));
        if let What::Io(_) = args.what {
            let panels: Vec<Panel> = lines.iter().filter_map(Line::panel).collect();
            println!("chart: {}", chart::write("io", &panels)?.display());
        }
        println!("built with the profile `{PROFILE}`: release with fat LTO and one codegen unit");
    }
    let over: Vec<String> = lines.iter().filter_map(Line::verdict).collect();
    if options.check && !over.is_empty() {
        return Err(Failure::Verdict(over));
    }
    if options.json {
        over.iter().for_each(|line| eprintln!("{line}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "-".to_owned(),
        _ if value < 100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

/// The runner has the machine, and times it.
fn ivshmem() -> Outcome {
    let mut cargo = project::cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "tenon-conformance-runner"]);
    cargo.args(["--bin", "tenon-conformance", "--", "pace"]);
    let status = cargo.stdin(Stdio::null()).status().context("cannot start cargo")?;
    match status.code() {
        Some(0) => Ok(ExitCode::SUCCESS),
        Some(1) => Err(Failure::Verdict(vec!["a call is over its limit".to_owned()])),
        _ => Err(Failure::Environment("it could not be timed".to_owned())),
    }
}

/// What a program with a machine measures.
fn program(name: &str) -> Result<Vec<Line>, Failure> {
    let output = std::process::Command::new(build(name)?)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context(format!("cannot start the program `{name}`"))?;
    if !output.status.success() {
        return Err(Failure::Verdict(vec!["bench: a guest did not end well".to_owned()]));
    }
    String::from_utf8_lossy(&output.stdout).lines().map(Line::parse).collect()
}

/// Builds one program of the package and says where it is.
fn build(program: &str) -> Result<PathBuf, Failure> {
    let mut cargo = project::cargo();
    // The user's configuration comes before the manifest, and yields to this.
    cargo.args([
        "build",
        "--config",
        "profile.bench.lto=\"fat\"",
        "--config",
        "profile.bench.codegen-units=1",
    ]);
    cargo.args(["--profile", PROFILE, "--package", PACKAGE, "--bin", program]);
    project::build(&mut cargo)
}
