// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report for programs: one JSON object.

use super::{Report, Row};
use crate::clauses::{self, Side};
use crate::verdict::{CaseResult, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Document<'a> {
    tenon: &'static str,
    seed: String,
    results: Vec<Host<'a>>,
    /// Whom each clause of the wire binds: whose fault a failed case may be.
    binds: BTreeMap<&'static str, &'static str>,
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

const fn word(side: Side) -> &'static str {
    match side {
        Side::Host => "host",
        Side::Guest => "guest",
        Side::Both => "both",
    }
}

pub(super) fn text(report: &Report) -> String {
    let total = clauses::wire().len();
    let wire = clauses::marks().filter(|mark| mark.evidence.contains('W'));
    let document = Document {
        tenon: env!("CARGO_PKG_VERSION"),
        seed: format!("{:x}", report.seed),
        results: report.rows.iter().map(|row| Host::of(row, total)).collect(),
        binds: wire.map(|mark| (mark.id, word(mark.binds))).collect(),
    };
    // Strings and numbers only: there is nothing that could not be written.
    serde_json::to_string(&document).unwrap_or_default() + "\n"
}
