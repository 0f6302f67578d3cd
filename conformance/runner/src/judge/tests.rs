// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scripted machines: what each of them says, and what the judge makes of it.

mod time;

use super::{Judge, Limits};
use crate::hosts::{Crash, End};
use crate::verdict::{CaseResult, Verdict};
use std::time::Duration;
use tenon_conformance::case::{self, Case, Ends, Needs};
use tenon_conformance::report::Line;

const fn case(name: &'static str, ends: Option<Ends>) -> Case {
    Case { name, clauses: &["CALL-1"], needs: Needs::NONE, ends, run: |_| Ok(()) }
}

static A: Case = case("t.a", None);
static B: Case = case("t.b", None);
static C: Case = case("t.c", None);
static LEAVES: Case = case("t.leaves", Some(Ends::Exit(3)));
static CRASHES: Case =
    case("t.crashes", Some(Ends::ExitAfterCrash(3, case::Crash { code: 5, text: b"left" })));
static AGAIN: Case = case("t.again", Some(Ends::Restart));

const SECOND: Duration = Duration::from_secs(1);

/// A judge and a machine that numbers its lines.
struct Script {
    judge: Judge,
    sequence: u32,
    now: Duration,
}

impl Script {
    fn new(cases: &[&'static Case]) -> Self {
        let limits = Limits::scaled(1.0).expect("one is a scale");
        let mut script = Self { judge: Judge::new(cases.to_vec(), limits), sequence: 0, now: Duration::ZERO };
        script.boot();
        script
    }

    fn boot(&mut self) {
        self.sequence = 0;
        self.judge.booted(self.now);
    }

    /// Boots and says hello.
    fn hello(cases: &[&'static Case]) -> Self {
        let mut script = Self::new(cases);
        script.say("hello 1 arch=none seed=1 cases=1");
        script
    }

    fn line(&mut self, payload: &str) -> Vec<u8> {
        let line = Line::new(self.sequence, format_args!("{payload}")).as_bytes().to_vec();
        self.sequence += 1;
        line
    }

    fn say(&mut self, payload: &str) {
        let line = self.line(payload);
        self.raw(&line);
    }

    /// A line that does not arrive.
    fn lose(&mut self, payload: &str) {
        let _ = self.line(payload);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.judge.bytes(self.now, bytes);
    }

    fn pass(&mut self, name: &str) {
        self.say(&format!("begin {name}"));
        self.say(&format!("verdict {name} pass 7 "));
    }

    fn end(&mut self, end: End) {
        self.judge.ended(self.now, &end);
        self.judge.stopped();
    }

    fn done(&mut self) {
        self.say("done");
        assert!(self.judge.is_over(), "the machine may be stopped");
        self.judge.stopped();
    }

    /// Time passes up to the deadline, and nothing comes.
    fn silence(&mut self) {
        self.now = self.judge.deadline();
        self.judge.overdue();
        self.judge.stopped();
        assert!(self.judge.is_over(), "the machine is to be stopped");
    }

    /// A case has failed: the next one gets a machine of its own.
    fn afresh(&mut self) {
        assert!(self.judge.is_over(), "the machine is to be stopped");
        self.judge.stopped();
        self.boot();
        self.say("hello 1 arch=none seed=1 cases=1");
    }

    fn results(self) -> Vec<CaseResult> {
        self.judge.finish()
    }

    fn verdicts(self) -> Vec<Verdict> {
        self.results().iter().map(|result| result.verdict).collect()
    }
}

fn crash() -> End {
    End::Other("crashed".to_owned())
}

use Verdict::{Error, Fail, Pass, Skip, Warn};

#[test]
fn an_orderly_report_is_taken_as_it_is() {
    let mut script = Script::hello(&[&A, &B, &C]);
    assert_eq!(script.judge.arch(), Some("none"));
    script.pass("t.a");
    script.say("begin t.b");
    assert_eq!(script.judge.running().map(|case| case.name), Some("t.b"));
    script.say("verdict t.b fail 12 expected: 0x1, 0x2");
    script.afresh();
    script.say("begin t.c");
    script.say("verdict t.c skip 1 SMP is not offered");
    script.done();
    let results = script.results();
    let short: Vec<_> =
        results.iter().map(|result| (result.verdict, result.detail.as_str(), result.micros)).collect();
    assert_eq!(short, [(Pass, "", 7), (Fail, "expected: 0x1, 0x2", 12), (Skip, "SMP is not offered", 1)]);
}

#[test]
fn warnings_and_errors_of_cases_arrive() {
    let mut script = Script::hello(&[&A, &B]);
    script.say("begin t.a");
    script.say("verdict t.a warn 1 doubtful");
    script.say("begin t.b");
    script.say("verdict t.b error 1 no pages left");
    script.done();
    assert_eq!(script.verdicts(), [Warn, Error]);
}

#[test]
fn noise_between_and_before_lines_does_no_harm() {
    let mut script = Script::hello(&[&A]);
    script.raw(b"SeaBIOS (version 1)\r\n\xff\xfe\n~TN \n~TN 000001 00000000 begin t.b\n");
    script.raw(&[b'x'; 10_000]);
    let mut begin = b"no newline before this".to_vec();
    begin.extend(script.line("begin t.a"));
    script.raw(&begin);
    let mut verdict = script.line("verdict t.a pass 1 ");
    verdict.insert(verdict.len() - 1, b'\r');
    script.raw(&verdict);
    script.done();
    assert_eq!(script.verdicts(), [Pass]);
}

#[test]
fn lines_may_arrive_byte_by_byte() {
    let mut script = Script::hello(&[&A]);
    let lines = [script.line("begin t.a"), script.line("verdict t.a pass 1 "), script.line("done")].concat();
    for byte in lines {
        script.raw(&[byte]);
    }
    assert_eq!(script.verdicts(), [Pass]);
}

#[test]
fn a_cut_verdict_is_no_verdict() {
    let mut script = Script::hello(&[&A, &B]);
    script.say("begin t.a");
    let verdict = script.line("verdict t.a pass 7 ");
    script.raw(&verdict[..verdict.len() - 4]);
    script.raw(b"\n");
    script.pass("t.b");
    script.done();
    assert_eq!(script.verdicts(), [Error, Pass]);
}

#[test]
fn no_flipped_byte_of_a_failure_makes_a_pass() {
    let fresh = || {
        let mut script = Script::hello(&[&A]);
        script.say("begin t.a");
        let line = script.line("verdict t.a fail 7 wrong");
        (script, line)
    };
    let (_, line) = fresh();
    for at in 0..line.len() {
        let (mut script, mut line) = fresh();
        line[at] ^= 0x11;
        script.raw(&line);
        script.raw(b"\n");
        script.say("done");
        script.judge.stopped();
        let verdicts = script.verdicts();
        assert!(verdicts[0].is_bad(), "byte {at}: {verdicts:?}");
    }
}

#[test]
fn a_case_whose_lines_were_lost_has_an_error_and_the_others_have_none() {
    let mut script = Script::hello(&[&A, &B, &C]);
    script.pass("t.a");
    script.lose("begin t.b");
    script.lose("verdict t.b fail 7 wrong");
    script.pass("t.c");
    script.done();
    assert_eq!(script.verdicts(), [Pass, Error, Pass]);
}

#[test]
fn a_gap_within_a_case_spoils_its_pass() {
    let mut script = Script::hello(&[&A]);
    script.say("begin t.a");
    script.lose("something");
    script.say("verdict t.a pass 7 ");
    script.done();
    let results = script.results();
    assert_eq!((results[0].verdict, results[0].detail.as_str()), (Error, "lines of its report were lost"));
}

#[test]
fn a_verdict_without_a_beginning_does_not_count() {
    let mut script = Script::hello(&[&A, &B]);
    script.lose("begin t.a");
    script.say("verdict t.a pass 7 ");
    script.pass("t.b");
    script.done();
    assert_eq!(script.verdicts(), [Error, Pass]);
}

#[test]
fn two_verdicts_are_an_error() {
    let mut script = Script::hello(&[&A, &B]);
    script.say("begin t.a");
    script.say("verdict t.a pass 7 ");
    script.say("verdict t.a fail 7 wrong");
    script.pass("t.b");
    script.pass("t.b");
    script.done();
    assert_eq!(script.verdicts(), [Error, Error]);
}

#[test]
fn a_replayed_line_is_an_error() {
    let mut script = Script::hello(&[&A]);
    script.say("begin t.a");
    let verdict = script.line("verdict t.a pass 7 ");
    script.raw(&verdict);
    script.raw(&verdict);
    script.done();
    assert_eq!(script.verdicts(), [Error]);
}

#[test]
fn what_nobody_asked_for_is_an_error_of_its_own() {
    let mut script = Script::hello(&[&A]);
    script.pass("t.unknown");
    script.pass("t.a");
    script.done();
    let results = script.results();
    assert_eq!(results.len(), 3, "{results:?}");
    assert_eq!(results[0].verdict, Pass);
    assert!(results[1..].iter().all(|result| result.name == "t.unknown" && result.verdict == Error));
}

#[test]
fn an_unreadable_verdict_is_an_error() {
    for verdict in ["verdict t.a", "verdict t.a passed 7 ", "verdict t.a pass soon "] {
        let mut script = Script::hello(&[&A]);
        script.say("begin t.a");
        script.say(verdict);
        script.done();
        assert_eq!(script.verdicts(), [Error], "{verdict}");
    }
}

#[test]
fn a_crash_is_the_running_cases() {
    let mut script = Script::hello(&[&A, &B]);
    script.say("begin t.a");
    script.end(crash());
    assert_eq!(script.judge.next().map(|case| case.name), Some("t.b"));
    script.boot();
    script.say("hello 1 arch=none seed=1 cases=1");
    script.pass("t.b");
    script.done();
    let results = script.results();
    assert_eq!(
        (results[0].verdict, results[0].detail.as_str()),
        (Fail, "the machine crashed, without a verdict")
    );
    assert_eq!(results[1].verdict, Pass);
}

#[test]
fn a_crash_between_cases_is_somebodys() {
    let mut script = Script::hello(&[&A, &B]);
    script.pass("t.a");
    script.end(crash());
    script.boot();
    script.end(crash());
    assert_eq!(script.verdicts(), [Pass, Fail]);

    let mut script = Script::hello(&[&A]);
    script.pass("t.a");
    script.end(crash());
    assert_eq!(script.verdicts(), [Error], "it did not say that it is done");

    let mut script = Script::hello(&[&A]);
    script.pass("t.a");
    script.silence();
    assert_eq!(script.verdicts(), [Error], "nor here");
}

#[test]
fn a_case_that_ends_the_machine_passes_by_that_end_alone() {
    let run = |case: &'static Case, announcement: Option<&str>, end: End| {
        let mut script = Script::hello(&[case]);
        script.say(&format!("begin {}", case.name));
        if let Some(announcement) = announcement {
            script.say(announcement);
        }
        script.end(end);
        script.verdicts()[0]
    };
    let (leaves, again) = (Some("ends t.leaves exit=3"), Some("ends t.again restart"));
    assert_eq!(run(&LEAVES, leaves, End::Exit(3)), Pass);
    assert_eq!(run(&AGAIN, again, End::Restart), Pass);
    assert_eq!(run(&LEAVES, leaves, End::Exit(4)), Fail);
    assert_eq!(run(&LEAVES, leaves, End::Restart), Fail);
    assert_eq!(run(&AGAIN, again, End::Exit(0)), Fail);
    assert_eq!(run(&LEAVES, leaves, crash()), Fail);
    assert_eq!(run(&LEAVES, None, End::Exit(3)), Fail, "it ended before it was about to");
    assert_eq!(run(&LEAVES, Some("ends t.leaves exit=4"), End::Exit(4)), Error);
    assert_eq!(run(&A, Some("ends t.a exit=0"), End::Exit(0)), Error);
    assert_eq!(run(&A, None, End::Exit(0)), Fail);
}

/// A host may boot the image again by itself, which is the end that a restart asks for and no other (REP-8).
#[test]
fn a_machine_that_boots_anew_has_restarted() {
    let run = |case: &'static Case, lines: &[&str]| {
        let mut script = Script::hello(&[case, &A]);
        script.say(&format!("begin {}", case.name));
        lines.iter().for_each(|line| script.say(line));
        script.sequence = 0;
        script.say("hello 1 arch=none seed=1 cases=1");
        assert!(script.judge.is_over(), "the next case has a machine of its own");
        script.judge.stopped();
        script.verdicts()[0]
    };
    assert_eq!(run(&AGAIN, &["ends t.again restart"]), Pass);
    assert_eq!(run(&AGAIN, &[]), Fail, "before it was about to");
    assert_eq!(run(&LEAVES, &["ends t.leaves exit=3"]), Fail);
    assert_eq!(run(&A, &[]), Fail);
}

