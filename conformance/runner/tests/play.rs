// SPDX-License-Identifier: MIT OR Apache-2.0
//! Machines that misbehave, on hosts that are made for it: nothing outlasts its limit, and everything is
//! named.

use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tenon_conformance::report::Line;
use tenon_conformance_runner::hosts::loopback::Loopback;
use tenon_conformance_runner::hosts::{End, Event, Host, Machine};
use tenon_conformance_runner::judge::Limits;
use tenon_conformance_runner::play::{Played, Wish, play};
use tenon_conformance_runner::verdict::Verdict;

/// A host whose machines do what a script says, given the number of the boot and the case to begin with.
struct Scripted {
    script: fn(usize, &str) -> Vec<Event>,
    boots: usize,
}

struct Script(VecDeque<Event>);

impl Host for Scripted {
    fn boot(&mut self, command_line: &str) -> Result<Box<dyn Machine>, String> {
        let from = command_line.split(' ').find_map(|word| word.strip_prefix("from=")).expect("a case");
        self.boots += 1;
        Ok(Box::new(Script((self.script)(self.boots, from).into())))
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

fn say(lines: &[String]) -> Vec<Event> {
    let framed = (0..).zip(lines).map(|(sequence, line)| Line::new(sequence, format_args!("{line}")));
    framed.map(|line| Event::Bytes(line.as_bytes().to_vec())).collect()
}

fn wish(seconds_a_case: f64) -> Wish {
    let limits = Limits::scaled(seconds_a_case / 5.0).expect("a scale");
    Wish { filter: Some("discovery.".to_owned()), only: None, part: None, seed: 1, limits }
}

fn played(host: &mut dyn Host, wish: &Wish) -> (Played, Duration) {
    let start = Instant::now();
    let played = play(host, wish, &mut |_| {}).expect("a machine");
    assert_eq!(played.results.len(), wish.cases().len(), "each case has its result");
    (played, start.elapsed())
}

#[test]
fn a_case_that_hangs_is_named_and_the_rest_runs() {
    let mut host = Scripted {
        script: |boot, from| {
            let mut lines = vec!["hello 1 arch=x seed=1 cases=1".to_owned(), format!("begin {from}")];
            if boot != 1 {
                lines.push(format!("verdict {from} pass 1 "));
                lines.push("done".to_owned());
            }
            say(&lines)
        },
        boots: 0,
    };
    let (played, _) = played(&mut host, &wish(0.2));
    assert_eq!(
        (played.results[0].verdict, &*played.results[0].detail),
        (Verdict::Fail, "no verdict within 0.2 s")
    );
    assert!(played.results[1..].iter().all(|result| result.verdict == Verdict::Pass));
    assert_eq!(host.boots, played.results.len());
}

#[test]
fn a_machine_that_reboots_for_ever_ends_with_the_cases() {
    let mut host = Scripted {
        script: |_, _| {
            let mut events = say(&["hello 1 arch=x seed=1 cases=1".to_owned()]);
            events.push(Event::Ended(End::Restart));
            events
        },
        boots: 0,
    };
    let (played, _) = played(&mut host, &wish(5.0));
    assert!(played.results.iter().all(|result| result.verdict == Verdict::Fail), "{played:?}");
    assert_eq!(host.boots, played.results.len());
}

#[test]
fn a_host_has_its_time_and_no_more() {
    // Each case takes nearly all of its own time.
    let mut host = Scripted {
        script: |_, from| say(&["hello 1 arch=x seed=1 cases=1".to_owned(), format!("begin {from}")]),
        boots: 0,
    };
    let mut wish = wish(0.1);
    wish.limits.host = Duration::from_millis(250);
    let (played, took) = played(&mut host, &wish);
    assert!(took < Duration::from_secs(2), "{took:?}");
    let last = played.results.last().expect("a result");
    assert_eq!((last.verdict, &*last.detail), (Verdict::Error, "no verdict: the host's 0.25 s are used up"));
}

#[cfg(unix)]
#[test]
fn processes_that_are_no_machines_are_stopped() {
    use std::os::unix::fs::PermissionsExt;
    use std::{fs, path::Path};

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let programs = [
        ("flood", "exec yes", "did not say hello within 0.3 s"),
        ("mute", "exec sleep 30", "did not say hello within 0.3 s"),
        ("crash", "echo broken >&2; exit 3", "crashed (exit status: 3): broken"),
        ("leave", "exit 0", "came to its end"),
    ];
    for (name, script, _) in programs {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the folder is the test's own");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is the test's own");
    }
    for (name, _, expected) in programs {
        let (played, took) = played(&mut Loopback::of(folder.join(name), "loopback", None), &wish(0.3));
        let first = &played.results[0];
        assert_eq!(first.verdict, Verdict::Error, "{name}: {first:?}");
        assert!(first.detail.contains(expected), "{name}: {first:?}");
        assert!(took < Duration::from_secs(3), "{name}: {took:?}");
    }
    let no_program = play(&mut Loopback::of("/nowhere".into(), "loopback", None), &wish(0.3), &mut |_| {});
    assert!(no_program.expect_err("there is none").contains("/nowhere"));
}
