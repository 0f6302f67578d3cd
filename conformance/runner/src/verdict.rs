// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known about a case after it ran on a host.

use crate::clauses;
use serde::{Deserialize, Serialize};
use std::fmt;
use tenon_conformance::Case;

/// The five verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The subject kept the clauses.
    Pass,
    /// Legal but doubtful.
    Warn,
    /// A capability that the case needs was not offered.
    Skip,
    /// The subject broke a clause, hung, or ended when it should not.
    Fail,
    /// The test could not do its part: nobody's verdict, and not a good sign.
    Error,
}

impl Verdict {
    /// The verdict of a report's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Pass, Self::Warn, Self::Skip, Self::Fail, Self::Error]
            .into_iter()
            .find(|verdict| verdict.word() == word)
    }

    /// The word for it in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Skip => "skip",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }

    /// Whether a run with it is not a success.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Fail | Self::Error)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What time has to do with a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// Nothing.
    #[default]
    Kept,
    /// The case, or the boot for it, timed out.
    Out,
    /// There was no run: the row was stopped before it, for want of time.
    NotRun,
}

/// A case's result on one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The case.
    pub name: String,
    /// What it cites.
    #[serde(deserialize_with = "clauses::of_spec")]
    pub clauses: Vec<&'static str>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where it is not a pass.
    pub detail: String,
    /// How long it took.
    pub micros: u64,
    /// Its first run, if that timed out and it was run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<First>,
    /// Why it is expected to fail on this host, where a file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// Whether it is to be run again for want of time.
    #[serde(skip)]
    pub time: Time,
}

/// A run that timed out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct First {
    /// What did not come in time.
    pub detail: String,
    /// How long it was waited for.
    pub micros: u64,
    /// How many times slower than a quiet one the machine was when the case was run again.
    pub slowness: f64,
}

impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { detail, slowness, .. } = self;
        write!(
            f,
            "at first: {detail}; run again alone, on a machine {slowness:.1} times as slow as a quiet one"
        )
    }
}

impl CaseResult {
    /// A result of `case`.
    #[must_use]
    pub fn new(case: &Case, verdict: Verdict, detail: impl Into<String>, micros: u64) -> Self {
        Self {
            name: case.name.to_owned(),
            clauses: case.clauses.to_vec(),
            verdict,
            detail: detail.into(),
            micros,
            first: None,
            known: None,
            time: Time::Kept,
        }
    }

    /// Whether a run with it is not a success: it failed unexpectedly, or nobody could judge it.
    #[must_use]
    pub const fn is_bad(&self) -> bool {
        match self.verdict {
            Verdict::Fail => self.known.is_none(),
            verdict => verdict.is_bad(),
        }
    }

    /// An error of a case that is not known here.
    #[must_use]
    pub fn stray(name: &str, detail: &str) -> Self {
        Self {
            name: name.to_owned(),
            clauses: Vec::new(),
            verdict: Verdict::Error,
            detail: detail.to_owned(),
            micros: 0,
            first: None,
            known: None,
            time: Time::Kept,
        }
    }
}
