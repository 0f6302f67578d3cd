// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report as one page. The page draws itself from the report for programs, which it holds.

use super::Report;
use super::json::{Document, word};
use crate::clauses;
use serde::Serialize;

/// The page, with one place for what it shows.
const PAGE: &str = include_str!("page.html");
const PLACE: &str = "/* the report */";

#[derive(Serialize)]
struct Shown<'a> {
    report: Document<'a>,
    clauses: Vec<Clause>,
}

#[derive(Serialize)]
struct Clause {
    id: &'static str,
    binds: &'static str,
    evidence: &'static str,
    text: &'static str,
}

pub(super) fn text(report: &Report) -> String {
    let marks = clauses::marks().zip(clauses::texts());
    let clause = |(mark, (id, text)): (clauses::Mark, (&'static str, &'static str))| Clause {
        id,
        binds: word(mark.binds),
        evidence: mark.evidence,
        text,
    };
    let shown = Shown { report: Document::of(report), clauses: marks.map(clause).collect() };
    // Nothing in a report can end the page's script: a guest wrote a part of it.
    let json = serde_json::to_string(&shown).unwrap_or_default().replace('<', "\\u003c");
    PAGE.replacen(PLACE, &json, 1)
}
