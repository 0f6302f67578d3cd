// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report as TAP 13, the newest that `prove` 3.44 takes: a test point for each case on each host, and one
//! for each host that is absent.

use super::{Report, one_line, why};
use crate::verdict::{CaseResult, Verdict};
use std::fmt::{self, Display, Formatter};

pub(super) struct Tap<'a>(pub(super) &'a Report);

impl Display for Tap<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let points: usize =
            report.rows.iter().map(|row| row.cases.len() + usize::from(row.reason.is_some())).sum();
        writeln!(f, "TAP version 13\n1..{points}\n# seed {:x}", report.seed)?;
        let mut number = 0;
        for row in &report.rows {
            if let Some(reason) = &row.reason {
                number += 1;
                writeln!(f, "ok {number} - {} # SKIP {}", row.host, escape(reason))?;
            }
            for case in &row.cases {
                number += 1;
                point(f, number, &row.host, case)?;
            }
        }
        Ok(())
    }
}

fn point(f: &mut Formatter<'_>, number: usize, host: &str, case: &CaseResult) -> fmt::Result {
    let not = if case.verdict.is_bad() { "not " } else { "" };
    write!(f, "{not}ok {number} - {host} {}", escape(&case.name))?;
    if case.verdict == Verdict::Skip {
        return writeln!(f, " # SKIP {}", escape(&why(case)));
    }
    match &case.known {
        // A failure that is expected fails no run.
        Some(reason) => writeln!(f, " # TODO {}", escape(reason))?,
        None => writeln!(f)?,
    }
    if case.verdict != Verdict::Pass || case.first.is_some() {
        // A YAML string in single quotes needs no escape but a doubled quote.
        let detail = why(case).replace('\'', "''");
        writeln!(f, "  ---\n  verdict: {}\n  detail: '{detail}'", case.verdict)?;
        writeln!(f, "  clauses: [{}]\n  ...", case.clauses.join(", "))?;
    }
    Ok(())
}

/// `#` begins a directive.
fn escape(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}
