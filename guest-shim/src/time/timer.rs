// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers of ports ([TIME-11] to [TIME-17]).
//!
//! [TIME-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time
//! [TIME-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time

use crate::calls::Calls;
use crate::error::Error;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::{Clock, Op, Submission};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// Timers of ports.
    #[must_use]
    pub const fn timers(&self) -> Timers<'_> {
        Timers::over(self)
    }
}

/// Timers of ports. Who takes the port's event reads the clock, and asks [`crate::time::Reading::reaches`].
#[derive(Clone, Copy)]
pub struct Timers<'v> {
    calls: &'v dyn Calls,
}

impl<'v> Timers<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// Sets the timer of a port, in place of one that it has: the port is raised once, when the clock says
    /// `deadline` nanoseconds or more, and up to `slack` later so that the host can raise several at once.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: NOT_FOUND if the port is not bound, BAD_STATE for UTC that is not known.
    pub fn set(&self, port: u32, clock: Clock, deadline: u64, slack: u64) -> Result<(), Error> {
        let args = [port.into(), clock.0.into(), deadline, slack, 0, 0];
        self.calls.call_with(Submission::new(Op::TIMER_SET, args)).map(|_| ())
    }

    /// The port has no timer any more. `false`: it had none, or it has expired and the port was raised.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: NOT_FOUND if the port is not bound.
    pub fn cancel(&self, port: u32) -> Result<bool, Error> {
        let cancel = Submission::new(Op::TIMER_CANCEL, [port.into(), 0, 0, 0, 0, 0]);
        self.calls.call_with(cancel).map(|left| left != 0)
    }
}

impl fmt::Debug for Timers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").finish_non_exhaustive()
    }
}
