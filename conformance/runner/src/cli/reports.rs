// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a report is held against, and reports that are joined.

use crate::out::print;
use crate::report::{Format, Known, Profile, Report, merge};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// What a report is held against.
#[derive(Debug, Default, Args)]
pub(super) struct Against {
    /// Say what is different from this report, which was written with `--format json`.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Failures that are known, with reasons, fail no run: a TOML file with `[[known]]` tables of `case`,
    /// `reason`, and `host` where it is not every host's.
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// Claim that each row keeps these profiles as a whole; a claim that does not hold fails the run.
    #[arg(long, value_name = "PROFILE,…", value_delimiter = ',', value_parser = Profile::by_name)]
    claim: Vec<Profile>,
}

/// [`Against`], with the files read.
#[derive(Debug)]
pub(super) struct Read {
    baseline: Option<Report>,
    known: Option<(PathBuf, Known)>,
    claim: Vec<Profile>,
}

impl Against {
    /// Reads the files: what is wrong with them is said before anything runs.
    pub(super) fn read(self) -> Result<Read, String> {
        let Self { baseline, known, claim } = self;
        let baseline = baseline.as_deref().map(report).transpose()?;
        let known = known.map(|path| {
            let known = Known::parse(&text(&path)?);
            known.map(|known| (path.clone(), known)).map_err(|why| format!("{}: {why}", path.display()))
        });
        Ok(Read { baseline, known: known.transpose()?, claim })
    }
}

impl Read {
    /// Writes into the report what follows.
    pub(super) fn apply(&self, report: &mut Report) -> Result<(), String> {
        if let Some((path, known)) = &self.known {
            known.apply(report).map_err(|why| format!("{}: {why}", path.display()))?;
        }
        if let Some(baseline) = &self.baseline {
            report.compare(baseline);
        }
        report.claim(&self.claim);
        Ok(())
    }
}

/// What is done with reports.
#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Join the reports of one run that was spread over machines by `--partition` or by `--host`: files that
    /// were written with `--format json` and the same `--seed`.
    Merge(Merge),
}

#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The reports.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the joined report is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Name in the report for people each case that was skipped, with the reason.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    against: Against,
}

/// Does it; whether all is good.
pub(super) fn run(task: Task) -> Result<bool, String> {
    let Task::Merge(Merge { files, format, verbose, against }) = task;
    let against = against.read()?;
    let reports = files.iter().map(|path| report(path)).collect::<Result<Vec<_>, _>>()?;
    let mut report = merge(reports)?;
    against.apply(&mut report)?;
    print(&report.text(format, verbose))?;
    Ok(report.is_good())
}

fn report(path: &Path) -> Result<Report, String> {
    Report::from_json(&text(path)?).map_err(|why| format!("{}: {why}", path.display()))
}

fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|why| format!("{} cannot be read: {why}", path.display()))
}
