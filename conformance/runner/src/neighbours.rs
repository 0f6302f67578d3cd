// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two guests at once, each on a QEMU and a broker of its own, that try to reach each other's memory and
//! doorbells (SHM-7).

use crate::hosts::qemu::{Kind, image_for, machine};
use crate::hosts::{Event, Image, Machine};
use crate::judge::line::Lines;
use crate::slowness::is_over;
use std::fmt;
use std::time::{Duration, Instant};

/// How long each of them tries.
const MILLIS: u64 = 1000;
/// A guest that is not through by then will not be.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(1);

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What each guest reported.
    pub accounts: [String; 2],
    /// What does not fit.
    pub problems: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.accounts;
        write!(f, "two guests at once: {first}; {second}")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  fail {problem}"))
    }
}

/// When a guest began and ended to try, and what it reported.
#[derive(Default)]
struct Seen {
    lines: Lines,
    begun: Option<Instant>,
    ended: Option<Instant>,
    account: String,
}

/// Runs both.
///
/// # Errors
///
/// Why there is no machine, or why one ended before it was through, in one line.
pub fn run(kind: &Kind, image: Option<&Image>) -> Result<Outcome, String> {
    machine::check(kind)?;
    let image = image_for(kind, image)?;
    let line = |pattern: u64| format!("pattern={pattern:#x} neighbour={MILLIS}");
    let start = |pattern| machine::start(kind, &image, &line(pattern), machine::Wants::Nothing);
    let mut machines = [start(0x1111_2222_3333_4444)?, start(0xcccc_dddd_eeee_ffff)?];
    let mut seen = [Seen::default(), Seen::default()];
    let start_of_all = Instant::now();
    while seen.iter().any(|seen| seen.ended.is_none()) {
        if is_over(start_of_all, PATIENCE) {
            return Err(format!("a guest said nothing within {} s", PATIENCE.as_secs()));
        }
        for (machine, seen) in machines.iter_mut().zip(&mut seen).filter(|(_, seen)| seen.ended.is_none()) {
            match machine.next(PAUSE) {
                Some(Event::Bytes(bytes)) => seen.bytes(&bytes),
                Some(Event::Ended(end)) => return Err(end.to_string()),
                _ => {}
            }
        }
    }
    let mut outcome = Outcome::default();
    let last_begun = seen.iter().filter_map(|seen| seen.begun).max();
    let first_ended = seen.iter().filter_map(|seen| seen.ended).min();
    if last_begun >= first_ended {
        outcome.problems.push("they were not there at the same time".to_owned());
    }
    for seen in &seen {
        // What it rang for itself arrives where messages do, so others would have been seen.
        let heard = if kind.messages > 0 { "heard=1" } else { "heard=0" };
        for expected in [heard, "foreign=0", "messages=0"] {
            if !seen.account.split(' ').any(|word| word == expected) {
                outcome.problems.push(format!("not {expected}: {}", seen.account));
            }
        }
    }
    outcome.accounts = seen.map(|seen| seen.account);
    Ok(outcome)
}

impl Seen {
    fn bytes(&mut self, bytes: &[u8]) {
        for (_, payload) in bytes.iter().filter_map(|&byte| self.lines.push(byte)) {
            if payload == "filled" {
                self.begun = Some(Instant::now());
            } else if let Some(account) = payload.strip_prefix("neighbour ") {
                (self.ended, self.account) = (Some(Instant::now()), account.to_owned());
            }
        }
    }
}
