// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time on KVM (TIME-4 to TIME-6, TIME-13): the counter that a guest reads and how it relates to the host's
//! clock, and the one thread of a machine that expires timers.
//!
//! The host's clock is CLOCK_MONOTONIC_RAW: nobody slews it, so that it and the counter have one relation for
//! as long as the machine runs. UTC is slewed: it is told anew every few seconds.
//!
//! | module | what |
//! | --- | --- |
//! | `alarm` | the timerfd that the thread waits for |
//! | `source` | what time it is, and the relation of the counter |
//! | `timing` | what a machine keeps of both |
//! | `utc` | UTC, as this system knows it |

mod alarm;
mod source;
mod timing;
mod utc;

pub use alarm::Alarm;
pub use source::TimeSource;
pub(super) use source::monotonic;
pub(super) use timing::{OLDEST, Timing};
pub use utc::system as utc;
