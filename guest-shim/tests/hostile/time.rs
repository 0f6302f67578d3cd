// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks under a host that lies about the time: nothing that it writes makes one loop, panic or go back, and
//! each reading says by how much it can be wrong.

mod bracket;
mod lies;
mod page;
mod steps;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tenon_abi::time::page::{COPY0, COPY1};
use tenon_abi::{Clock as Which, CounterKind, Op, PageKind, Submission, TimeCopy};
use tenon_guest::time::{Clock, Counter};
use tenon_guest::{Calls, Error, HostPage, Session};
use tenon_rings::Ticket;
use zerocopy::{FromZeros, IntoBytes};

use crate::host::{GRANULE, Host};
use crate::lies::{host, open};

/// Where the page lies in the window.
pub(crate) const PAGE: u64 = 2 * GRANULE as u64;

/// A host's answers to calls, as a test says.
pub(crate) struct Answers {
    pub(crate) page: Cell<Result<u64, Error>>,
    /// What CLOCK_READ answers.
    pub(crate) clock: Cell<Result<u64, Error>>,
    /// Runs within each CLOCK_READ.
    pub(crate) within: RefCell<Box<dyn FnMut()>>,
    /// Submissions so far.
    pub(crate) asked: RefCell<Vec<(Op, [u64; 4])>>,
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self {
            page: Cell::new(Ok(PAGE)),
            clock: Cell::new(Ok(0)),
            within: RefCell::new(Box::new(|| ())),
            asked: RefCell::default(),
        }
    }

    pub(crate) fn clock_reads(&self) -> usize {
        self.asked.borrow().iter().filter(|(op, _)| *op == Op::CLOCK_READ).count()
    }
}

impl Calls for Answers {
    fn call_with(&self, submission: Submission) -> Result<u64, Error> {
        let op = submission.op();
        let [_, first, second, third, fourth, ..] = submission.to_words();
        self.asked.borrow_mut().push((op, [first, second, third, fourth]));
        match op {
            Op::PAGE => self.page.get(),
            Op::CLOCK_READ => {
                (self.within.borrow_mut())();
                self.clock.get()
            }
            _ => self.clock.get(),
        }
    }

    fn submit(&self, _: Submission) -> Result<Ticket, Error> {
        Err(Error::Full)
    }

    fn poll(&self, _: &mut Option<Ticket>) -> Result<u64, Error> {
        Err(Error::Pending)
    }

    fn wait(&self, _: &mut Option<Ticket>) -> Result<u64, Error> {
        Err(Error::Pending)
    }

    fn give_up(&self, _: Ticket) {}

    fn emergency(&self, _: Submission) -> Result<u64, Error> {
        Err(Error::Busy)
    }

    fn end(&self, _: Submission) -> Error {
        Error::Pending
    }
}

/// A counter that says what a test says, and counts how often it was asked.
#[derive(Clone)]
pub(crate) struct Ticks {
    pub(crate) now: Rc<Cell<u64>>,
    pub(crate) reads: Rc<Cell<u32>>,
    pub(crate) kind: CounterKind,
}

impl Ticks {
    pub(crate) fn new() -> Self {
        Self { now: Rc::default(), reads: Rc::default(), kind: CounterKind::X86_TSC }
    }

    pub(crate) fn set(&self, now: u64) {
        self.now.set(now);
    }
}

impl Counter for Ticks {
    fn kind(&self) -> CounterKind {
        self.kind
    }

    fn read(&self) -> u64 {
        self.reads.set(self.reads.get() + 1);
        self.now.get()
    }
}

/// Half a nanosecond a tick, and an error that grows by a thousandth of that.
pub(crate) fn honest() -> TimeCopy {
    let mut copy = TimeCopy::new_zeroed();
    copy.counter_kind = CounterKind::X86_TSC.0.into();
    copy.valid = 0b111.into();
    copy.counter_base = 1000.into();
    copy.ns = [5_000.into(), 70_000.into(), 900_000.into()];
    copy.error_ns = [10.into(), 20.into(), 30.into()];
    copy.shift = 32.into();
    copy.period = (1_u64 << 31).into();
    copy.period_error = ((1_u64 << 31) / 1000).into();
    copy
}

/// Publishes a copy as an honest host does.
pub(crate) fn publish(host: &Host, copy: &TimeCopy) {
    let next = host.word(PAGE) + 1;
    let place = if next & 1 == 0 { COPY0 } else { COPY1 };
    for (word, bytes) in (0_u64..).zip(copy.as_bytes().as_chunks::<8>().0) {
        host.spoil(PAGE + place + word * 8, u64::from_le_bytes(*bytes));
    }
    host.spoil(PAGE, next);
}

/// The page, as a guest on `host` asks for it.
pub(crate) fn page(host: &Host, session: &Session<'_, Host>, calls: &Answers) -> HostPage {
    session.page(calls, PageKind::TIME, &mut host.area()).expect("it is there")
}

/// Runs with a clock by page over an honest copy, its counter at the copy's base.
pub(crate) fn with_clock(run: impl FnOnce(&Host, &Answers, &Ticks, &Clock<'_, Ticks>)) {
    let host = host();
    let session = open(&host);
    let (calls, ticks) = (Answers::new(), Ticks::new());
    publish(&host, &honest());
    ticks.set(1000);
    let page = page(&host, &session, &calls);
    let clock = Clock::by_page(&calls, &page, ticks.clone()).expect("it fits");
    run(&host, &calls, &ticks, &clock);
}

/// All clocks.
pub(crate) const ALL: [Which; 3] = [Which::RUNNING, Which::BOOT, Which::UTC];
