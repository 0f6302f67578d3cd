// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kills the worker of a host under load, again and again, and holds the guest's account of its calls against
//! what came out (SES-9, CALL-18).

use crate::hosts::qemu::{Kind, image_for, machine};
use crate::hosts::{Event, Image, Machine};
use crate::judge::line::Lines;
use crate::slowness::is_over;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

/// The longest wait between a guest's return and the next kill.
const LONGEST: u64 = 12_000;
/// A guest that has not come back by then will not.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is looked at without a wait.
const PAUSE: Duration = Duration::from_micros(500);

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Workers that were killed.
    pub killed: u32,
    /// The guest's account, as it reported it.
    pub account: String,
    /// Lines of text that came out.
    pub lines: usize,
    /// The median and the longest time from a kill until the guest had a session again.
    pub back: [Duration; 2],
    /// What does not fit.
    pub problems: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, longest] = self.back;
        write!(
            f,
            "{} workers killed, the guest back after {median:.1?} (longest {longest:.1?}); {}; {} lines came out",
            self.killed, self.account, self.lines
        )?;
        for problem in &self.problems {
            write!(f, "\n  fail {problem}")?;
        }
        Ok(())
    }
}

/// Boots a guest under load and kills `rounds` workers of its host.
///
/// # Errors
///
/// Why there is no machine, or why it ended before it was through, in one line.
pub fn run(kind: &Kind, image: Option<&Image>, rounds: u32, seed: u64) -> Result<Outcome, String> {
    machine::check(kind)?;
    let image = image_for(kind, image)?;
    let shared = shared_files();
    let mut running =
        machine::start(kind, &image, &format!("seed={seed:x} load={rounds}"), machine::Wants::Console)?;
    let mut outcome = Outcome::default();
    let mut random = seed | 1;
    let (mut lines, mut lost) = (Lines::default(), BTreeSet::new());
    let (mut due, mut killed_at, mut backs) = (None, None::<Instant>, Vec::new());
    let (mut since, mut before) = (Instant::now(), None);
    while outcome.account.is_empty() {
        if is_over(since, PATIENCE) {
            return Err(format!("the guest has not come back after {} kills", outcome.killed));
        }
        // The guest may have found the next worker before the broker's word of it came.
        let named = running.workers().count() > outcome.killed as usize;
        if named && due.is_some_and(|due| Instant::now() >= due) {
            due = None;
            let worker = running.workers().next_back().ok_or("the broker names no worker")?;
            before.get_or_insert_with(|| belongings(running.broker()));
            kill(worker)?;
            (outcome.killed, killed_at) = (outcome.killed + 1, Some(Instant::now()));
        }
        let bytes = match running.next(PAUSE) {
            Some(Event::Bytes(bytes)) => bytes,
            Some(Event::Ended(end)) => return Err(format!("{end} after {} kills", outcome.killed)),
            _ => continue,
        };
        for (_, payload) in bytes.iter().filter_map(|&byte| lines.push(byte)) {
            match payload.split_once(' ') {
                Some(("session", _)) => {
                    since = Instant::now();
                    backs.extend(killed_at.take().map(|at| at.elapsed()));
                    if outcome.killed < rounds {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        due = Some(since + Duration::from_micros((random >> 33) % LONGEST));
                    }
                }
                Some(("lost", number)) => lost.extend(number.parse::<u64>()),
                Some(("load", account)) => account.clone_into(&mut outcome.account),
                _ => {}
            }
        }
    }
    let after = belongings(running.broker());
    let count = running.workers().count();
    let text = running.into_console();
    backs.sort_unstable();
    outcome.back = [backs.get(backs.len() / 2), backs.last()].map(|back| back.copied().unwrap_or_default());
    outcome.judge(&text, &lost);
    let mut require = |holds: bool, problem: String| outcome.problems.extend((!holds).then_some(problem));
    require(count == rounds as usize + 1, format!("{count} workers were started for {rounds} kills"));
    let before = before.unwrap_or_default();
    require(
        before == after,
        format!("the broker's descriptors and children: {before:?} before, {after:?} after"),
    );
    let left = shared_files();
    require(left.is_subset(&shared), format!("left in shared memory: {left:?}"));
    Ok(outcome)
}

impl Outcome {
    /// Each line whose write the guest saw completed is there once; one that it does not know of at most
    /// once; no other line is.
    fn judge(&mut self, text: &[u8], lost: &BTreeSet<u64>) {
        let mut seen = BTreeMap::<u64, u32>::new();
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let number = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix('\n'));
            match number.and_then(|number| u64::from_str_radix(number, 16).ok()) {
                Some(number) => *seen.entry(number).or_default() += 1,
                None => self.problems.push(format!("not a line: {:?}", String::from_utf8_lossy(line))),
            }
        }
        self.lines = seen.len();
        let field = |name: &str| {
            let word = self.account.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            word.and_then(|number| number.parse::<u64>().ok())
        };
        let (Some(writes), Some(counted)) = (field("writes"), field("lost")) else {
            self.problems.push("the guest's account does not add up".to_owned());
            return;
        };
        let mut problems = Vec::new();
        if counted != lost.len() as u64 {
            problems.push(format!("{counted} lines lost, {} named", lost.len()));
        }
        for number in 0..writes + counted {
            let times = seen.remove(&number).unwrap_or(0);
            if times > 1 || times == 0 && !lost.contains(&number) {
                problems.push(format!("line {number} came out {times} times"));
            }
        }
        problems.extend(seen.keys().map(|number| format!("line {number} was never written")));
        problems.truncate(10);
        self.problems.append(&mut problems);
    }
}

fn kill(worker: u32) -> Result<(), String> {
    let pid = i32::try_from(worker).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    kill_process(pid, Signal::KILL).map_err(|error| format!("worker {worker} cannot be killed: {error}"))
}

/// How many descriptors and children a process has.
fn belongings(process: u32) -> [usize; 2] {
    let fds = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    [fds, children.split_whitespace().count()]
}

/// What lies in shared memory under a name of Tenon's.
fn shared_files() -> BTreeSet<String> {
    let entries = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains("tenon") || name.contains("ivshmem")).collect()
}
