// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is different from an earlier report.

use super::{Report, Row};
use crate::verdict::Verdict;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

/// A case whose verdict is another one than before, a case that came or went, or a row that did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The row.
    pub host: String,
    /// The case; none where the whole row came or went.
    pub case: Option<String>,
    /// What it was before, if it was there.
    pub was: Option<Verdict>,
    /// What it is now, if it is there.
    pub is: Option<Verdict>,
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = |verdict: Option<Verdict>| verdict.map_or("not there", Verdict::word);
        match &self.case {
            Some(case) => write!(f, "{} {case}: {} -> {}", self.host, word(self.was), word(self.is)),
            None => write!(f, "{}: the row is in one of both reports only", self.host),
        }
    }
}

/// All changes, in the order of the new report. A case that this run did not ask for is none: a run may be a
/// part of the baseline's.
pub(super) fn between(before: &Report, now: &Report) -> Vec<Change> {
    let mut changes = Vec::new();
    for row in now.rows.iter().filter(|row| row.reason.is_none()) {
        match before.rows.iter().find(|old| old.host == row.host && old.reason.is_none()) {
            Some(old) => rows(old, row, &mut changes),
            None => changes.push(Change { host: row.host.clone(), case: None, was: None, is: None }),
        }
    }
    // A host that was judged before, and was asked for and not there now.
    let absent = now.rows.iter().filter(|row| row.reason.is_some());
    let lost =
        absent.filter(|row| before.rows.iter().any(|old| old.host == row.host && old.reason.is_none()));
    changes.extend(lost.map(|row| Change { host: row.host.clone(), case: None, was: None, is: None }));
    changes
}

fn rows(before: &Row, now: &Row, changes: &mut Vec<Change>) {
    let mut old: BTreeMap<_, _> =
        before.cases.iter().map(|case| (case.name.as_str(), case.verdict)).collect();
    let change =
        |case: &str, was, is| Change { host: now.host.clone(), case: Some(case.to_owned()), was, is };
    for case in &now.cases {
        let was = old.remove(case.name.as_str());
        if was != Some(case.verdict) {
            changes.push(change(&case.name, was, Some(case.verdict)));
        }
    }
    // The suite has these no more.
    let exists = |name: &str| tenon_conformance::all().any(|case| case.name == name);
    let gone = old.into_iter().filter(|(name, _)| !exists(name));
    changes.extend(gone.map(|(name, was)| change(name, Some(was), None)));
}
