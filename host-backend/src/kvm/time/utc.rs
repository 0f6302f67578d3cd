// SPDX-License-Identifier: MIT OR Apache-2.0
//! UTC, as this system knows it.
#![allow(unsafe_code, reason = "asks the kernel for its clock, and what it knows of it")]

use crate::time::Utc;
use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};
use tenon_abi::time::{ClockStatus, Leap, Smear};

/// The kernel's clock is slewed by at most this many parts of a million. What is faster counts as a step.
const SLEW: u64 = 500;

/// UTC now, good for the next `age` nanoseconds. Its error is how far the system's clock may be slewed by
/// then: it is the guest's against the host's. `None` where the clock stands before 1970.
#[must_use]
pub fn system(age: u64) -> Option<Utc> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let ns = u64::try_from(since.as_nanos()).ok()?;
    let mut known = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: zeroed, it asks for nothing to be changed, and the request fills it in.
    let state = unsafe { libc::adjtimex(known.as_mut_ptr()) };
    // SAFETY: all of it are numbers, for which zeros would do as well.
    let known = unsafe { known.assume_init() };
    let status = match state {
        ..0 => ClockStatus::UNKNOWN,
        _ if known.status & libc::STA_UNSYNC == 0 => ClockStatus::SYNCHRONIZED,
        _ => ClockStatus::FREERUNNING,
    };
    let leap = match state {
        libc::TIME_INS => Leap::PRE_POS,
        libc::TIME_DEL => Leap::PRE_NEG,
        libc::TIME_OOP => Leap::POS,
        _ => Leap::NONE,
    };
    Some(Utc {
        ns,
        // Both ways, and a microsecond for reading it.
        error_ns: (age / 1_000_000).saturating_mul(SLEW).saturating_mul(2).saturating_add(1000),
        // Zero is what a kernel says that nobody has told.
        tai_offset: (known.tai != 0).then_some(known.tai),
        leap,
        smear: Smear::STRICT,
        status,
    })
}
