// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known about a case after it ran on a host.

use serde::Serialize;
use std::fmt;
use tenon_conformance::Case;

/// The five verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

/// A case's result on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// The case.
    pub name: String,
    /// What it cites.
    pub clauses: Vec<&'static str>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where it is not a pass.
    pub detail: String,
    /// How long it took.
    pub micros: u64,
}

impl CaseResult {
    /// A result of `case`.
    #[must_use]
    pub fn new(case: &Case, verdict: Verdict, detail: impl Into<String>, micros: u64) -> Self {
        let detail = detail.into();
        Self { name: case.name.to_owned(), clauses: case.clauses.to_vec(), verdict, detail, micros }
    }
}
