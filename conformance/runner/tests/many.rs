// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many machines in one process: each runs some of the suite's cases, and then stays and does nothing. The
//! last one costs no more than the first.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::read_dir;
use std::time::{Duration, Instant};
use tenon_conformance_runner::hosts::kvm::{Kind, Level, host, trial};
use tenon_conformance_runner::hosts::{Event, Machine};
use tenon_conformance_runner::judge::line::Lines;
use tenon_host::Services;

const MACHINES: usize = 256;
/// The cases that each runs.
const CASES: &str = "region.";
/// What a machine may take, however busy the computer is.
const PATIENCE: Duration = Duration::from_secs(120);
/// Descriptors of the process.
const DESCRIPTORS: u64 = 16 * (MACHINES as u64 + 8);

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
    let (start, mut lines, mut passed) = (Instant::now(), Lines::default(), 0);
    loop {
        assert!(start.elapsed() < PATIENCE, "a machine is not through with its cases");
        let bytes = match machine.next(Duration::from_millis(50)) {
            Some(Event::Bytes(bytes)) => bytes,
            Some(Event::Ended(end)) => panic!("{end}"),
            _ => continue,
        };
        for (_, line) in bytes.iter().filter_map(|&byte| lines.push(byte)) {
            let mut words = line.split(' ');
            match (words.next(), words.nth(1)) {
                (Some("verdict"), Some("pass")) => passed += 1,
                (Some("verdict"), Some("skip")) | (Some("hello" | "begin"), _) => {}
                (Some("done"), _) => {
                    assert!(passed >= 5, "{passed} cases passed");
                    return machine;
                }
                _ => panic!("{line}"),
            }
        }
    }
}

#[test]
fn machine_257_costs_no_more_than_machine_1() {
    let name = "machine_257_costs_no_more_than_machine_1";
    let kind = Kind { level: Level::User, ..Kind::default() };
    if let Err(why) = host(kind, None) {
        return println!("skipped: {name}: {why}");
    }
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < DESCRIPTORS) {
        return println!("skipped: {name}: the process may have only {:?} descriptors", limit.maximum);
    }
    if limit.current.is_some_and(|now| now < DESCRIPTORS) {
        let raised = Rlimit { current: Some(DESCRIPTORS), maximum: limit.maximum };
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
    for _ in 1..MACHINES {
        machines.push(rested(kind));
    }
    let (last, cost, took) = boot();
    println!("machine {}: {cost:?} in {took:.1?}", MACHINES + 1);
    assert!(cost.descriptors <= first.descriptors && cost.threads <= first.threads, "{first:?} {cost:?}");
    // What the process learned with its first machine is not counted twice; a huge page more or less is the
    // kernel's choice.
    assert!(cost.resident <= first.resident + (4 << 10), "{first:?} {cost:?}");
    drop((last, machines));
}
