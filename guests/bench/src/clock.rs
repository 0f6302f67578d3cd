// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a clock by the host's page, against a bare counter and a multiplication.

use crate::number;
use crate::platform::Bench;
use crate::time::{in_turns, timed};
use core::hint::black_box;
use tenon_abi::PageKind;
use tenon_guest::time::{Clock, Counter, Monotonic, Processor};
use tenon_guest::{Error, Pages, Session, Vcpu};

/// Readings between two looks at the time.
const READINGS: u64 = 64;

/// What the CPUs of a kernel have in common.
static ALL: Monotonic = Monotonic::new();

/// With `shared=1` readings are kept for other CPUs too.
pub(crate) fn times(
    session: &Session<'_, Bench>,
    vcpu: &Vcpu<'_, Bench>,
    pages: &mut Pages,
) -> Result<(), Error> {
    let page = session.page(vcpu, PageKind::TIME, pages)?;
    let clock = Clock::by_page(vcpu, &page, Processor)?;
    let told = clock.copy().ok_or(Error::Pending)?;
    if told.counter_kind.get() != Processor.kind().0 {
        // There is no counter to compare with.
        return Err(Error::NoMatch);
    }
    let clock = if number("shared") == 1 { clock.across(&ALL) } else { clock };
    let mut last = 0;
    let mut ours = || {
        let (time, right) = timed(|| {
            let mut right = true;
            for _ in 0..READINGS {
                let now = clock.running();
                right &= now.is_ok_and(|now| now.ns >= last);
                last = now.map_or(u64::MAX, |now| black_box(now.ns));
            }
            right
        });
        if right { Ok(time) } else { Err(Error::Pending) }
    };
    let (base, period) = black_box((told.counter_base.get(), told.period.get()));
    let (shift, since) = black_box((told.shift.get() & 63, told.ns[0].get()));
    let theirs = || {
        let (time, ()) = timed(|| {
            for _ in 0..READINGS {
                let ticks = Processor.read().wrapping_sub(base);
                let ns = (u128::from(ticks) * u128::from(period)) >> shift;
                black_box(since.wrapping_add(ns as u64));
            }
        });
        Ok(time)
    };
    // Once each, for what is done the first time.
    ours()?;
    in_turns(number("rounds"), 1, ours, theirs)
}
