// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every fault is caught by a case that cites the clause it breaks, and that passes on the sound host.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use tenon_conformance_runner::clauses;
use tenon_conformance_runner::faults::{self, Fault};
use tenon_conformance_runner::hosts::loopback::Loopback;
use tenon_conformance_runner::judge::Limits;
use tenon_conformance_runner::play::{Wish, play};
use tenon_conformance_runner::verdict::{CaseResult, Verdict};

fn results(fault: Option<&str>, only: Option<&'static str>) -> Vec<CaseResult> {
    let executable = env!("CARGO_BIN_EXE_tenon-conformance").into();
    let mut host = Loopback::of(executable, "loopback", fault);
    let limits = Limits::scaled(1.0).expect("one is a scale");
    let wish = Wish { filter: None, only, part: None, seed: 1, limits };
    play(&mut host, &wish, &mut |_| {}).expect("the loopback host is always there").results
}

/// The first case that cites the clause of the fault, passes on the sound host, and fails on the broken one.
fn caught_by(fault: &Fault, sound: &BTreeSet<String>) -> Option<&'static str> {
    let cites = |case: &&tenon_conformance::Case| case.clauses.contains(&fault.clause);
    let names = tenon_conformance::all().filter(cites).map(|case| case.name);
    names.filter(|&name| sound.contains(name)).find(|&name| {
        results(Some(fault.name), Some(name)).iter().any(|result| result.verdict == Verdict::Fail)
    })
}

#[test]
fn each_is_caught_by_a_case_that_cites_its_clause() {
    let passed = results(None, None).into_iter().filter(|result| result.verdict == Verdict::Pass);
    let sound: BTreeSet<_> = passed.map(|result| result.name).collect();
    let waiting = Mutex::new(faults::all().enumerate());
    let next = || waiting.lock().expect("no other thread panicked").next();
    let report = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((index, fault)) = next() {
                    let case = caught_by(fault, &sound);
                    report.lock().expect("no other thread panicked").push((index, fault, case));
                }
            });
        }
    });
    let mut report = report.into_inner().expect("no thread panicked");
    report.sort_by_key(|(index, ..)| *index);
    for (_, fault, case) in &report {
        println!("{:26} {:8} {}", fault.name, fault.clause, case.unwrap_or("NOT CAUGHT"));
    }
    let missed: Vec<_> =
        report.iter().filter(|(.., case)| case.is_none()).map(|(_, fault, _)| fault.name).collect();
    assert!(missed.is_empty(), "no case that cites the clause catches {missed:?}");
}

#[test]
fn their_names_are_unique_and_their_clauses_exist() {
    let clauses = clauses::all();
    let mut names = BTreeSet::new();
    for fault in faults::all() {
        assert!(clauses.contains(fault.clause), "{}: {}", fault.name, fault.clause);
        assert!(names.insert(fault.name), "{} twice", fault.name);
    }
    assert!(names.len() >= 60);
}
