// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit, restart, crash record: all on the emergency lane, so that they work from anywhere ([LIFE-1] to
//! [LIFE-4]).
//!
//! [LIFE-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
//! [LIFE-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle

use crate::calls::Calls;
use crate::error::Error;
use crate::memory::Buffer;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::{Op, Submission};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// Exit, restart and crash record.
    #[must_use]
    pub const fn lifecycle(&self) -> Lifecycle<'_> {
        Lifecycle::over(self)
    }
}

/// Exit, restart and crash record.
#[derive(Clone, Copy)]
pub struct Lifecycle<'v> {
    calls: &'v dyn Calls,
}

impl<'v> Lifecycle<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// Ends the domain with a code ([LIFE-2]). Comes back only if the host did not end it, or (SHARED) not
    /// yet: [`Error::Pending`] after a short wait, a hundredth of the platform's patience. The kernel then
    /// halts.
    ///
    /// [LIFE-2]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
    pub fn exit(&self, code: u32) -> Error {
        self.calls.end(Submission::new(Op::EXIT, [u64::from(code), 0, 0, 0, 0, 0]))
    }

    /// Asks for a fresh boot ([LIFE-3]). Comes back as [`Self::exit`] does.
    ///
    /// [LIFE-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
    pub fn restart(&self) -> Error {
        self.calls.end(Submission::new(Op::RESTART, [0; 6]))
    }

    /// Leaves a crash record of at most 48 bytes of text, by value ([LIFE-4]). Works from inside a submit.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::emergency`]; [`Error::TooLong`].
    ///
    /// [LIFE-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
    pub fn crash(&self, text: &[u8]) -> Result<(), Error> {
        let submission = Submission::with_inline(Op::CRASH, text).ok_or(Error::TooLong)?;
        self.calls.emergency(submission).map(|_| ())
    }

    /// Leaves a crash record of up to 1024 bytes of text with a code ([LIFE-4]).
    ///
    /// # Errors
    ///
    /// As [`Vcpu::emergency`]; [`Error::TooLong`] if the buffer is shorter.
    ///
    /// [LIFE-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
    pub fn crash_with(&self, text: &Buffer, len: usize, code: u64) -> Result<(), Error> {
        if len > text.len() {
            return Err(Error::TooLong);
        }
        let len = u64::try_from(len).map_err(|_| Error::TooLong)?;
        self.calls.emergency(Submission::new(Op::CRASH, [text.address(), len, code, 0, 0, 0])).map(|_| ())
    }
}

impl fmt::Debug for Lifecycle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle").finish_non_exhaustive()
    }
}
