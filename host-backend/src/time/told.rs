// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder tells the clocks, and what it is told of timers.

use tenon_abi::CounterKind;
use tenon_abi::time::{ClockStatus, Leap, Smear};

/// One moment, as the attachment samples it: under the domain's lock, so that a later entry has no earlier
/// one.
///
/// Where the clocks are started, stopped or told anew, its two values belong together as closely as
/// [`Relation::error_ns`] says. Everywhere else it does no harm if time passes between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The host's monotonic clock, in nanoseconds. Deadlines are told by the same clock.
    pub monotonic: u64,
    /// The counter that the guest reads, sampled with it; the counter first. `None` where they have none in
    /// common.
    pub counter: Option<u64>,
}

/// How the counter that host and guest have in common relates to the host's monotonic clock (TIME-4 to
/// TIME-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The counter.
    pub kind: CounterKind,
    /// Nanoseconds of one tick, times 2 to the power of `shift`.
    pub period: u64,
    /// At most 63.
    pub shift: u16,
    /// How much `period` may be wrong.
    pub period_error: u64,
    /// How far apart the two values of one [`Now`] may have been sampled, in nanoseconds.
    pub error_ns: u64,
}

/// UTC, as the embedder knows it at one moment (TIME-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    /// Nanoseconds since 1970-01-01 00:00:00 UTC, without leap seconds and never smeared.
    pub ns: u64,
    /// How much that may be wrong, in nanoseconds; [`NEVER`](tenon_abi::time::NEVER) if there is no bound.
    pub error_ns: u64,
    /// TAI less UTC in seconds, if that is known.
    pub tai_offset: Option<i32>,
    /// Leap seconds.
    pub leap: Leap,
    /// How a guest is asked to smear.
    pub smear: Smear,
    /// What is known of it.
    pub status: ClockStatus,
}

impl Utc {
    /// UTC with this error, of which nothing else is known.
    #[must_use]
    pub const fn new(ns: u64, error_ns: u64) -> Self {
        let (leap, smear, status) = (Leap::NONE, Smear::STRICT, ClockStatus::SYNCHRONIZED);
        Self { ns, error_ns, tai_offset: None, leap, smear, status }
    }
}

/// What passed while the clocks of a domain stood, in nanoseconds (TIME-7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The domain ran, and this core did not know: RUNNING goes on behind it. For a host that took over a
    /// machine which has been running.
    pub ran: u64,
    /// The domain stood: BOOT jumps by it. Zero freezes BOOT.
    pub stood: u64,
}

/// What one call of [`crate::Domain::expire`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "`again` means that more timers have expired"]
pub struct Expired {
    /// Timers that expired.
    pub timers: u32,
    /// The budget ran out, or actions wait to be done: call again, without waiting (TIME-18).
    pub again: bool,
}
