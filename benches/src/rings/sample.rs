// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is measured, all of it in turns, and what comes out.

use std::time::{Duration, Instant};

use super::pair::Reading;

/// What a sample should take.
const SAMPLE: f64 = 700_000.0;
/// Fewer quiet samples than this are no median.
pub const FEW: usize = 7;

/// Something that can be measured.
pub struct Variant {
    /// What it belongs to: variants of a group are compared.
    pub group: String,
    /// Its name in the group.
    pub name: &'static str,
    /// Measures about so many operations, and says how many it were.
    pub run: Box<dyn FnMut(u64) -> (u64, Reading)>,
}

/// What came out of one variant. Times are nanoseconds for an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it belongs to.
    pub group: String,
    /// Its name in the group.
    pub name: &'static str,
    /// The value in the middle.
    pub median: f64,
    /// A quarter of the samples is below.
    pub p25: f64,
    /// A quarter of the samples is above.
    pub p75: f64,
    /// Samples that counted.
    pub kept: usize,
    /// Samples that were taken.
    pub taken: usize,
}

/// Measures all variants in turns: at least `rounds` rounds, and more while one has too few quiet samples, until the time is up.
#[must_use]
pub fn measure(mut variants: Vec<Variant>, rounds: usize, limit: Duration) -> Vec<Figure> {
    let end = Instant::now() + limit;
    let counts: Vec<u64> = variants.iter_mut().map(calibrate).collect();
    let mut samples = vec![Vec::new(); variants.len()];
    let mut taken = vec![0; variants.len()];
    for round in 0..3 * rounds {
        for (index, variant) in variants.iter_mut().enumerate() {
            let enough = samples[index].len() >= 2 * FEW && round >= rounds;
            if enough || Instant::now() >= end {
                continue;
            }
            let (done, reading) = (variant.run)(counts[index]);
            taken[index] += 1;
            if reading.quiet {
                samples[index].push(reading.nanos / done as f64);
            }
        }
    }
    let figure = |((variant, samples), taken): ((Variant, Vec<f64>), usize)| {
        let [p25, median, p75] = quartiles(samples.clone());
        Figure { group: variant.group, name: variant.name, median, p25, p75, kept: samples.len(), taken }
    };
    variants.into_iter().zip(samples).zip(taken).map(figure).collect()
}

/// How many operations make a sample.
fn calibrate(variant: &mut Variant) -> u64 {
    let mut count = 256;
    loop {
        let (done, reading) = (variant.run)(count);
        // Somebody else's time slice in it makes a sample too short, never too long.
        let each = reading.nanos / done as f64;
        let wanted = (SAMPLE / each) as u64;
        if reading.nanos > SAMPLE / 8.0 || count > 1 << 20 {
            return wanted.clamp(64, 1 << 20);
        }
        count *= 4;
    }
}

/// Of nothing: no numbers.
fn quartiles(mut samples: Vec<f64>) -> [f64; 3] {
    samples.sort_by(f64::total_cmp);
    let at = |part: usize| samples.get(samples.len() * part / 4).copied().unwrap_or(f64::NAN);
    [at(1), at(2), at(3)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_in_order() {
        assert_eq!(quartiles((0..9).rev().map(f64::from).collect()), [2.0, 4.0, 6.0]);
        assert!(quartiles(Vec::new())[1].is_nan());
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
        assert_eq!((figures[0].median, figures[0].p75), (1000.0, 1000.0));
        assert!(figures[0].kept >= FEW && figures[0].kept < figures[0].taken, "{figures:?}");
    }
}
