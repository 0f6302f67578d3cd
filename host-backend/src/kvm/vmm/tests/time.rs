// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks and timers: what the page says of the guest's counter, and the thread that expires timers.

use super::*;
use crate::kvm::attachment::State;
use crate::kvm::expiry::expire;
use tenon_abi::page::{COPIES, SEQUENCE, valid_copy};
use tenon_abi::{Clock, CounterKind, PageKind, TimeCopy};
use zerocopy::FromBytes;

const PORT: u64 = 7;

impl Guest {
    /// The valid copy of the page TIME.
    fn time_page(&mut self) -> TimeCopy {
        let page = self.call(Op::PAGE, [PageKind::TIME.0.into(), 0, 0]);
        let sequence = self.window(page + SEQUENCE);
        let from = page + COPIES + valid_copy(sequence) as u64 * size_of::<TimeCopy>() as u64;
        let words: Vec<u64> = (0..16).map(|index| self.window(from + index * 8)).collect();
        assert_eq!(self.window(page + SEQUENCE), sequence, "nobody else writes it now");
        TimeCopy::read_from_bytes(words.as_bytes()).unwrap()
    }

    fn start_clocks(&self) {
        self.vmm.attachment.with(State::start_clocks);
    }

    /// The timers' thread, as a run has it.
    fn with_timers<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        let (attachment, alarm) = (Arc::clone(&self.vmm.attachment), self.vmm.alarm.clone());
        let timers = thread::spawn(move || expire(&attachment, &alarm));
        let result = body(self);
        self.vmm.machine.control().end(Outcome::Ended);
        self.vmm.alarm.set(0);
        assert!(timers.join().unwrap().is_ok());
        result
    }
}

/// The page's formula and the host's clock are one within the error, whenever the counter is read.
#[test]
fn the_page_tells_the_hosts_clock_by_the_guests_counter() {
    let name = "the_page_tells_the_hosts_clock_by_the_guests_counter";
    let Some(mut guest) = Guest::open(name) else { return };
    let Some(counter) = guest.vmm.machine.counter() else {
        return println!("skipped: {name}: the vCPUs have no counter in common");
    };
    guest.start_clocks();
    let (mut last, mut errors) = (0, Vec::new());
    let began = crate::kvm::TimeSource::new(None).now().monotonic;
    let start = guest.vmm.handle().clock(Clock::RUNNING).unwrap();
    for round in 0..200 {
        let copy = guest.time_page();
        assert_eq!(CounterKind(copy.counter_kind.get()), counter.kind);
        let tick = || arch::host_counter().wrapping_add(counter.offset);
        let first = tick();
        let host = crate::kvm::TimeSource::new(None).now().monotonic - began + start;
        let second = tick();
        let [early, late] = [first, second].map(|at| copy.read(Clock::RUNNING, at).unwrap());
        let error = copy.error(Clock::RUNNING, second);
        // What lies between the first two clocks above, which were not read at once, is an error too.
        let slack = 5_000_000;
        assert!(early <= host + error + slack && host <= late + error + slack, "{early} {host} {late}");
        assert!(early >= last, "a clock steps back");
        (last, _) = (late, errors.push(error));
        if round % 50 == 49 {
            guest.vmm.attachment.with(State::renew);
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert!(errors.iter().all(|error| *error < 1_000_000), "{errors:?}");
    let utc = guest.call(Op::CLOCK_READ, [Clock::UTC.0.into(), 0, 0]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((now.as_nanos() as u64).abs_diff(utc) < 1_000_000_000, "{utc}");
}

#[test]
fn a_timer_raises_its_port_by_itself_and_never_early() {
    let Some(mut guest) = Guest::open("a_timer_raises_its_port_by_itself_and_never_early") else { return };
    guest.call(Op::EVENT_BIND_DIRECT, [PORT, 0, DIRECT.into()]);
    guest.start_clocks();
    guest.with_timers(|guest| {
        for delay in [0, 1, 50_000, 3_000_000, 150_000_000] {
            guest.quiet(0);
            let now = guest.call(Op::CLOCK_READ, [0, 0, 0]);
            guest.call(Op::TIMER_SET, [PORT, 0, now + delay]);
            let start = Instant::now();
            while !guest.is_pending(0, DIRECT) {
                assert!(start.elapsed() < Duration::from_secs(10), "a timer of {delay} ns is lost");
                thread::sleep(Duration::from_micros(100));
            }
            assert!(guest.call(Op::CLOCK_READ, [0, 0, 0]) >= now + delay, "early");
            assert_eq!(guest.call(Op::TIMER_CANCEL, [PORT, 0, 0]), 0, "it has expired");
        }
        // One that is cancelled does not come, and one that is set nearer does.
        guest.quiet(0);
        let now = guest.call(Op::CLOCK_READ, [0, 0, 0]);
        guest.call(Op::TIMER_SET, [PORT, 0, now + 3_600_000_000_000]);
        guest.call(Op::TIMER_SET, [PORT, 0, now + 1_000_000]);
        let start = Instant::now();
        while !guest.is_pending(0, DIRECT) {
            assert!(start.elapsed() < Duration::from_secs(10), "the nearer deadline is lost");
            thread::sleep(Duration::from_micros(100));
        }
        guest.quiet(0);
        guest.call(Op::TIMER_SET, [PORT, 0, now + 3_600_000_000_000]);
        assert_eq!(guest.call(Op::TIMER_CANCEL, [PORT, 0, 0]), 1);
        guest.wants_nothing(DIRECT, "a timer that was cancelled");
    });
}