#[test]
fn a_crash_record_is_compared_with_the_one_that_was_left() {
    let run = |held: Option<Option<(u64, &[u8])>>, code| {
        let mut script = Script::hello(&[&CRASHES]);
        script.say("begin t.crashes");
        script.say("ends t.crashes exit=3");
        if let Some(held) = held {
            script.judge.crash(held.map(|(code, text)| Crash { code, text: text.to_vec() }));
        }
        script.end(End::Exit(code));
        script.verdicts()[0]
    };
    assert_eq!(run(Some(Some((5, b"left"))), 3), Pass);
    assert_eq!(run(Some(Some((5, b"left"))), 4), Fail, "another end");
    for other in [None, Some((6, &b"left"[..])), Some((5, b"lef")), Some((5, b"left!")), Some((5, b"lexx"))] {
        assert_eq!(run(Some(other), 3), Fail, "{other:?}");
    }
    assert_eq!(run(None, 3), Warn, "a host that cannot tell is not judged");
}

#[test]
fn a_machine_that_does_not_end_fails() {
    let mut script = Script::hello(&[&LEAVES, &A]);
    script.say("begin t.leaves");
    script.say("ends t.leaves exit=3");
    script.say("verdict t.leaves pass 7 ");
    script.afresh();
    script.pass("t.a");
    script.done();
    assert_eq!(script.verdicts(), [Fail, Pass]);

    let mut script = Script::hello(&[&LEAVES]);
    script.say("begin t.leaves");
    script.say("ends t.leaves exit=3");
    script.silence();
    let results = script.results();
    assert_eq!((results[0].verdict, &*results[0].detail), (Fail, "the machine did not end within 5 s"));
}

