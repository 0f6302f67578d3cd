// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many machines in one process: each runs some of the suite's cases, and then stays and does nothing. The
//! last one costs no more than the first.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::read_dir;
use std::time::{Duration, Instant};
use tenon_conformance_runner::hosts::Machine;
use tenon_conformance_runner::hosts::kvm::{Kind, Level, host, trial};
use tenon_conformance_runner::time::listen;
use tenon_host::Services;

/// Machines before the last one; `TENON_MACHINES` says how many others, as 256.
const MACHINES: usize = 8;
/// The cases that each runs.
const CASES: &str = "region.";
/// What a machine may take, however busy the computer is.
const PATIENCE: Duration = Duration::from_secs(120);
/// Descriptors that a machine may have.
const DESCRIPTORS: u64 = 16;

/// What the process has: descriptors, threads, and resident memory in KiB.
#[derive(Clone, Copy, Debug)]
struct Has {
    descriptors: usize,
    threads: usize,
    resident: u64,
}

impl Has {
    fn now() -> Self {
        let count = |of: &str| read_dir(of).expect("a folder of the process's").count();
        let text = std::fs::read_to_string("/proc/self/status").expect("the process's status");
        let resident = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let resident = resident.trim().trim_end_matches("kB").trim().parse().expect("a number");
        Self { descriptors: count("/proc/self/fd"), threads: count("/proc/self/task"), resident }
    }

    fn since(self, before: Self) -> Self {
        Self {
            descriptors: self.descriptors.saturating_sub(before.descriptors),
            threads: self.threads.saturating_sub(before.threads),
            resident: self.resident.saturating_sub(before.resident),
        }
    }
}

/// A machine that has run its cases, passed them, and rests.
fn rested(kind: Kind) -> Box<dyn Machine> {
    let parameters = format!("seed=1 filter={CASES} rest");
    let mut machine = trial((kind, None), 1, Services::ready(), &parameters).expect("a machine");
    let lines = listen(&mut *machine, PATIENCE, "done").expect("its report");
    let verdicts: Vec<&String> = lines.iter().filter(|line| line.starts_with("verdict ")).collect();
    let is = |line: &str, verdict: &str| line.split(' ').nth(2) == Some(verdict);
    let passed = verdicts.iter().filter(|line| is(line, "pass")).count();
    assert!(passed >= 5 && verdicts.iter().all(|line| is(line, "pass") || is(line, "skip")), "{lines:?}");
    machine
}

#[test]
fn the_last_machine_costs_no_more_than_the_first() {
    let name = "the_last_machine_costs_no_more_than_the_first";
    let count = std::env::var("TENON_MACHINES").map_or(MACHINES, |count| count.parse().expect("a number"));
    let descriptors = DESCRIPTORS * (count as u64 + 8);
    let kind = Kind { level: Level::User, ..Kind::default() };
    if let Err(why) = host(kind, None) {
        return println!("skipped: {name}: {why}");
    }
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < descriptors) {
        return println!("skipped: {name}: the process may have only {:?} descriptors", limit.maximum);
    }
    if limit.current.is_some_and(|now| now < descriptors) {
        let raised = Rlimit { current: Some(descriptors), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).expect("more descriptors");
    }
    let boot = || {
        let (before, start) = (Has::now(), Instant::now());
        let machine = rested(kind);
        (machine, Has::now().since(before), start.elapsed())
    };
    let (one, first, took) = boot();
    println!("machine 1: {first:?} in {took:.1?}");
    let mut machines = vec![one];
    for _ in 1..count {
        machines.push(rested(kind));
    }
    let (last, cost, took) = boot();
    println!("machine {}: {cost:?} in {took:.1?}", count + 1);
    assert!(cost.descriptors <= first.descriptors && cost.threads <= first.threads, "{first:?} {cost:?}");
    // What the process learned with its first machine is not counted twice; a huge page more or less is the
    // kernel's choice.
    assert!(cost.resident <= first.resident + (4 << 10), "{first:?} {cost:?}");
    drop((last, machines));
}
