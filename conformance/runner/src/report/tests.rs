// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports of results that are made up.

use super::{Format, Known, PROFILES, Profile, Report, Row, merge};
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
    Report { seed: 0xabc, rows: vec![row], ..Report::default() }
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

fn from(report: &Report) -> Report {
    Report::from_json(&report.text(Format::Json, false)).expect("a report")
}

#[test]
fn a_report_is_read_as_it_was_written() {
    let (first, second) = (report(), from(&report()));
    assert_eq!((first.seed, first.suite), (second.seed, second.suite));
    assert_eq!(first.rows[0].cases, second.rows[0].cases);
    let why = |text: &str| Report::from_json(text).expect_err("it is none");
    assert!(why("{").starts_with("it is no report: ") && why("[]").starts_with("it is no report: "));
    let text = report().text(Format::Json, false).replacen("DISC-", "DISK-", 1);
    assert!(why(&text).contains("the spec has no clause DISK-"), "{}", why(&text));
}

#[test]
fn ci_services_read_junit() {
    let mut report = report();
    report.rows[0].cases[3].detail = "<\u{1b}\"&>".to_owned();
    let name = report.rows[0].cases[3].name.clone();
    report.rows.push(Row {
        host: "absent".to_owned(),
        arch: None,
        reason: Some("no KVM".to_owned()),
        cases: vec![],
    });
    let xml = report.text(Format::Junit, false);
    assert!(
        xml.contains("<testsuite name=\"mine\" tests=\"6\" failures=\"2\" errors=\"0\" skipped=\"2\""),
        "{xml}"
    );
    assert!(
        xml.contains(&format!(
            "name=\"{name}\" time=\"0.000001\"><failure message=\"&lt; &quot;&amp;&gt;\">"
        ))
    );
    assert!(xml.contains("<skipped message=\"no KVM\"/>") && xml.ends_with("</testsuites>\n"));
    assert_eq!(xml.matches("<testcase ").count(), 7);
}

#[test]
fn nothing_in_a_report_becomes_a_part_of_the_page() {
    let mut report = report();
    report.rows[0].cases[3].detail = "</script><b>".to_owned();
    let page = report.text(Format::Html, false);
    assert!(!page.contains("</script><b>") && page.contains("\\u003c/script>\\u003cb>"));
    assert_eq!(page.matches("</script>").count(), 2);
}

#[test]
fn known_failures_fail_no_run() {
    let mut report = report();
    let [_, _, second, third, ..] = &*report.rows[0].cases else { panic!("six cases") };
    let entry = |case: &str, host: &str| {
        format!("[[known]]\ncase = \"{case}\"\nhost = \"{host}\"\nreason = \"old\"\n")
    };
    let text = entry(&second.name, "mine") + &entry(&third.name, "kvm");
    Known::parse(&text).expect("a list").apply(&mut report).expect("both rows exist");
    assert!(!report.is_good(), "the other one is known of another row");
    Known::parse(&entry(&report.rows[0].cases[3].name, "mine"))
        .expect("a list")
        .apply(&mut report)
        .expect("a row");
    assert!(report.is_good());
    assert!(report.text(Format::Tap, false).contains(" # TODO old\n"));
    // One that passes is told, so that the list does not grow old.
    let passed = report.rows[0].cases[0].name.clone();
    Known::parse(&entry(&passed, "mine")).expect("a list").apply(&mut report).expect("a row");
    assert!(
        report
            .text(Format::Human, false)
            .contains(&format!("pass {passed}: listed as a known failure (old)"))
    );
    for (text, why) in [
        (entry("no.such-case", "mine"), "the suite has no case `no.such-case`"),
        (entry(&passed, "mine").replace("old", " "), "there is no reason"),
        (entry(&passed, "mine").replace("host", "hots"), "unknown field `hots`"),
        ("[[known]".to_owned(), "unclosed"),
    ] {
        let said = Known::parse(&text).map(drop).expect_err("it is wrong");
        assert!(said.contains(why), "{said}");
    }
    let apply = Known::parse(&entry(&passed, "nobody")).expect("a list").apply(&mut report);
    assert_eq!(apply, Err("no row is called `nobody`".to_owned()));
}

