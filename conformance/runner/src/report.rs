// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report of a run, for people and for programs.

mod change;
mod html;
mod human;
mod json;
mod junit;
mod known;
mod merge;
mod profile;
mod tap;

use crate::verdict::{CaseResult, First, Verdict};
pub use change::Change;
pub use known::Known;
pub use merge::merge;
pub use profile::{Claimed, PROFILES, Profile};
use serde::Deserialize;
use std::collections::BTreeSet;

/// What came of one host.
#[derive(Clone, Debug, Deserialize)]
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
    /// The version of the suite that made it.
    pub suite: String,
    /// The run's seed.
    pub seed: u64,
    /// A row for each host.
    pub rows: Vec<Row>,
    /// What is different from an earlier report, where there is one.
    pub changes: Option<Vec<Change>>,
    /// What was claimed of each row, and whether it holds.
    pub claims: Vec<Claimed>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            suite: env!("CARGO_PKG_VERSION").to_owned(),
            seed: 0,
            rows: Vec::new(),
            changes: None,
            claims: Vec::new(),
        }
    }
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
    /// JUnit's XML, as most CI services read it.
    Junit,
    /// One page that needs no network: the matrix, the clauses beside their cases, and what failed.
    Html,
}

impl Report {
    /// The report's text. `verbose`: the one for people names each case that was skipped.
    #[must_use]
    pub fn text(&self, format: Format, verbose: bool) -> String {
        match format {
            Format::Human => human::Human { report: self, verbose }.to_string(),
            Format::Tap => tap::Tap(self).to_string(),
            Format::Json => json::text(self),
            Format::Junit => junit::Junit(self).to_string(),
            Format::Html => html::text(self),
        }
    }

    /// A report that was written as JSON.
    ///
    /// # Errors
    ///
    /// Why it is none, in one line.
    pub fn from_json(text: &str) -> Result<Self, String> {
        json::read(text)
    }

    /// Compares it with an earlier report.
    pub fn compare(&mut self, before: &Self) {
        self.changes = Some(change::between(before, self));
    }

    /// Looks whether each row that ran keeps these profiles.
    pub fn claim(&mut self, profiles: &[Profile]) {
        let ran = self.rows.iter().filter(|row| row.reason.is_none());
        self.claims = ran.flat_map(|row| profiles.iter().map(|profile| profile.claim(row))).collect();
    }

    /// Whether no case failed but those that are known to, none had an error, and every claim holds.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.rows.iter().flat_map(|row| &row.cases).any(CaseResult::is_bad)
            && self.claims.iter().all(|claim| claim.why.is_none())
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().map(|row| row.count(verdict)).sum()
    }
}

/// Text on one line.
fn one_line(text: &str) -> String {
    text.split(char::is_control).collect::<Vec<_>>().join(" ")
}

/// Why a case has its verdict, on one line: also its first run, where it had two, and what is known of it.
fn why(case: &CaseResult) -> String {
    let first = case.first.as_ref().map(First::to_string);
    let known = case.known.as_ref().map(|reason| match case.verdict {
        Verdict::Fail => format!("known: {reason}"),
        _ => format!("listed as a known failure ({reason}), and it did not fail"),
    });
    let said = Some(case.detail.clone()).filter(|detail| !detail.is_empty());
    one_line(&[said, first, known].into_iter().flatten().collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests;
