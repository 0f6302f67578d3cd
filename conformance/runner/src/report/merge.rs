// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reports of one run that was spread over machines, joined.

use super::{Report, Row};

/// Joins reports. A row that several have is one, with the cases of all.
///
/// # Errors
///
/// They are of different suites or seeds, or two have a result for the same case of the same row.
pub fn merge(reports: impl IntoIterator<Item = Report>) -> Result<Report, String> {
    let mut reports = reports.into_iter();
    let mut all = reports.next().ok_or("there is no report to join")?;
    for report in reports {
        if report.suite != all.suite {
            return Err(format!("one is of suite {}, another of {}", all.suite, report.suite));
        }
        if report.seed != all.seed {
            return Err(format!(
                "one has the seed {:x}, another {:x}: give all parts of a run the same `--seed`",
                all.seed, report.seed
            ));
        }
        for row in report.rows {
            match all.rows.iter_mut().find(|known| known.host == row.host) {
                Some(known) => join(known, row)?,
                None => all.rows.push(row),
            }
        }
    }
    // As one run has them: in the order of the suite.
    let order = |name: &str| tenon_conformance::all().position(|case| case.name == name);
    for row in &mut all.rows {
        row.cases.sort_by_key(|case| order(&case.name).unwrap_or(usize::MAX));
    }
    Ok(all)
}

fn join(row: &mut Row, part: Row) -> Result<(), String> {
    for case in part.cases {
        if row.cases.iter().any(|known| known.name == case.name) {
            return Err(format!("two have a result for {} of {}", case.name, row.host));
        }
        row.cases.push(case);
    }
    row.arch = row.arch.take().or(part.arch);
    // A machine that had no such host says nothing of the others.
    row.reason = row.reason.take().or(part.reason).filter(|_| row.cases.is_empty());
    Ok(())
}
