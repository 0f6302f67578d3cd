// SPDX-License-Identifier: MIT OR Apache-2.0
//! Machines that take their time.

use super::*;
use crate::judge::HUNG_MAX;
use crate::verdict::Time;

#[test]
fn a_hung_case_is_named_and_the_others_run_in_another_machine() {
    let mut script = Script::hello(&[&A, &B, &C]);
    script.pass("t.a");
    script.say("begin t.b");
    script.silence();
    assert_eq!(script.judge.next().map(|case| case.name), Some("t.c"));
    script.boot();
    script.say("hello 1 arch=none seed=1 cases=1");
    script.pass("t.c");
    script.done();
    let results = script.results();
    assert_eq!((results[1].verdict, results[1].detail.as_str()), (Fail, "no verdict within 5 s"));
    assert_eq!((results[0].verdict, results[2].verdict), (Pass, Pass));
}

#[test]
fn the_deadline_is_that_of_the_case() {
    let mut script = Script::hello(&[&A, &B]);
    script.now = 4 * SECOND;
    script.pass("t.a");
    script.say("begin t.b");
    assert_eq!(script.judge.deadline(), 9 * SECOND);
    script.now = 8 * SECOND;
    script.raw(b"noise is no sign of progress\n");
    assert_eq!(script.judge.deadline(), 9 * SECOND);
}

#[test]
fn a_machine_that_says_nothing_is_given_up() {
    let mut script = Script::new(&[&A, &B, &C]);
    script.silence();
    assert!(script.judge.next().is_some());
    script.boot();
    script.silence();
    assert!(script.judge.next().is_none(), "two mute boots are enough");
    assert_eq!(script.verdicts(), [Error, Error, Error]);
}

#[test]
fn when_the_time_is_up_the_running_case_failed_and_the_rest_was_not_judged() {
    let mut script = Script::hello(&[&A, &B, &C]);
    script.pass("t.a");
    script.say("begin t.b");
    script.judge.out_of_time();
    let results = script.results();
    assert_eq!(results.iter().map(|result| result.verdict).collect::<Vec<_>>(), [Pass, Fail, Error]);
    assert_eq!(results[1].detail, "no verdict: the host's 180 s are used up");
}

#[test]
fn only_positive_scales_make_limits() {
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e30] {
        assert_eq!(Limits::scaled(scale), None, "{scale}");
    }
    let limits = Limits::scaled(0.5).expect("a half is a scale");
    assert_eq!((limits.case, limits.host), (Duration::from_millis(2500), Duration::from_secs(90)));
}

/// What time has to do with the results.
fn times(script: Script) -> Vec<Time> {
    script.results().iter().map(|result| result.time).collect()
}

#[test]
fn what_timed_out_is_told_from_what_failed() {
    let mut script = Script::hello(&[&A, &LEAVES, &B, &C]);
    script.say("begin t.a");
    script.silence();
    script.boot();
    script.say("hello 1 arch=none seed=1 cases=1");
    script.say("begin t.leaves");
    script.say("ends t.leaves exit=3");
    script.silence();
    script.boot();
    script.say("hello 1 arch=none seed=1 cases=1");
    script.say("begin t.b");
    script.say("verdict t.b fail 7 wrong");
    script.afresh();
    script.pass("t.c");
    script.silence();
    assert_eq!(times(script), [Time::Out, Time::Out, Time::Kept, Time::Out], "the last one came to no end");
}

#[test]
fn a_row_stops_after_some_cases_in_a_row_that_hang() {
    static MORE: Case = case("t.more", None);
    let mut script = Script::hello(&[&A, &B, &C, &LEAVES, &AGAIN, &MORE]);
    let hang = |script: &mut Script, name: &str| {
        script.say(&format!("begin {name}"));
        script.silence();
        script.boot();
        script.say("hello 1 arch=none seed=1 cases=1");
    };
    hang(&mut script, "t.a");
    script.pass("t.b");
    for (count, name) in (1..=HUNG_MAX).zip(["t.c", "t.leaves", "t.again"]) {
        assert!(script.judge.next().is_some(), "{count}: one that answered was between them");
        hang(&mut script, name);
    }
    assert!(script.judge.next().is_none());
    let results = script.results();
    let last = results.last().expect("a result");
    assert_eq!((last.verdict, last.time), (Error, Time::NotRun));
    assert!(
        last.detail.contains("--timeout-scale") && last.detail.contains("3 cases in a row"),
        "{}",
        last.detail
    );
}

#[test]
fn a_mute_machine_may_be_a_slow_one() {
    let mut script = Script::new(&[&A, &B, &C]);
    script.silence();
    script.boot();
    script.silence();
    assert_eq!(times(script), [Time::Out, Time::NotRun, Time::NotRun]);
    // One that ends by itself is not slow.
    let mut script = Script::new(&[&A, &B, &C]);
    script.end(crash());
    script.boot();
    script.end(crash());
    assert_eq!(times(script), [Time::Kept; 3]);
}

#[test]
fn boots_are_not_the_hosts_time() {
    let mut script = Script::new(&[&A, &B]);
    for name in ["t.a", "t.b"] {
        script.now += 4 * SECOND;
        script.say("hello 1 arch=none seed=1 cases=1");
        script.now += 4 * SECOND;
        script.say(&format!("begin {name}"));
        script.now += SECOND;
        script.say(&format!("verdict {name} fail 7 wrong"));
        script.judge.stopped();
        script.boot();
    }
    assert_eq!((script.now, script.judge.booting(script.now)), (18 * SECOND, 16 * SECOND));
    assert!(!script.judge.is_out(script.now + 178 * SECOND - SECOND), "2 s of 180 are used");
    let mut script = Script::hello(&[&A]);
    script.say("begin t.a");
    assert!(script.judge.is_out(180 * SECOND) && !script.judge.is_out(179 * SECOND));
}
