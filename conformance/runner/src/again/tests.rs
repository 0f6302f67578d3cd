// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hosts that are slow once, and hosts that hang for ever.

use super::*;
use crate::hosts::{Event, Machine};
use crate::judge::Limits;
use crate::play::play;
use crate::verdict::Verdict;
use std::collections::VecDeque;
use std::time::Duration;
use tenon_conformance::report::Line;

/// Whether a boot for this case says its verdict, given how often there was one for it before.
type Answers = fn(case: &str, before: usize, alone: bool) -> Answer;

enum Answer {
    Pass,
    Fail,
    Hang,
    Mute,
}

/// A host with one case a boot.
struct Scripted {
    answers: Answers,
    boots: Vec<String>,
}

struct Script(VecDeque<Event>);

impl Host for Scripted {
    fn boot(&mut self, command_line: &str) -> Result<Box<dyn Machine>, String> {
        let word = |key: &str| command_line.split(' ').find_map(|word| word.strip_prefix(key));
        let from = word("from=").expect("a case");
        let alone = word("only=").inspect(|only| assert_eq!(*only, from)).is_some();
        let before = self.boots.iter().filter(|boot| *boot == from).count();
        self.boots.push(from.to_owned());
        let mut lines = vec!["hello 1 arch=x seed=1 cases=1".to_owned(), format!("begin {from}")];
        match (self.answers)(from, before, alone) {
            Answer::Pass => lines.extend([format!("verdict {from} pass 1 "), "done".to_owned()]),
            Answer::Fail => lines.push(format!("verdict {from} fail 1 wrong")),
            Answer::Hang => {}
            Answer::Mute => lines.clear(),
        }
        let framed = (0..).zip(&lines).map(|(sequence, line)| Line::new(sequence, format_args!("{line}")));
        Ok(Box::new(Script(framed.map(|line| Event::Bytes(line.as_bytes().to_vec())).collect())))
    }
}

impl Machine for Script {
    fn next(&mut self, patience: Duration) -> Option<Event> {
        let event = self.0.pop_front();
        if event.is_none() {
            std::thread::sleep(patience);
        }
        event
    }
}

/// Plays the cases of one chapter, and again what timed out: results, and the boots.
fn settled(answers: Answers) -> (Vec<CaseResult>, Vec<String>) {
    // What answers does so at once: a loaded machine has time for that.
    let limits = Limits { case: Duration::from_millis(150), host: Duration::from_secs(60) };
    let wish = Wish { filter: Some("discovery.".to_owned()), only: None, part: None, seed: 1, limits };
    let mut host = Scripted { answers, boots: Vec::new() };
    let mut played = play(&mut host, &wish, &mut |_| {}).expect("a machine");
    assert_eq!(is_due(&played), played.results.iter().any(|result| result.detail.contains("within")));
    settle(&mut host, &wish, &mut played, &mut |_| {});
    assert_eq!(played.results.len(), wish.cases().len(), "each case has its result");
    let names = wish.cases().into_iter().map(|case| case.name);
    assert!(played.results.iter().map(|result| &*result.name).eq(names), "in their order");
    (played.results, host.boots)
}

fn case(index: usize) -> &'static str {
    let mut cases = tenon_conformance::all().filter(|case| case.name.starts_with("discovery."));
    cases.nth(index).expect("so many cases").name
}

#[test]
fn a_case_that_was_slow_once_passes_and_its_first_run_is_told() {
    let (results, boots) = settled(|name, before, alone| match name == case(1) && before == 0 {
        true => Answer::Hang,
        false => {
            assert_eq!(alone, name == case(1), "{name}");
            Answer::Pass
        }
    });
    let first = results[1].first.as_ref().expect("it had two runs");
    assert_eq!((results[1].verdict, &*first.detail), (Verdict::Pass, "no verdict within 0.15 s"));
    assert!(first.slowness >= 1.0 && first.micros == 150_000, "{first:?}");
    assert!(
        results.iter().enumerate().all(|(at, result)| result.first.is_some() == (at == 1)),
        "{results:?}"
    );
    assert_eq!(boots.last().map(String::as_str), Some(case(1)), "last of all, and alone");
}

