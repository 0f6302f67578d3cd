// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps back, on one CPU and across several; deadlines.

use tenon_abi::time::NEVER;
use tenon_abi::{Clock as Which, Op, Status};
use tenon_guest::Error;
use tenon_guest::time::{Clock, Monotonic, Reading, Timers};

use super::{ALL, Answers, honest, publish, with_clock};

fn reading(ns: u64, error: u64, step_back: Option<u64>) -> Result<Reading, Error> {
    Ok(Reading { ns, error, step_back })
}

#[test]
fn a_step_back_is_told_once_and_its_error_says_so() {
    with_clock(|host, _, ticks, clock| {
        ticks.set(1000 + 2_000);
        assert_eq!(clock.running(), reading(6_000, 10, None));
        assert_eq!(clock.utc(), reading(901_000, 30, None));
        let mut back = honest();
        back.ns = [2_000.into(), 1_000.into(), 500.into()];
        publish(host, &back);
        assert_eq!(clock.running(), reading(6_000, 3_010, Some(3_000)));
        assert_eq!(clock.running(), reading(6_000, 3_010, None), "told before");
        assert_eq!(clock.boot(), reading(2_000, 20, None), "nobody has read it before");
        assert_eq!(clock.utc(), reading(1_500, 30, None), "UTC follows the host");
        ticks.set(1000 + 4_000);
        assert_eq!(clock.running(), reading(6_000, 2_011, None), "still behind");
        ticks.set(1000 + 9_000);
        assert_eq!(clock.running(), reading(6_500, 14, None), "it has caught up");
        ticks.set(1000);
        assert_eq!(clock.running(), reading(6_500, 4_510, Some(4_500)), "the next step is news");
    });
}

#[test]
fn a_value_that_is_less_exact_is_no_step() {
    with_clock(|host, _, _, clock| {
        assert_eq!(clock.running(), reading(5_000, 10, None));
        let mut back = honest();
        back.ns[0] = 4_990.into();
        publish(host, &back);
        assert_eq!(clock.running(), reading(5_000, 20, None));
        back.ns[0] = 4_989.into();
        publish(host, &back);
        assert_eq!(clock.running(), reading(5_000, 21, Some(11)));
    });
}

#[test]
fn no_cpu_reads_less_than_another_has_read() {
    let all = Monotonic::new();
    let [here, there] = [Answers::new(), Answers::new()];
    let clocks = [&here, &there].map(|calls| Clock::by_call(calls).across(&all));
    here.clock.set(Ok(100));
    there.clock.set(Ok(90));
    for which in [Which::RUNNING, Which::BOOT] {
        assert_eq!(clocks[0].read(which), reading(100, 0, None));
        assert_eq!(clocks[1].read(which), reading(100, 10, Some(10)), "{which:?}");
        assert_eq!(clocks[1].read(which), reading(100, 10, None));
    }
    assert_eq!(clocks.each_ref().map(Clock::utc), [reading(100, 0, None), reading(90, 0, None)]);
    // Two kernels, or two clocks of one CPU, that share nothing.
    let alone = Clock::by_call(&there);
    assert_eq!(alone.running(), reading(90, 0, None));
}

#[test]
fn what_another_cpu_reads_meanwhile_is_no_step_back() {
    static ALL_CPUS: Monotonic = Monotonic::new();
    let calls = Answers::new();
    calls.clock.set(Ok(100));
    // While the host answers here, another CPU is told a later time.
    *calls.within.borrow_mut() = Box::new(|| {
        let other = Answers::new();
        other.clock.set(Ok(150));
        assert_eq!(Clock::by_call(&other).across(&ALL_CPUS).running(), reading(150, 0, None));
    });
    let clock = Clock::by_call(&calls).across(&ALL_CPUS);
    assert_eq!(clock.running(), reading(100, 0, None), "both began before either ended");
    *calls.within.borrow_mut() = Box::new(|| ());
    assert_eq!(clock.running(), reading(150, 50, Some(50)), "that one had ended");
}

#[test]
fn a_deadline_is_reached_as_soon_as_it_may_be() {
    let at = |ns, error| Reading { ns, error, step_back: None };
    for (now, deadline, is_reached) in [
        (at(100, 0), 100, true),
        (at(100, 0), 101, false),
        (at(95, 5), 100, true),
        (at(94, 5), 100, false),
        (at(u64::MAX - 1, 5), NEVER, true),
        (at(0, NEVER), 1 << 40, true),
        (at(0, 0), 0, true),
    ] {
        assert_eq!(now.reaches(deadline), is_reached, "{now:?} {deadline}");
    }
}

#[test]
fn timers_are_set_and_cancelled_as_the_text_says() {
    let calls = Answers::new();
    let timers = Timers::over(&calls);
    assert_eq!(timers.set(3, Which::BOOT, 1 << 40, 77), Ok(()));
    assert_eq!(calls.asked.borrow().last(), Some(&(Op::TIMER_SET, [3, 1, 1 << 40, 77])));
    // A host that answers with what there is no word for.
    for (answer, had) in [(0, false), (1, true), (u64::MAX, true)] {
        calls.clock.set(Ok(answer));
        assert_eq!(timers.cancel(3), Ok(had));
    }
    assert_eq!(calls.asked.borrow().last(), Some(&(Op::TIMER_CANCEL, [3, 0, 0, 0])));
    calls.clock.set(Err(Error::Refused(Status::NOT_FOUND)));
    assert_eq!(timers.set(3, Which::BOOT, 1, 0), Err(Error::Refused(Status::NOT_FOUND)));
    assert_eq!(timers.cancel(3), Err(Error::Refused(Status::NOT_FOUND)));
    assert_eq!(format!("{timers:?} {:?}", Clock::by_call(&calls)), "Timers { .. } Clock { .. }");
    assert_eq!(ALL.map(|which| Clock::by_call(&calls).read(which).is_err()), [true; 3]);
}
