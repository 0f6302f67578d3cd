// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is measured, all of it in turns, and what comes out.

use std::time::{Duration, Instant};

use super::pair::Reading;

/// What a sample should take, in nanoseconds.
const SAMPLE: f64 = 400_000.0;
/// Fewer quiet samples than this are no median.
pub const FEW: usize = 7;

/// Something that can be measured.
pub struct Variant {
    /// What it belongs to.
    pub group: String,
    /// Its name in the group.
    pub name: &'static str,
    /// Measures about so many operations, and says how many it were.
    pub run: Box<dyn FnMut(u64) -> (u64, Reading)>,
}

/// What came out of one variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it belongs to.
    pub group: String,
    /// Its name in the group.
    pub name: &'static str,
    /// Nanoseconds for an operation in each round, if the sample counts.
    pub rounds: Vec<Option<f64>>,
    /// Samples that were taken.
    pub taken: usize,
}

/// The middle of some numbers, and what a quarter of them is below and above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter is below.
    pub p25: f64,
    /// Half is below.
    pub median: f64,
    /// A quarter is above.
    pub p75: f64,
}

impl Spread {
    /// `None` where there are too few.
    #[must_use]
    pub fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let mut numbers: Vec<f64> = numbers.collect();
        numbers.sort_by(f64::total_cmp);
        let at = |part: usize| numbers.get(numbers.len() * part / 4).copied();
        if numbers.len() < FEW {
            return None;
        }
        Some(Self { p25: at(1)?, median: at(2)?, p75: at(3)? })
    }
}

impl Figure {
    /// Samples that counted.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.rounds.iter().flatten().count()
    }

    /// The times; `None` if too few samples counted.
    #[must_use]
    pub fn times(&self) -> Option<Spread> {
        Spread::of(self.rounds.iter().copied().flatten())
    }

    /// This one's time as a multiple of another's, round by round, because the two processors of a virtual
    /// machine may be neighbours in one round and far from each other in the next.
    ///
    /// Where too few rounds have both: of the medians. `None` if there are none.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> Option<Spread> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        Spread::of(pairs.filter_map(|(ours, theirs)| Some((*ours)? / (*theirs)?))).or_else(|| {
            let (ours, theirs) = (self.times()?, other.times()?);
            let median = ours.median / theirs.median;
            Some(Spread { p25: ours.p25 / theirs.p75, median, p75: ours.p75 / theirs.p25 })
        })
    }
}

/// Measures all variants in turns: `rounds` times, and more often while one has too few samples that count,
/// until the time is up.
#[must_use]
pub fn measure(mut variants: Vec<Variant>, rounds: usize, limit: Duration) -> Vec<Figure> {
    let end = Instant::now() + limit;
    let counts: Vec<u64> = variants.iter_mut().map(calibrate).collect();
    let mut figures: Vec<Figure> = variants
        .iter()
        .map(|variant| Figure {
            group: variant.group.clone(),
            name: variant.name,
            rounds: Vec::new(),
            taken: 0,
        })
        .collect();
    for round in 0..3 * rounds {
        // All of a round or nothing: it is compared within itself.
        let enough = round >= rounds && figures.iter().all(|figure| figure.kept() >= 2 * FEW);
        if enough || Instant::now() >= end {
            break;
        }
        for ((variant, figure), count) in variants.iter_mut().zip(&mut figures).zip(&counts) {
            let (done, reading) = (variant.run)(*count);
            figure.taken += 1;
            figure.rounds.push(reading.quiet.then_some(reading.nanos / done as f64));
        }
    }
    figures
}

/// How many operations make a sample.
fn calibrate(variant: &mut Variant) -> u64 {
    let mut count = 256;
    loop {
        let (done, reading) = (variant.run)(count);
        // Somebody else's time slice in it makes a sample too short, never too long.
        let each = reading.nanos / done as f64;
        if reading.nanos > SAMPLE / 8.0 || count > 1 << 20 {
            return ((SAMPLE / each) as u64).clamp(64, 1 << 20);
        }
        count *= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(rounds: &[Option<f64>]) -> Figure {
        Figure { group: "g".into(), name: "n", rounds: rounds.into(), taken: rounds.len() }
    }

    #[test]
    fn quarters_lie_in_order() {
        let rounds: Vec<_> = (0..9).rev().map(|number| Some(f64::from(number))).collect();
        assert_eq!(figure(&rounds).times(), Some(Spread { p25: 2.0, median: 4.0, p75: 6.0 }));
        assert_eq!(figure(&rounds[..FEW - 1]).times(), None, "too few");
    }

    #[test]
    fn ratios_are_those_of_one_round() {
        // Both three times slower in every second round: the ratio stays.
        let both = |each: f64| {
            let rounds = (0..10).map(|round| Some(if round % 2 == 0 { each } else { 3.0 * each }));
            figure(&rounds.collect::<Vec<_>>())
        };
        assert_eq!(both(2.0).ratio(&both(1.0)), Some(Spread { p25: 2.0, median: 2.0, p75: 2.0 }));
        let mut holes = both(1.0);
        holes.rounds[..4].fill(None);
        assert_eq!(both(2.0).ratio(&holes), None, "six samples are no median");
    }

    #[test]
    fn only_quiet_samples_count() {
        let mut calls = 0u32;
        let variant = Variant {
            group: "g".into(),
            name: "n",
            run: Box::new(move |count| {
                calls += 1;
                let quiet = calls.is_multiple_of(2);
                let each = if quiet { 1000.0 } else { 9000.0 };
                (count, Reading { nanos: each * count as f64, quiet })
            }),
        };
        let figures = measure(vec![variant], 20, Duration::from_secs(60));
        let times = figures[0].times().expect("enough");
        assert_eq!((times.median, times.p75), (1000.0, 1000.0));
        assert!(figures[0].kept() >= 2 * FEW && figures[0].kept() < figures[0].taken, "{figures:?}");
    }
}
