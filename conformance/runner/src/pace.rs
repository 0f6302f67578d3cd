// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times a call of a guest on QEMU against a bare loop behind the same device: both in one machine, round by
//! round.

use crate::hosts::qemu::{Kind, image_for, machine};
use crate::hosts::{Event, Image, Machine};
use crate::judge::line::Lines;
use crate::slowness::is_over;
use std::fmt;
use std::time::{Duration, Instant};

/// Rounds, each of 100 calls and 100 bare trips.
const ROUNDS: u32 = 61;
/// The most that a call may take, in bare trips.
const LIMIT: f64 = 1.2;
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// What came of it: medians.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Nanoseconds of a call.
    pub ours: u64,
    /// Nanoseconds of a bare trip.
    pub reference: u64,
    /// Of the rounds' ratios.
    pub ratio: f64,
}

impl Outcome {
    /// Whether the ratio is within its limit.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.ratio <= LIMIT
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |nanos: u64| Duration::from_nanos(nanos);
        let (ours, reference) = (micros(self.ours), micros(self.reference));
        write!(
            f,
            "a call {ours:.1?}, a bare doorbell and poll {reference:.1?}: ratio {:.2}, at most {LIMIT}",
            self.ratio
        )
    }
}

/// Runs the guest.
///
/// # Errors
///
/// Why there is no machine, or why it ended before it was through, in one line.
pub fn run(kind: &Kind, image: Option<&Image>) -> Result<Outcome, String> {
    machine::check(kind)?;
    let image = image_for(kind, image)?;
    let mut running = machine::start(kind, &image, &format!("pace={ROUNDS}"), machine::Wants::Reference)?;
    let start = Instant::now();
    let (mut lines, mut rounds) = (Lines::default(), Vec::new());
    loop {
        if is_over(start, PATIENCE) {
            return Err(format!("{} of {ROUNDS} rounds within {} s", rounds.len(), PATIENCE.as_secs()));
        }
        let bytes = match running.next(PAUSE) {
            Some(Event::Bytes(bytes)) => bytes,
            Some(Event::Ended(end)) => return Err(end.to_string()),
            _ => continue,
        };
        for (_, payload) in bytes.iter().filter_map(|&byte| lines.push(byte)) {
            let mut words = payload.split(' ');
            match words.next() {
                Some("pace") => rounds.push(words.filter_map(|word| word.parse().ok()).collect::<Vec<u64>>()),
                Some("paced") => return outcome(&rounds),
                Some("failed") => return Err(payload),
                _ => {}
            }
        }
    }
}

fn outcome(rounds: &[Vec<u64>]) -> Result<Outcome, String> {
    let pairs = rounds.iter().filter_map(|round| match round[..] {
        [ours, reference @ 1..=u64::MAX] => Some((ours, reference)),
        _ => None,
    });
    let pairs: Vec<_> = pairs.collect();
    let median = |of: &dyn Fn(&(u64, u64)) -> f64| {
        let mut values: Vec<_> = pairs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let ratio = median(&|(ours, reference)| *ours as f64 / *reference as f64).ok_or("no round was timed")?;
    let ours = median(&|(ours, _)| *ours as f64).unwrap_or_default() as u64;
    let reference = median(&|(_, reference)| *reference as f64).unwrap_or_default() as u64;
    Ok(Outcome { ours, reference, ratio })
}

#[cfg(test)]
mod tests {
    use super::outcome;

    #[test]
    fn medians_are_of_whole_rounds() {
        let rounds = [vec![12, 10], vec![5, 0], vec![30, 10], vec![10, 10], vec![7]];
        let found = outcome(&rounds).expect("rounds");
        assert_eq!((found.ours, found.reference, found.is_good()), (12, 10, true));
        assert!(outcome(&[]).is_err());
    }
}
