// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs the tests that see faults, each as a process of its own.

use crate::{CHOICE, Fault, Seen, all};
use std::collections::BTreeMap;
use std::env;
use std::process::{Command, Output};

/// Runs the tests of this test binary that see a planted fault, without it and with it. `is_built` says
/// whether there are faults to choose from.
///
/// # Panics
///
/// When a test fails without a fault, or passes with the one that it is to see.
pub fn see(package: &str, target: &str, is_built: bool) {
    let here = |fault: &&Fault| match fault.seen {
        Seen::Test { package: of, target: at, .. } => (of, at) == (package, target),
        Seen::Case { .. } => false,
    };
    let faults: Vec<&Fault> = all().filter(here).collect();
    assert!(!faults.is_empty(), "no fault is seen by {target} of {package}");
    if !is_built {
        println!(
            "skipped: {} planted faults: this build has none; `cargo test --workspace` has",
            faults.len()
        );
        return;
    }
    let mut sound = BTreeMap::new();
    let mut missed = Vec::new();
    for fault in faults {
        let Seen::Test { test, .. } = fault.seen else { continue };
        let reason = sound.entry(test).or_insert_with(|| without_fault(test));
        if let Some(reason) = reason {
            println!("{:32} skipped: {reason}", fault.name);
            continue;
        }
        let seen = !run(test, Some(fault.name)).status.success();
        println!(
            "{:32} {:8} {test} {}",
            fault.name,
            fault.clause,
            if seen { "fails" } else { "DOES NOT SEE IT" }
        );
        if !seen {
            missed.push(fault.name);
        }
    }
    assert!(missed.is_empty(), "not seen: {missed:?}");
}

/// Runs a test without a fault: it passes. The reason, if it skipped itself.
fn without_fault(test: &str) -> Option<String> {
    let output = run(test, None);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{test} fails without a fault:\n{text}");
    assert!(text.contains("1 passed"), "there is no test {test}:\n{text}");
    text.lines().find_map(|line| Some(line.split_once("skipped: ")?.1.to_owned()))
}

fn run(test: &str, fault: Option<&str>) -> Output {
    let executable = env::current_exe().expect("a test binary knows where it is");
    let mut command = Command::new(executable);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env_remove(CHOICE);
    // What proptest finds here is no news: no smaller example of it, and no file.
    command.envs([("PROPTEST_MAX_SHRINK_ITERS", "0"), ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")]);
    if let Some(fault) = fault {
        command.env(CHOICE, fault);
    }
    command.output().expect("it was started before")
}
