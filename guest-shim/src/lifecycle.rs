// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit, restart, crash record: all on the emergency lane, so that they work from anywhere (LIFE-1 to
//! LIFE-4).

use crate::error::Error;
use crate::memory::Buffer;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use tenon_abi::{Op, Submission};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// Ends the domain with a code (LIFE-2). Comes back only if the host did not.
    pub fn exit(&self, code: u32) -> Error {
        self.end(Submission::new(Op::EXIT, [u64::from(code), 0, 0, 0, 0, 0]))
    }

    /// Asks for a fresh boot (LIFE-3). Comes back only if the host did not.
    pub fn restart(&self) -> Error {
        self.end(Submission::new(Op::RESTART, [0; 6]))
    }

    /// Leaves a crash record of at most 48 bytes of text, by value (LIFE-4). Works from inside a submit.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::emergency`]; [`Error::TooLong`].
    pub fn crash(&self, text: &[u8]) -> Result<(), Error> {
        let submission = Submission::with_inline(Op::CRASH, text).ok_or(Error::TooLong)?;
        self.emergency(submission).map(|_| ())
    }

    /// Leaves a crash record of up to 1024 bytes of text with a code (LIFE-4).
    ///
    /// # Errors
    ///
    /// As [`Vcpu::emergency`]; [`Error::TooLong`] if the buffer is shorter.
    pub fn crash_with(&self, text: &Buffer, len: usize, code: u64) -> Result<(), Error> {
        if len > text.len() {
            return Err(Error::TooLong);
        }
        let len = u64::try_from(len).map_err(|_| Error::TooLong)?;
        self.emergency(Submission::new(Op::CRASH, [text.address(), len, code, 0, 0, 0])).map(|_| ())
    }

    fn end(&self, submission: Submission) -> Error {
        match self.emergency(submission) {
            Ok(_) => Error::Pending,
            Err(error) => error,
        }
    }
}
