// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report for programs: one JSON object. It can be read back.

use super::{Claimed, Report, Row, change::Change};
use crate::clauses::{self, Side};
use crate::verdict::{CaseResult, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The suite that made a report: reports of one run have one.
const SUITE: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
pub(super) struct Document<'a> {
    tenon: &'static str,
    seed: String,
    results: Vec<Host<'a>>,
    /// Whom each clause of the wire binds: whose fault a failed case may be.
    binds: BTreeMap<&'static str, &'static str>,
    /// What is different from the baseline, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a [Change]>,
    /// What was claimed.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    claims: &'a [Claimed],
}

#[derive(Serialize)]
struct Host<'a> {
    host: &'a str,
    arch: Option<&'a str>,
    reason: Option<&'a str>,
    passed: usize,
    failed: usize,
    warned: usize,
    skipped: usize,
    errored: usize,
    clauses_cited: usize,
    clauses_total: usize,
    cases: &'a [CaseResult],
}

impl<'a> Host<'a> {
    fn of(row: &'a Row, clauses_total: usize) -> Self {
        Self {
            host: &row.host,
            arch: row.arch.as_deref(),
            reason: row.reason.as_deref(),
            passed: row.count(Verdict::Pass),
            failed: row.count(Verdict::Fail),
            warned: row.count(Verdict::Warn),
            skipped: row.count(Verdict::Skip),
            errored: row.count(Verdict::Error),
            clauses_cited: row.clauses_cited(),
            clauses_total,
            cases: &row.cases,
        }
    }
}

/// The word for whom a clause binds.
pub(super) const fn word(side: Side) -> &'static str {
    match side {
        Side::Host => "host",
        Side::Guest => "guest",
        Side::Both => "both",
    }
}

impl<'a> Document<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let total = clauses::wire().len();
        let wire = clauses::marks().filter(|mark| mark.evidence.contains('W'));
        Self {
            tenon: SUITE,
            seed: format!("{:x}", report.seed),
            results: report.rows.iter().map(|row| Host::of(row, total)).collect(),
            binds: wire.map(|mark| (mark.id, word(mark.binds))).collect(),
            changes: report.changes.as_deref(),
            claims: &report.claims,
        }
    }
}

pub(super) fn text(report: &Report) -> String {
    // Strings and numbers only: there is nothing that could not be written.
    serde_json::to_string(&Document::of(report)).unwrap_or_default() + "\n"
}

/// What a report says of its run, without what follows from it.
#[derive(Deserialize)]
struct Saved {
    tenon: String,
    seed: String,
    results: Vec<Row>,
}

/// A report that was written as JSON, by this suite or an earlier one.
pub(super) fn read(text: &str) -> Result<Report, String> {
    let saved: Saved = serde_json::from_str(text).map_err(|why| format!("it is no report: {why}"))?;
    let seed = u64::from_str_radix(&saved.seed, 16).map_err(|_| "it is no report: its seed".to_owned())?;
    Ok(Report { suite: saved.tenon, seed, rows: saved.results, ..Report::default() })
}
