// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a clock by the host's page against a bare counter and a multiplication, in turns in one guest in
//! user mode, with the same `lfence` before the counter.

use crate::call::{Trouble, ready};
use crate::listen::{Line, medians};

/// Readings between two looks of the guest's at the time.
const READINGS: f64 = 64.0;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Nanoseconds of a reading by the page, and of a bare one.
    pub nanos: [f64; 2],
    /// The ratio of the two, round by round: the lower quartile, the median, the upper quartile.
    pub quartiles: [f64; 3],
}

/// Measures. With `shared` each reading is also kept for other CPUs.
///
/// # Errors
///
/// [`Trouble`].
pub fn reading(name: &str, shared: bool, rounds: u64) -> Result<Reading, Trouble> {
    let shared = u32::from(shared);
    let line = format!("mode=native serial=burst bench=clock shared={shared} rounds={rounds}");
    let lines = ready(&line)?;
    let found = medians(name, &lines)?;
    let nanos = [found.ours, found.theirs].map(|micros| micros * 1000.0 / READINGS);
    Ok(Reading { nanos, quartiles: quartiles(&lines).ok_or_else(|| "no rounds".to_owned())? })
}

/// Of the ratios of all undisturbed rounds; of all rounds where there are none.
fn quartiles(lines: &[Line]) -> Option<[f64; 3]> {
    let ratios = |quiet: bool| {
        let rounds = lines.iter().filter(|line| line.word == "round" && (line.quiet || !quiet));
        let pairs = rounds.filter_map(|line| Some((*line.numbers.first()?, *line.numbers.get(1)?)));
        let mut all: Vec<f64> =
            pairs.filter(|(_, bare)| *bare != 0).map(|(ours, bare)| ours as f64 / bare as f64).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let mut all = ratios(true);
    if all.is_empty() {
        all = ratios(false);
    }
    let at = |quarter: usize| all.get(all.len().checked_sub(1)? * quarter / 4).copied();
    Some([at(1)?, at(2)?, at(3)?])
}
