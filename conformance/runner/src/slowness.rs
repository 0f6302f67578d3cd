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

/// Whether a wait that began then is over: its patience has passed, and that of a quiet machine too.
#[must_use]
pub fn is_over(since: Instant, patience: Duration) -> bool {
    // The machine is looked at only where something is late anyway.
    since.elapsed() > patience && since.elapsed() > patience.mul_f64(measure())
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
    measure: fn() -> f64,
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
        Self::measured_by(measure)
    }

    fn measured_by(measure: fn() -> f64) -> Self {
        let now = measure();
        let start = Instant::now();
        Self { start, quiet: Some(Quiet { passed: Duration::ZERO, looked: start, now, most: now, measure }) }
    }

    /// What has passed since it began.
    pub fn elapsed(&mut self) -> Duration {
        let Some(quiet) = &mut self.quiet else { return self.start.elapsed() };
        if quiet.looked.elapsed() >= INTERVAL {
            // What passed since the last look was as slow as the slower of both.
            let now = (quiet.measure)();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    #[test]
    fn a_loaded_machine_is_seen() {
        let stop = AtomicBool::new(false);
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let most = thread::scope(|scope| {
            for _ in 0..4 * processors {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            // One behind the other: who has slept is served first, and would see no crowd.
            let most = (0..40).map(|_| measure()).fold(0.0, f64::max);
            stop.store(true, Ordering::Relaxed);
            most
        });
        assert!(most > 1.5, "{most} among {} others", 4 * processors);
    }

    #[test]
    fn seconds_of_a_slow_machine_are_longer() {
        let start = Instant::now();
        let mut clock = Clock::measured_by(|| 4.0);
        while start.elapsed() < 3 * INTERVAL {
            thread::sleep(Duration::from_millis(20));
            let (quiet, wall) = (clock.elapsed(), start.elapsed());
            assert!(quiet <= wall.div_f64(3.9), "{quiet:?} in {wall:?}");
        }
        assert!(clock.elapsed() >= INTERVAL / 2);
        assert!(clock.slowness() > 3.9);
    }

    #[test]
    fn patience_is_that_of_a_quiet_machine() {
        let start = Instant::now();
        assert!(!is_over(start, Duration::from_secs(3600)));
        while !is_over(start, Duration::from_millis(10)) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "nothing is allowed for beyond {SLOWEST} times"
            );
        }
        assert!(start.elapsed() > Duration::from_millis(10));
    }

    #[test]
    fn the_clock_on_the_wall_goes_on() {
        let mut clock = Clock::wall();
        thread::sleep(Duration::from_millis(5));
        assert!(clock.elapsed() >= Duration::from_millis(5) && clock.slowness() >= 1.0);
    }
}
