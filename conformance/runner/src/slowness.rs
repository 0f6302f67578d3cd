// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much slower this machine is than a quiet one: what a fixed piece of work takes here, against what it
//! takes there (REP-14).
//!
//! A loaded machine gives the work a part of a processor, a slow or emulated one runs it slowly: both are
//! seen, and neither by the clock alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Steps of the work. Each waits for the one before it, so that the build's profile changes little.
const STEPS: u32 = 4_000_000;
/// What they take where nothing else runs, on a processor of 2.5 GHz.
const QUIET: Duration = Duration::from_millis(16);
/// Beyond this nothing more is allowed for: a wait has to end.
const SLOWEST: f64 = 32.0;
/// So much time passes between two looks: the work is a tenth of it.
const INTERVAL: Duration = Duration::from_millis(150);

/// How many times as long as on a quiet machine the work takes here and now: 1 to 32.
#[must_use]
pub fn measure() -> f64 {
    let start = Instant::now();
    let mut value = black_box(1_u64);
    for _ in 0..STEPS {
        value = value.wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(17) ^ 0x9e37_79b9;
    }
    black_box(value);
    (start.elapsed().as_secs_f64() / QUIET.as_secs_f64()).clamp(1.0, SLOWEST)
}

/// Time as a run's limits count it.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    quiet: Option<Quiet>,
}

/// Seconds of a quiet machine.
#[derive(Debug)]
struct Quiet {
    /// What has passed up to the last look.
    passed: Duration,
    looked: Instant,
    now: f64,
    most: f64,
}

impl Clock {
    /// Seconds by the clock on the wall.
    #[must_use]
    pub fn wall() -> Self {
        Self { start: Instant::now(), quiet: None }
    }

    /// Seconds of a quiet machine, as many as this one gets done. It looks at the machine's slowness now and
    /// whenever it is read.
    #[must_use]
    pub fn quiet() -> Self {
        let now = measure();
        let start = Instant::now();
        Self { start, quiet: Some(Quiet { passed: Duration::ZERO, looked: start, now, most: now }) }
    }

    /// What has passed since it began.
    pub fn elapsed(&mut self) -> Duration {
        let Some(quiet) = &mut self.quiet else { return self.start.elapsed() };
        if quiet.looked.elapsed() >= INTERVAL {
            // What passed since the last look was as slow as the slower of both.
            let now = measure();
            quiet.passed += quiet.looked.elapsed().div_f64(quiet.now.max(now));
            (quiet.now, quiet.most, quiet.looked) = (now, quiet.most.max(now), Instant::now());
        }
        quiet.passed + quiet.looked.elapsed().div_f64(quiet.now)
    }

    /// The most that was measured.
    #[must_use]
    pub fn slowness(&self) -> f64 {
        self.quiet.as_ref().map_or_else(measure, |quiet| quiet.most)
    }
}
