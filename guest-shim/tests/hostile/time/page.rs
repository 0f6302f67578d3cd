// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the page tells, where it lies, and when it is not used.

use std::cell::Cell;
use std::rc::Rc;

use tenon_abi::{Clock as Which, CounterKind, Features, Op, PageKind, Status, TimeCopy};
use tenon_guest::time::{Clock, Counter};
use tenon_guest::{Error, Session, Wish};

use super::{ALL, Answers, PAGE, Ticks, honest, page, publish, with_clock};
use crate::host::{GRANULE, Host, WINDOW};
use crate::lies::{host, open};

#[test]
fn a_clock_is_told_by_the_formula_with_its_error() {
    with_clock(|_, calls, ticks, clock| {
        let told = |which| clock.read(which).map(|reading| (reading.ns, reading.error));
        assert_eq!(ALL.map(told), [Ok((5_000, 10)), Ok((70_000, 20)), Ok((900_000, 30))]);
        ticks.set(1000 + 8_000_000);
        let further = [Ok((4_005_000, 4_009)), Ok((4_070_000, 4_019)), Ok((4_900_000, 4_029))];
        assert_eq!(ALL.map(told), further, "the error grows too");
        assert_eq!(calls.clock_reads(), 0);
    });
}

#[test]
fn a_counter_before_its_base_counts_as_the_base() {
    with_clock(|_, calls, ticks, clock| {
        for before in [0, 1, 999] {
            ticks.set(before);
            let told = clock.read(Which::RUNNING).map(|reading| (reading.ns, reading.error));
            assert_eq!(told, Ok((5_000, 10)), "{before}");
        }
        assert_eq!(calls.clock_reads(), 0);
    });
}

/// What a copy so changed is read as: by page, or by the call that answers 6000.
fn told_after(change: fn(&mut TimeCopy)) -> (u64, usize) {
    let mut result = (0, 0);
    with_clock(|host, calls, _, clock| {
        let mut copy = honest();
        change(&mut copy);
        publish(host, &copy);
        calls.clock.set(Ok(6_000));
        let reading = clock.read(Which::RUNNING).expect("the call tells it");
        result = (reading.ns, calls.clock_reads());
    });
    result
}

#[test]
fn a_shift_above_63_is_not_believed() {
    for change in [
        (|copy| copy.shift = 64.into()) as fn(&mut TimeCopy),
        |copy| copy.shift = 96.into(),
        |copy| copy.shift = u16::MAX.into(),
    ] {
        assert_eq!(told_after(change), (6_000, 1));
    }
    assert_eq!(told_after(|copy| copy.shift = 63.into()), (5_000, 0));
}

#[test]
fn a_clock_that_is_not_told_is_called_for() {
    assert_eq!(told_after(|copy| copy.valid = 0b110.into()), (6_000, 1));
    assert_eq!(told_after(|copy| copy.valid = 0b001.into()), (5_000, 0));
}

#[test]
fn a_counter_of_another_kind_is_called_for() {
    for kind in [CounterKind::NONE, CounterKind::ARM_CNTVCT, CounterKind(5), CounterKind(u16::MAX)] {
        let host = host();
        let session = open(&host);
        let (calls, mut ticks) = (Answers::new(), Ticks::new());
        publish(&host, &honest());
        ticks.kind = kind;
        calls.clock.set(Ok(6_000));
        let page = page(&host, &session, &calls);
        let clock = Clock::by_page(&calls, &page, ticks).expect("it fits");
        assert_eq!(clock.running().map(|reading| reading.ns), Ok(6_000), "{kind:?}");
        assert_eq!(calls.clock_reads(), 1);
    }
    assert_eq!(told_after(|copy| copy.counter_kind = 0.into()), (6_000, 1));
    assert_eq!(told_after(|copy| copy.counter_kind = 2.into()), (6_000, 1));
}

/// A counter during whose reading the host writes the page: so often.
struct Busy<'h> {
    host: &'h Host,
    left: Rc<Cell<u32>>,
    reads: Rc<Cell<u32>>,
}

impl Counter for Busy<'_> {
    fn kind(&self) -> CounterKind {
        CounterKind::X86_TSC
    }

    fn read(&self) -> u64 {
        self.reads.set(self.reads.get() + 1);
        if let Some(left) = self.left.get().checked_sub(1) {
            self.left.set(left);
            let mut copy = honest();
            copy.ns = [20_000.into(), 80_000.into(), 900_000.into()];
            publish(self.host, &copy);
        }
        1000
    }
}

