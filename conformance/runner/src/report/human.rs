// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report for people: a table, below it what needs attention, and one line with the sum. Skips are a
//! number, unless their reasons are asked for.

use super::{Claimed, Report, Row, one_line, why};
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

pub(super) struct Human<'a> {
    pub(super) report: &'a Report,
    pub(super) verbose: bool,
}

impl Display for Human<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { report, verbose } = self;
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
            attention(f, row, *verbose)?;
        }
        writeln!(f)?;
        compared(f, report)?;
        let skipped = report.count(Verdict::Skip);
        if skipped != 0 && !verbose {
            writeln!(f, "skipped: what a host does not offer; `-v` names each with its reason")?;
        }
        writeln!(f, "seed {:x}", report.seed)?;
        // A warning is a pass with a remark, and an error of a test is no pass: the table above tells them
        // apart.
        writeln!(
            f,
            "{} passed, {} failed, {} skipped",
            report.count(Verdict::Pass) + report.count(Verdict::Warn),
            report.count(Verdict::Fail) + report.count(Verdict::Error),
            skipped
        )
    }
}

/// What was claimed, and what is different from the baseline.
fn compared(f: &mut Formatter<'_>, report: &Report) -> fmt::Result {
    for Claimed { host, profile, passed, skipped, why } in &report.claims {
        match why {
            None => writeln!(f, "{host} keeps {profile}: {passed} cases passed, {skipped} left open")?,
            Some(why) => writeln!(f, "{host} does not keep {profile}: {}", one_line(why))?,
        }
    }
    match report.changes.as_deref() {
        None => return Ok(()),
        Some([]) => writeln!(f, "nothing is different from the baseline")?,
        Some(changes) => {
            writeln!(f, "different from the baseline:")?;
            changes.iter().try_for_each(|change| writeln!(f, "  {change}"))?;
        }
    }
    writeln!(f)
}

/// What did not pass, with its reason, the worst first; and what passed in a second run.
fn attention(f: &mut Formatter<'_>, row: &Row, verbose: bool) -> fmt::Result {
    let is_shown = |verdict, remark: bool| match verdict {
        Verdict::Pass => remark,
        Verdict::Skip => remark || verbose,
        _ => true,
    };
    let shown =
        row.cases.iter().filter(|case| is_shown(case.verdict, case.first.is_some() || case.known.is_some()));
    let shown: Vec<_> = shown.map(|case| (case, why(case))).collect();
    if !shown.is_empty() {
        writeln!(f, "\n{}", row.host)?;
    }
    for verdict in [Verdict::Fail, Verdict::Error, Verdict::Warn, Verdict::Pass, Verdict::Skip] {
        let cases: Vec<_> = shown.iter().filter(|(case, _)| case.verdict == verdict).collect();
        // What nobody could judge for one reason is one line.
        for same in cases.chunk_by(|a, b| verdict == Verdict::Error && a.1 == b.1) {
            let [(first, why), more @ ..] = same else { continue };
            let name = &first.name;
            match more.last() {
                None => writeln!(f, "  {verdict:5} {name}: {why} [{}]", first.clauses.join(" "))?,
                Some((last, _)) => {
                    writeln!(f, "  {verdict:5} {} cases, {name} to {}: {why}", same.len(), last.name)?;
                }
            }
        }
    }
    Ok(())
}
