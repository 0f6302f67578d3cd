// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report for people: a table, below it what needs attention, and one line with the sum.

use super::{Report, Row, one_line};
use crate::clauses;
use crate::verdict::Verdict;
use std::fmt::{self, Display, Formatter};

const COLUMNS: [(&str, Verdict); 5] = [
    ("passed", Verdict::Pass),
    ("failed", Verdict::Fail),
    ("warned", Verdict::Warn),
    ("skipped", Verdict::Skip),
    ("errored", Verdict::Error),
];

pub(super) struct Human<'a>(pub(super) &'a Report);

impl Display for Human<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let width = report.rows.iter().map(|row| row.host.len()).max().unwrap_or(0).max("host".len());
        write!(f, "{:width$}  {:8}", "host", "arch")?;
        for (title, _) in COLUMNS {
            write!(f, "  {title:>7}")?;
        }
        writeln!(f, "  clauses cited")?;
        let total = clauses::wire().len();
        for row in &report.rows {
            write!(f, "{:width$}  {:8}", row.host, row.arch.as_deref().unwrap_or("-"))?;
            match &row.reason {
                Some(reason) => writeln!(f, "  not run: {}", one_line(reason))?,
                None => {
                    for (_, verdict) in COLUMNS {
                        write!(f, "  {:>7}", row.count(verdict))?;
                    }
                    writeln!(f, "  {} of {total}", row.clauses_cited())?;
                }
            }
        }
        for row in &report.rows {
            attention(f, row)?;
        }
        writeln!(f, "\nseed {:x}", report.seed)?;
        // A warning is a pass with a remark, and an error of a test is no pass: the table above tells them
        // apart.
        writeln!(
            f,
            "{} passed, {} failed, {} skipped",
            report.count(Verdict::Pass) + report.count(Verdict::Warn),
            report.count(Verdict::Fail) + report.count(Verdict::Error),
            report.count(Verdict::Skip)
        )
    }
}

/// What did not pass, with its reason, the worst first.
fn attention(f: &mut Formatter<'_>, row: &Row) -> fmt::Result {
    if row.cases.iter().any(|case| case.verdict != Verdict::Pass) {
        writeln!(f, "\n{}", row.host)?;
    }
    for verdict in [Verdict::Fail, Verdict::Error, Verdict::Warn, Verdict::Skip] {
        let cases: Vec<_> = row.cases.iter().filter(|case| case.verdict == verdict).collect();
        // What nobody could judge for one reason is one line.
        for same in cases.chunk_by(|a, b| verdict == Verdict::Error && a.detail == b.detail) {
            let [first, more @ ..] = same else { continue };
            let (name, detail) = (&first.name, one_line(&first.detail));
            match more.last() {
                None => writeln!(f, "  {verdict:5} {name}: {detail} [{}]", first.clauses.join(" "))?,
                Some(last) => {
                    writeln!(f, "  {verdict:5} {} cases, {name} to {}: {detail}", same.len(), last.name)?;
                }
            }
        }
    }
    Ok(())
}