#[test]
fn a_page_that_changes_is_looked_at_again_and_not_for_ever() {
    let host = host();
    let session = open(&host);
    let calls = Answers::new();
    publish(&host, &honest());
    let page = page(&host, &session, &calls);
    let (left, reads) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let busy = Busy { host: &host, left: Rc::clone(&left), reads: Rc::clone(&reads) };
    let clock = Clock::by_page(&calls, &page, busy).expect("it fits");
    calls.clock.set(Ok(30_000));
    left.set(1);
    // What belongs to the copy from before is dropped.
    assert_eq!(clock.running().map(|reading| reading.ns), Ok(20_000));
    assert_eq!((reads.get(), calls.clock_reads()), (2, 0));
    left.set(u32::MAX);
    assert_eq!(clock.running().map(|reading| reading.ns), Ok(30_000), "it is called for");
    assert!(reads.get() <= 2 + 8 && calls.clock_reads() == 1, "{} looks", reads.get());
    calls.clock.set(Err(Error::Pending));
    assert_eq!(clock.running(), Err(Error::Pending));
    assert!(clock.copy().is_some(), "nobody writes while nobody counts");
    host.assert_contained();
}

#[test]
fn a_page_outside_of_the_window_is_refused() {
    let host = host();
    let session = open(&host);
    let calls = Answers::new();
    let end = WINDOW as u64;
    for place in [end, end - 8, PAGE + 8, PAGE - 8, PAGE - 2048, 1 << 63, u64::MAX, u64::MAX - 4095] {
        calls.page.set(Ok(place));
        let refused = session.page(&calls, PageKind::TIME, &mut host.area()).err();
        assert_eq!(refused, Some(Error::BadMemory), "{place:#x}");
    }
    calls.page.set(Err(Error::Refused(Status::NOT_FOUND)));
    let refused = session.page(&calls, PageKind(7), &mut host.area()).err();
    assert_eq!(refused, Some(Error::Refused(Status::NOT_FOUND)));
    assert_eq!(calls.asked.borrow().last(), Some(&(Op::PAGE, [7, 0, 0, 0])));
    host.assert_contained();
}

#[test]
fn a_page_that_is_donated_comes_back_with_the_session_and_not_before() {
    let host = host();
    let wish = Wish { features: Features::all().difference(Features::WINDOW), ..Wish::default() };
    let session = Session::open(&host, host.found().expect("it is there"), &mut host.scratch(), wish)
        .expect("it opens");
    let calls = Answers::new();
    let mut pool = host.all_from(0);
    let ask = |pool: &mut _| session.page(&calls, PageKind::TIME, pool);
    calls.page.set(Err(Error::Refused(Status::NOT_FOUND)));
    assert_eq!(ask(&mut pool).err(), Some(Error::Refused(Status::NOT_FOUND)));
    assert_eq!(pool.address(), 0, "who refused does not write there");
    calls.page.set(Ok(0));
    let page = ask(&mut pool).expect("it is donated");
    assert_eq!((pool.address(), page.words().byte_len()), (GRANULE as u64, GRANULE));
    assert_eq!(calls.asked.borrow().last(), Some(&(Op::PAGE, [1, 0, 0, 0])));
    let page = page.release().expect_err("the session goes on");
    host.end_session();
    let pages = page.release().expect("it is over").expect("they were donated");
    assert_eq!((pages.address(), pages.mapping().byte_len()), (0, GRANULE));
    // Nobody knows what became of a request that was not answered.
    calls.page.set(Err(Error::Pending));
    assert_eq!(ask(&mut pool).err(), Some(Error::Pending));
    assert_eq!(pool.address(), 2 * GRANULE as u64);
}

#[test]
fn all_that_the_page_says_is_of_one_moment() {
    with_clock(|host, calls, _, clock| {
        let mut copy = honest();
        (copy.tai_offset, copy.leap, copy.boot_jump) = (37.into(), 4.into(), 65_000.into());
        publish(host, &copy);
        let told = clock.copy().expect("nobody writes");
        assert_eq!(zerocopy::IntoBytes::as_bytes(&told), zerocopy::IntoBytes::as_bytes(&copy));
        assert!(Clock::by_call(calls).copy().is_none());
    });
}
