// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks between two readings of a counter that the host does not know.

use std::cell::Cell;
use std::rc::Rc;

use tenon_abi::Clock as Which;
use tenon_guest::Error;
use tenon_guest::time::{Clock, Monotonic, Rate};

use super::{Answers, Ticks};

/// A counter of 100 MHz: 10 ns a tick.
const HZ: u64 = 100_000_000;

#[test]
fn the_hosts_clock_lies_within_the_error_wherever_in_the_call_it_was_read() {
    // Ticks before the host reads its clock, and behind that.
    for (before, behind) in [(0, 0), (0, 1000), (1000, 0), (500, 500), (1, 77_777), (77_777, 1)] {
        let (calls, ticks) = (Answers::new(), Ticks::new());
        ticks.set(5_000);
        calls.clock.set(Ok(1_000_000));
        let passing = Rc::clone(&ticks.now);
        *calls.within.borrow_mut() = Box::new(move || passing.set(passing.get() + before + behind));
        let rate = Rate::new(HZ, 0).expect("it ticks");
        let reading = Clock::bracketed(&calls, ticks, rate).running().expect("the host answers");
        // When the reading ends the host's clock says so:
        let truth = 1_000_000 + behind * 10;
        assert!(reading.ns.abs_diff(truth) <= reading.error, "{reading:?}, and it is {truth}");
        assert!(reading.error <= (before + behind) * 5 + 4, "{reading:?} of {before} + {behind} ticks");
    }
}

/// An honest host whose answer came late once: the middle of that bracket lies ahead of the ones behind it.
#[test]
fn a_wide_bracket_makes_no_step_back_of_a_narrow_one() {
    let all = Monotonic::new();
    for shared in [false, true] {
        let (calls, ticks) = (Answers::new(), Ticks::new());
        let rate = Rate::new(HZ, 0).expect("it ticks");
        let (now, took) = (Rc::clone(&ticks.now), Rc::new(Cell::new(0)));
        let passes = Rc::clone(&took);
        *calls.within.borrow_mut() = Box::new(move || now.set(now.get() + passes.get()));
        let clock = Clock::bracketed(&calls, ticks, rate);
        let clock = if shared { clock.across(&all) } else { clock };
        let mut last = 0;
        let mut read = |said: u64, ticks: u64| {
            calls.clock.set(Ok(said));
            took.set(ticks);
            let reading = clock.running().expect("the host answers");
            assert!(reading.ns >= last, "the clock went back");
            assert!(reading.ns - reading.error <= said + ticks * 10 && said <= reading.ns + reading.error);
            last = reading.ns;
            reading.step_back
        };
        // The host read its clock at the end of a second's wait.
        assert_eq!(read(2_000_000_000, 100_000_000), None);
        assert_eq!([read(2_000_000_100, 2), read(2_000_000_100, 2), read(2_000_005_000, 2)], [None; 3]);
        // A host that steps back is told all the same, and once.
        assert_eq!([read(1_999_000_000, 2), read(1_999_000_100, 2)], [Some(1_005_000), None]);
    }
}

#[test]
fn a_bracket_counts_on_with_an_error_that_grows() {
    let (calls, ticks) = (Answers::new(), Ticks::new());
    ticks.set(1_000);
    calls.clock.set(Ok(50_000));
    // 200 ppm, which a plain oscillator has.
    let rate = Rate::new(HZ, 200_000).expect("it ticks");
    let clock = Clock::bracketed(&calls, ticks, rate);
    let bracket = clock.bracket(Which::BOOT).expect("the host answers").expect("it has a rate");
    assert_eq!((bracket.counter, bracket.ns), (1_000, 50_000));
    for seconds in [0, 1, 60, 100_000] {
        let (ns, error) = bracket.at(1_000 + seconds * HZ);
        let passed = seconds * 1_000_000_000;
        // A counter that runs too fast by all that it may.
        let fastest = 50_000 + passed - passed / 5_001;
        assert!(ns.abs_diff(fastest) <= error, "{seconds} s: {ns} give or take {error}");
        assert!(error <= passed / 4_999 + 8, "{seconds} s: {error}");
    }
    assert_eq!(bracket.at(0).0, 50_000, "a counter from before");
    assert!(Clock::by_call(&calls).bracket(Which::BOOT).is_ok_and(|none| none.is_none()));
}

#[test]
fn no_counter_and_no_answer_is_too_strange() {
    assert_eq!(Rate::new(0, 0), None);
    for hz in [1, 2, 999_999_937, 1 << 40, u64::MAX] {
        for ppb in [0, 1, 1_000_000_000, u64::MAX] {
            let rate = Rate::new(hz, ppb).expect("it ticks");
            for (first, second) in [(0, 0), (0, u64::MAX), (u64::MAX, 0), (1 << 63, u64::MAX)] {
                for ns in [0, 1 << 63, u64::MAX] {
                    let (calls, ticks) = (Answers::new(), Ticks::new());
                    calls.clock.set(Ok(ns));
                    ticks.set(first);
                    let passing = Rc::clone(&ticks.now);
                    *calls.within.borrow_mut() = Box::new(move || passing.set(second));
                    let clock = Clock::bracketed(&calls, ticks, rate);
                    let reading = clock.running().expect("the host answers");
                    assert!(reading.ns >= ns, "the host's clock was there");
                    let bracket =
                        clock.bracket(Which::UTC).expect("the host answers").expect("it has a rate");
                    let (later, error) = bracket.at(u64::MAX);
                    assert!(later >= bracket.ns && error >= bracket.error);
                }
            }
        }
    }
    let calls = Answers::new();
    calls.clock.set(Err(Error::Pending));
    let clock = Clock::bracketed(&calls, Ticks::new(), Rate::new(HZ, 0).expect("it ticks"));
    assert_eq!((clock.running(), clock.bracket(Which::UTC)), (Err(Error::Pending), Err(Error::Pending)));
}