#[test]
fn a_baseline_shows_what_is_different() {
    let (before, mut now) = (report(), report());
    now.compare(&before);
    assert!(now.text(Format::Human, false).contains("nothing is different from the baseline"));
    let name = now.rows[0].cases[0].name.clone();
    now.rows[0].cases[0].verdict = Verdict::Fail;
    // A case that was not asked for this time is no change.
    now.rows[0].cases.pop();
    now.rows.push(Row { host: "new".to_owned(), arch: None, reason: None, cases: vec![] });
    now.compare(&before);
    let text = now.text(Format::Human, false);
    let told = format!(
        "different from the baseline:\n  mine {name}: pass -> fail\n  new: the row is in one of both reports only\n"
    );
    assert!(text.contains(&told), "{text}");
}

#[test]
fn parts_of_a_run_are_joined() {
    let whole = report();
    let (mut first, mut second) = (report(), report());
    let behind = first.rows[0].cases.split_off(2);
    second.rows[0].cases = behind;
    let all = merge([second.clone(), first.clone()]).expect("they fit");
    assert_eq!(all.rows[0].cases, whole.rows[0].cases);
    let why = |reports: Vec<Report>| merge(reports).map(drop).expect_err("they do not fit");
    assert!(why(vec![first.clone(), whole]).starts_with("two have a result for "));
    second.seed = 1;
    assert!(why(vec![first.clone(), second.clone()]).contains("the same `--seed`"));
    second.suite = "9".to_owned();
    assert!(why(vec![first, second]).contains("another of 9"));
    assert_eq!(why(vec![]), "there is no report to join");
}

#[test]
fn a_claim_holds_when_every_case_of_it_passed() {
    let core = Profile::by_name("core").expect("a profile");
    let cases: Vec<_> = tenon_conformance::all()
        .filter(|case| case.needs.features.is_empty())
        .map(|case| CaseResult::new(case, Verdict::Pass, "", 1))
        .collect();
    let row = Row { host: "mine".to_owned(), arch: None, reason: None, cases };
    let mut report = Report { rows: vec![row], ..Report::default() };
    let why = |report: &mut Report| {
        report.claim(&[core]);
        report.claims[0].why.clone()
    };
    assert_eq!(why(&mut report), None);
    let name = report.rows[0].cases[0].name.clone();
    report.rows[0].cases[0].verdict = Verdict::Fail;
    report.rows[0].cases[0].known = Some("old".to_owned());
    assert_eq!(why(&mut report), Some(format!("{name} has the verdict fail")));
    assert!(!report.is_good(), "a failure that is known breaks a claim");
    report.rows[0].cases.remove(0);
    assert_eq!(why(&mut report), Some(format!("{name} was not run")));
    let block = Profile::by_name("block").expect("a profile");
    report.claim(&[block]);
    assert!(report.claims[0].why.as_ref().is_some_and(|why| why.ends_with(" was not run")));
    assert!(Profile::by_name("blok").expect_err("none").contains("core, events, smp"));
}

/// What `docs/vendors.md` says of files and profiles is so.
#[test]
fn vendors_read_what_is_so() {
    const PAGE: &str = include_str!("../../../../docs/vendors.md");
    let (_, toml) = PAGE.split_once("```toml\n").expect("an example");
    Known::parse(toml.split_once("```").expect("its end").0).expect("it is a list");
    let rows = PROFILES.iter().map(|profile| format!("| `{}` | {} |", profile.name, profile.needs()));
    let told: Vec<_> = PAGE.lines().skip_while(|line| !line.starts_with("| profile |")).skip(2).collect();
    let told = told.into_iter().take_while(|line| line.starts_with('|'));
    assert_eq!(told.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
}