#[test]
fn what_a_failed_case_left_behind_is_nobody_elses() {
    for word in ["fail", "error"] {
        let mut script = Script::hello(&[&A, &B]);
        script.say("begin t.a");
        script.say(&format!("verdict t.a {word} 7 its vCPU still runs"));
        // The machine goes on, and the next case meets that vCPU.
        script.say("begin t.b");
        script.say("verdict t.b fail 7 BUSY");
        script.afresh();
        script.pass("t.b");
        script.done();
        let verdicts = script.verdicts();
        assert!(verdicts[0].is_bad() && verdicts[1] == Pass, "{word}: {verdicts:?}");
    }
}

#[test]
fn what_such_a_case_says_instead_counts() {
    let mut script = Script::hello(&[&LEAVES]);
    script.say("begin t.leaves");
    script.say("verdict t.leaves skip 7 LIFECYCLE is not offered");
    script.done();
    assert_eq!(script.verdicts(), [Skip]);
}

#[test]
fn a_machine_that_boots_for_ever_gets_no_more_boots_than_cases() {
    let mut script = Script::new(&[&A, &B, &C]);
    let mut boots = 0;
    while script.judge.next().is_some() {
        script.boot();
        script.say("hello 1 arch=none seed=1 cases=3");
        script.say("hello 1 arch=none seed=1 cases=3");
        assert!(script.judge.is_over());
        script.judge.stopped();
        boots += 1;
    }
    assert_eq!(boots, 3);
    assert_eq!(script.verdicts(), [Fail, Fail, Fail]);
}

#[test]
fn a_machine_that_is_done_too_early_gets_no_more_boots_than_cases() {
    let mut script = Script::new(&[&A, &B]);
    let mut boots = 0;
    while script.judge.next().is_some() {
        script.boot();
        script.say("hello 1 arch=none seed=1 cases=0");
        script.done();
        boots += 1;
    }
    assert_eq!(boots, 2);
    assert_eq!(script.verdicts(), [Error, Error]);
}

#[test]
fn another_protocol_is_not_guessed_at() {
    let mut script = Script::new(&[&A, &B]);
    script.say("hello 2 arch=none");
    assert!(script.judge.is_over() && script.judge.next().is_none());
    assert_eq!(script.verdicts(), [Error, Error]);
}

#[test]
fn a_guest_without_a_host_says_so_once_for_all_cases() {
    let mut script = Script::hello(&[&A, &B]);
    script.say("absent no Tenon: no discovery record");
    script.say("done");
    assert!(script.judge.is_over(), "there is nothing to boot for");
    for result in script.results() {
        let detail = "not run: the guest found no host: no Tenon: no discovery record";
        assert_eq!((result.verdict, result.detail.as_str()), (Verdict::Error, detail));
    }
}
