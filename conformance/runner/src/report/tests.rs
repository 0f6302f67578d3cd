// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports of results that are made up.

use super::{Format, Report, Row};
use crate::verdict::{CaseResult, First, Verdict};

fn report() -> Report {
    let mut cases = tenon_conformance::all();
    let mut result = |verdict, detail: &str, first: bool| {
        let case = cases.next().expect("a case");
        let first = first.then(|| First {
            detail: "no verdict\nwithin 5 s".to_owned(),
            micros: 5_000_000,
            slowness: 4.25,
        });
        CaseResult { first, ..CaseResult::new(case, verdict, detail, 1) }
    };
    let cases = vec![
        result(Verdict::Pass, "", false),
        result(Verdict::Pass, "", true),
        result(Verdict::Fail, "no verdict within 10 s", true),
        result(Verdict::Fail, "it's wrong # here", false),
        result(Verdict::Skip, "SMP not offered", false),
        result(Verdict::Skip, "SMP not offered", false),
    ];
    let row = Row { host: "mine".to_owned(), arch: None, reason: None, cases };
    Report { seed: 0xabc, rows: vec![row] }
}

const FIRST: &str =
    "at first: no verdict within 5 s; run again alone, on a machine 4.2 times as slow as a quiet one";

#[test]
fn people_see_both_runs_of_a_case_and_how_many_were_skipped() {
    let report = report();
    let names: Vec<_> = report.rows[0].cases.iter().map(|case| case.name.clone()).collect();
    let text = report.text(Format::Human, false);
    assert!(text.contains(&format!("\n  pass {}: {FIRST} [", names[1])), "{text}");
    assert!(text.contains(&format!("\n  fail {}: no verdict within 10 s; {FIRST} [", names[2])), "{text}");
    assert!(!text.contains(&format!("{}:", names[0])) && !text.contains("SMP"), "{text}");
    assert!(text.ends_with("\nseed abc\n2 passed, 2 failed, 2 skipped\n"), "{text}");
    let text = report.text(Format::Human, true);
    assert_eq!(text.matches(": SMP not offered [").count(), 2, "{text}");
}

#[test]
fn programs_see_both_runs_of_a_case() {
    let json: serde_json::Value = serde_json::from_str(&report().text(Format::Json, false)).expect("JSON");
    let cases = &json["results"][0]["cases"];
    assert_eq!((&cases[1]["verdict"], &cases[1]["first"]["slowness"]), (&"pass".into(), &4.25.into()));
    assert_eq!(cases[2]["first"]["detail"], "no verdict\nwithin 5 s");
    assert_eq!(cases[0].get("first"), None);
    let binds = &json["binds"];
    assert_eq!((&binds["GEN-7"], &binds["CALL-2"]), (&"host".into(), &"both".into()));
    assert_eq!(json["results"][0]["clauses_total"], binds.as_object().expect("an object").len());
    let tap = report().text(Format::Tap, false);
    assert!(tap.starts_with("TAP version 13\n1..6\n# seed abc\nok 1 - mine "), "{tap}");
    assert_eq!(tap.matches(FIRST).count(), 2, "{tap}");
    assert!(tap.contains("\n  ---\n  verdict: fail\n  detail: 'it''s wrong # here'\n  clauses: ["), "{tap}");
    assert!(tap.contains(" # SKIP SMP not offered\n"), "{tap}");
}
