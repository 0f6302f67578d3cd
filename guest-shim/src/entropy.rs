// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random bytes of the host's (ENT-1 to ENT-3).

use crate::calls::Calls;
use crate::error::Error;
use crate::memory::Buffer;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::{Op, Submission};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// Random bytes of the host's.
    #[must_use]
    pub const fn entropy(&self) -> Entropy<'_> {
        Entropy::over(self)
    }
}

/// Random bytes of the host's.
#[derive(Clone, Copy)]
pub struct Entropy<'v> {
    calls: &'v dyn Calls,
}

impl<'v> Entropy<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// Fills a buffer from its front with bytes of the host's: the result is how many they are, at least one
    /// (ENT-2). A kernel that distrusts its host mixes them with others.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: NO_CAPACITY if the host has none now.
    pub fn fill(&self, buffer: &Buffer) -> Result<usize, Error> {
        let len = u64::try_from(buffer.len()).map_err(|_| Error::TooLong)?;
        let filled =
            self.calls.call_with(Submission::new(Op::ENTROPY, [buffer.address(), len, 0, 0, 0, 0]))?;
        // The host's number: never more than was given.
        Ok(usize::try_from(filled.min(len)).unwrap_or(0))
    }
}

impl fmt::Debug for Entropy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entropy").finish_non_exhaustive()
    }
}
