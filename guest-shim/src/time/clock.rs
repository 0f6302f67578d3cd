// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's clocks: by page, by call, bracketed ([TIME-5] to [TIME-10]).
//!
//! [TIME-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time
//! [TIME-10]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time

use super::bracket::{Bracket, Rate};
use super::counter::Counter;
use super::page::TimePage;
use crate::calls::Calls;
use crate::error::Error;
use crate::page::HostPage;
use core::fmt;
use tenon_abi::time::NEVER;
use tenon_abi::{Clock as Which, Op, Submission, TimeCopy};
use tenon_rings::page::Latest;
use tenon_rings::planted;

/// What a clock said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Nanoseconds: what the clock said, give or take [`Self::error`], at some moment within the reading.
    pub ns: u64,
    /// By how much that differs from the host's clock at most, in nanoseconds; [`tenon_abi::time::NEVER`]:
    /// nobody knows.
    pub error: u64,
    /// How far the host's clock stepped back, when that is news: the host broke its promise ([TIME-7]).
    ///
    /// [TIME-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time
    pub step_back: Option<u64>,
}

impl Reading {
    /// Whether the clock may have come to a deadline: what a kernel asks that has taken a timer's event. A
    /// reading that is less exact than the host's clock can lie before a deadline that has come.
    #[must_use]
    pub fn reaches(&self, deadline: u64) -> bool {
        if planted!("timer-taken-for-early") {
            return self.ns.saturating_sub(self.error) >= deadline;
        }
        self.ns.saturating_add(self.error) >= deadline
    }
}

/// The largest readings of RUNNING and BOOT. A kernel with several CPUs has one for all of them.
#[derive(Debug, Default)]
pub struct Monotonic {
    running: Latest,
    boot: Latest,
    /// What the host said of both, in answer to calls that were bracketed. A reading is the middle of its
    /// bracket, and the middle of a wide one may lie beyond that of a narrow one that comes behind it; what
    /// an honest host says does not go back.
    said: [Latest; 2],
}

impl Monotonic {
    /// Of clocks that nobody has read.
    #[must_use]
    pub const fn new() -> Self {
        Self { running: Latest::new(), boot: Latest::new(), said: [Latest::new(), Latest::new()] }
    }

    fn said(&self, which: Which) -> Option<&Latest> {
        let [running, boot] = &self.said;
        match which {
            Which::RUNNING => Some(running),
            Which::BOOT => Some(boot),
            _ => None,
        }
    }

    /// The clock's, if it is one that must not go back.
    #[inline(always)]
    const fn of(&self, which: Which) -> Option<&Latest> {
        match which {
            Which::RUNNING => Some(&self.running),
            Which::BOOT => Some(&self.boot),
            _ => None,
        }
    }
}

/// A reading before it is held against those before it.
struct Called {
    ns: u64,
    error: u64,
    /// How far it may lie behind an earlier one without a step back of the host's clock.
    slack: u64,
    step_back: Option<u64>,
}

/// How a clock is read.
enum Way {
    Page(TimePage),
    Call,
    Bracketed(Rate),
}

/// The host's clocks, for one CPU.
///
/// What interrupts a reading may read the same clock, but gets no promise that it does not go back by as much
/// as a host lies, unless the clock is one [`Self::across`] CPUs.
pub struct Clock<'v, C> {
    calls: &'v dyn Calls,
    counter: C,
    way: Way,
    own: Monotonic,
    shared: Option<&'v Monotonic>,
}

impl<'v> Clock<'v, ()> {
    /// By call. Such a reading is right for a moment within the call, and nobody knows for which.
    #[must_use]
    pub const fn by_call(calls: &'v dyn Calls) -> Self {
        Self { calls, counter: (), way: Way::Call, own: Monotonic::new(), shared: None }
    }
}