#[test]
fn a_case_that_times_out_twice_has_failed_and_one_that_fails_then_has_failed() {
    let (results, _) = settled(|name, before, _| match (name == case(1), name == case(3), before) {
        (true, ..) => Answer::Hang,
        (_, true, 0) => Answer::Hang,
        (_, true, _) => Answer::Fail,
        _ => Answer::Pass,
    });
    assert_eq!((results[1].verdict, &*results[1].detail), (Verdict::Fail, "no verdict within 0.3 s"));
    assert_eq!((results[3].verdict, &*results[3].detail), (Verdict::Fail, "wrong"));
    for at in [1, 3] {
        assert_eq!(results[at].first.as_ref().map(|first| &*first.detail), Some("no verdict within 0.15 s"));
    }
    assert!(
        results.iter().filter(|result| result.verdict == Verdict::Pass).all(|result| result.first.is_none())
    );
}

#[test]
fn a_row_that_was_stopped_goes_on_where_the_machine_was_slow() {
    // The first three hang once, and so the rest of the row is not run at first.
    let (results, boots) =
        settled(|name, before, _| match (0..3).any(|at| name == case(at)) && before == 0 {
            true => Answer::Hang,
            false => Answer::Pass,
        });
    assert!(results.iter().all(|result| result.verdict == Verdict::Pass), "{results:?}");
    assert_eq!(boots.len(), 3 + results.len());
}

#[test]
fn a_row_that_hangs_is_stopped_and_says_what_helps() {
    let (results, boots) = settled(|_, _, _| Answer::Hang);
    assert_eq!(boots.len(), 6, "{boots:?}");
    assert!(results[..3].iter().all(|result| result.verdict == Verdict::Fail && result.first.is_some()));
    for result in &results[3..] {
        assert_eq!(result.verdict, Verdict::Error);
        assert!(result.detail.contains("--timeout-scale"), "{result:?}");
    }
}

#[test]
fn a_time_out_that_was_not_tried_again_is_nobodys_verdict() {
    // Every other case hangs, also alone: the second runs stop after three of them.
    let (results, _) = settled(|name, _, _| match (0..100).step_by(2).any(|at| at < 8 && name == case(at)) {
        true => Answer::Hang,
        false => Answer::Pass,
    });
    let hung: Vec<_> = results.iter().filter(|result| result.verdict != Verdict::Pass).collect();
    assert_eq!(hung.len(), 4, "{hung:?}");
    assert!(hung[..3].iter().all(|result| result.verdict == Verdict::Fail && result.first.is_some()));
    assert_eq!((hung[3].verdict, hung[3].first.is_none()), (Verdict::Error, true));
    assert!(hung[3].detail.contains("not run again"), "{:?}", hung[3]);
}

#[test]
fn a_machine_without_a_word_is_nobodys_verdict_with_one_reason() {
    let (results, boots) = settled(|_, _, _| Answer::Mute);
    assert_eq!(boots.len(), 3, "two, and one of them again: {boots:?}");
    for result in &results {
        assert_eq!(
            (result.verdict, &result.detail, &result.first),
            (Verdict::Error, &results[0].detail, &results[0].first)
        );
    }
    assert!(results[0].detail.contains("did not say hello within 0.3 s"), "{:?}", results[0]);
    // One that was slow to boot is judged as any other.
    let (results, _) = settled(|name, before, _| match (name == case(0) || name == case(1)) && before == 0 {
        true => Answer::Mute,
        false => Answer::Pass,
    });
    assert!(results.iter().all(|result| result.verdict == Verdict::Pass), "{results:?}");
}
