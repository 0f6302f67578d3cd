// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report of a run, for people and for programs.

mod human;
mod json;
mod tap;

use crate::verdict::{CaseResult, Verdict};
use std::collections::BTreeSet;

/// What came of one host.
#[derive(Clone, Debug)]
pub struct Row {
    /// The host's name.
    pub host: String,
    /// The guest's architecture, where it was heard of.
    pub arch: Option<String>,
    /// Why the host was not played, if it was not.
    pub reason: Option<String>,
    /// A result for each case.
    pub cases: Vec<CaseResult>,
}

impl Row {
    /// How many cases had this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.cases.iter().filter(|case| case.verdict == verdict).count()
    }

    /// Clauses of class W that the host was held to: those of cases that ran to a verdict about it.
    #[must_use]
    pub fn clauses_cited(&self) -> usize {
        let ran = self.cases.iter().filter(|case| !matches!(case.verdict, Verdict::Skip | Verdict::Error));
        let cited: BTreeSet<_> = ran.flat_map(|case| case.clauses.iter().copied()).collect();
        cited.intersection(&crate::clauses::wire()).count()
    }
}

/// The report of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run's seed.
    pub seed: u64,
    /// A row for each host.
    pub rows: Vec<Row>,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table and what needs attention.
    #[default]
    Human,
    /// TAP 13.
    Tap,
    /// One JSON object.
    Json,
}

impl Report {
    /// The report's text. `verbose`: the one for people names each case that was skipped.
    #[must_use]
    pub fn text(&self, format: Format, verbose: bool) -> String {
        match format {
            Format::Human => human::Human { report: self, verbose }.to_string(),
            Format::Tap => tap::Tap(self).to_string(),
            Format::Json => json::text(self),
        }
    }

    /// Whether no case failed, and none had an error.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.rows.iter().flat_map(|row| &row.cases).any(|case| case.verdict.is_bad())
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().map(|row| row.count(verdict)).sum()
    }
}

/// Text on one line.
fn one_line(text: &str) -> String {
    text.split(char::is_control).collect::<Vec<_>>().join(" ")
}

/// Why a case has its verdict, on one line: also its first run, where it had two.
fn why(case: &CaseResult) -> String {
    match (&case.first, case.detail.is_empty()) {
        (None, _) => one_line(&case.detail),
        (Some(first), true) => one_line(&format!("{first}")),
        (Some(first), false) => one_line(&format!("{}; {first}", case.detail)),
    }
}

#[cfg(test)]
mod tests;