impl<'v, C: Counter> Clock<'v, C> {
    /// By the page TIME; by call, as long as the page has no such counter as this, or changes too often to be
    /// read.
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] if the page is too small.
    pub fn by_page(calls: &'v dyn Calls, page: &HostPage, counter: C) -> Result<Self, Error> {
        let way = Way::Page(TimePage::new(page)?);
        Ok(Self { calls, counter, way, own: Monotonic::new(), shared: None })
    }

    /// By call, between two readings of a counter of the guest's own, such as on a host that shares none
    /// ([SHM-1]). The reading is for the moment at which it ends.
    ///
    /// [SHM-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
    #[must_use]
    pub const fn bracketed(calls: &'v dyn Calls, counter: C, rate: Rate) -> Self {
        Self { calls, counter, way: Way::Bracketed(rate), own: Monotonic::new(), shared: None }
    }

    /// A point from which a kernel counts on by itself; `None` for a clock without a rate.
    ///
    /// # Errors
    ///
    /// As [`crate::Vcpu::call`].
    pub fn bracket(&self, which: Which) -> Result<Option<Bracket>, Error> {
        Ok(self.asked(which)?.map(|(_, bracket)| bracket))
    }

    /// What the host said, and the bracket around it.
    fn asked(&self, which: Which) -> Result<Option<(u64, Bracket)>, Error> {
        let Way::Bracketed(rate) = self.way else { return Ok(None) };
        let first = self.counter.read();
        let said = self.ask(which)?;
        Ok(Some((said, Bracket::between(rate, first, said, self.counter.read()))))
    }

    /// What the page says beside the clocks: TAI, leap seconds, disruptions. The copy is of one moment, and
    /// its numbers are the host's, unchecked. `None` without a page, or while it changes too often.
    #[must_use]
    pub fn copy(&self) -> Option<TimeCopy> {
        match &self.way {
            Way::Page(page) => page.copy(),
            _ => None,
        }
    }

    /// Nanoseconds that the domain has run.
    ///
    /// # Errors
    ///
    /// As [`crate::Vcpu::call`], where a call is needed.
    #[inline]
    pub fn running(&self) -> Result<Reading, Error> {
        self.read(Which::RUNNING)
    }

    /// The same, and the time that has passed while it did not run, as far as the host tells it.
    ///
    /// # Errors
    ///
    /// As [`Self::running`].
    #[inline]
    pub fn boot(&self) -> Result<Reading, Error> {
        self.read(Which::BOOT)
    }

    /// Nanoseconds since 1970-01-01 00:00:00 UTC. It may go back.
    ///
    /// # Errors
    ///
    /// As [`Self::running`]; BAD_STATE where the host does not know it.
    #[inline]
    pub fn utc(&self) -> Result<Reading, Error> {
        self.read(Which::UTC)
    }

    /// Reads any clock.
    ///
    /// # Errors
    ///
    /// As [`Self::running`]; BAD_ARGUMENT for a clock that there is not.
    #[inline(always)]
    pub fn read(&self, which: Which) -> Result<Reading, Error> {
        let own = self.own.of(which);
        let shared = self.shared.filter(|_| !planted!("other-cpus-forgotten")).and_then(|all| all.of(which));
        let latest = shared.or(own);
        // Before the clock is read: what others keep meanwhile is no step back.
        let before = latest.map_or(0, Latest::before);
        let by_page = match &self.way {
            Way::Page(page) => page.read(which, &self.counter),
            _ => None,
        };
        let Called { ns, error, slack, step_back } = match by_page {
            Some((ns, error)) => Called { ns, error, slack: error, step_back: None },
            None => self.called(which)?,
        };
        let kept = match (latest, shared) {
            (None, _) => return Ok(Reading { ns, error, step_back: None }),
            (Some(latest), None) => latest.keep_alone(before, ns, slack),
            (Some(latest), Some(_)) => latest.keep(before, ns, slack),
        };
        let further = if planted!("clamped-error-kept") { 0 } else { kept.value.saturating_sub(ns) };
        let step_back = step_back.or(kept.step_back);
        Ok(Reading { ns: kept.value, error: error.saturating_add(further), step_back })
    }

    /// Without the page.
    #[cold]
    fn called(&self, which: Which) -> Result<Called, Error> {
        let all = self.shared.unwrap_or(&self.own);
        let latest = all.said(which);
        let before = latest.map_or(0, Latest::before);
        Ok(match self.asked(which)? {
            Some((said, Bracket { ns, error, .. })) => {
                let step_back = latest.and_then(|latest| latest.keep(before, said, 0).step_back);
                let slack = if planted!("bracket-middles-compared") { error } else { NEVER };
                Called { ns, error, slack, step_back }
            }
            None => Called { ns: self.ask(which)?, error: 0, slack: 0, step_back: None },
        })
    }

    fn ask(&self, which: Which) -> Result<u64, Error> {
        self.calls.call_with(Submission::new(Op::CLOCK_READ, [which.0.into(), 0, 0, 0, 0, 0]))
    }
}

impl<'v, C> Clock<'v, C> {
    /// The same, whose readings do not lie before those of other CPUs' clocks over the same `all`.
    #[must_use]
    pub fn across(self, all: &'v Monotonic) -> Self {
        Self { shared: Some(all), ..self }
    }
}

impl<C> fmt::Debug for Clock<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}
