// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report as JUnit's XML: a test suite for each host, a test case for each case.

use super::{Report, Row, one_line, why};
use crate::verdict::{CaseResult, Verdict};
use std::fmt::{self, Display, Formatter};

pub(super) struct Junit<'a>(pub(super) &'a Report);

impl Display for Junit<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        writeln!(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tenon-conformance\">")?;
        for row in &report.rows {
            suite(f, row, report.seed)?;
        }
        writeln!(f, "</testsuites>")
    }
}

/// Known failures are skips here: JUnit has no other word for what is expected to fail.
fn suite(f: &mut Formatter<'_>, row: &Row, seed: u64) -> fmt::Result {
    let known = row.cases.iter().filter(|case| case.verdict == Verdict::Fail && !case.is_bad()).count();
    let failed = row.count(Verdict::Fail) - known;
    let absent = usize::from(row.reason.is_some());
    let seconds: f64 = row.cases.iter().map(seconds).sum();
    write!(f, "  <testsuite name=\"{}\" tests=\"{}\"", escape(&row.host), row.cases.len() + absent)?;
    write!(f, " failures=\"{failed}\" errors=\"{}\"", row.count(Verdict::Error))?;
    writeln!(f, " skipped=\"{}\" time=\"{seconds:.6}\">", row.count(Verdict::Skip) + known + absent)?;
    writeln!(f, "    <properties><property name=\"seed\" value=\"{seed:x}\"/></properties>")?;
    if let Some(reason) = &row.reason {
        writeln!(f, "    <testcase classname=\"{0}\" name=\"{0}\">", escape(&row.host))?;
        writeln!(f, "      <skipped message=\"{}\"/>\n    </testcase>", escape(reason))?;
    }
    for result in &row.cases {
        case(f, &row.host, result)?;
    }
    writeln!(f, "  </testsuite>")
}

fn case(f: &mut Formatter<'_>, host: &str, case: &CaseResult) -> fmt::Result {
    let (host, name) = (escape(host), escape(&case.name));
    write!(f, "    <testcase classname=\"{host}\" name=\"{name}\" time=\"{:.6}\"", seconds(case))?;
    let why = escape(&why(case));
    let clauses = case.clauses.join(" ");
    match (case.verdict, &case.known) {
        (Verdict::Pass, _) if why.is_empty() => writeln!(f, "/>"),
        (Verdict::Pass | Verdict::Warn, _) => {
            writeln!(f, "><system-out>{}: {why} [{clauses}]</system-out></testcase>", case.verdict)
        }
        (Verdict::Fail, Some(_)) => {
            writeln!(f, "><skipped message=\"{why} [{clauses}]\"/></testcase>")
        }
        (Verdict::Skip, _) => writeln!(f, "><skipped message=\"{why}\"/></testcase>"),
        (Verdict::Fail, None) => writeln!(f, "><failure message=\"{why}\">{clauses}</failure></testcase>"),
        (Verdict::Error, _) => writeln!(f, "><error message=\"{why}\">{clauses}</error></testcase>"),
    }
}

fn seconds(case: &CaseResult) -> f64 {
    std::time::Duration::from_micros(case.micros).as_secs_f64()
}

/// For attributes and for text.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in one_line(text).chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no way to write these two.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            char => out.push(char),
        }
    }
    out
}
