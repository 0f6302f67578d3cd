// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regions of guest memory ([REG-1] to [REG-4]).
//!
//! [REG-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#regions
//! [REG-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#regions

use crate::calls::Calls;
use crate::error::Error;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::{Op, Submission};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// What the host knows of regions.
    #[must_use]
    pub const fn region(&self) -> Region<'_> {
        Region::over(self)
    }
}

/// What the host knows of regions.
#[derive(Clone, Copy)]
pub struct Region<'v> {
    calls: &'v dyn Calls,
}

impl<'v> Region<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// Length of a region in bytes ([REG-4]).
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: BAD_REGION if there is none of that number.
    ///
    /// [REG-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#regions
    pub fn length(&self, region: u16) -> Result<u64, Error> {
        self.calls.call_with(Submission::new(Op::REGION_QUERY, [u64::from(region), 0, 0, 0, 0, 0]))
    }
}

impl fmt::Debug for Region<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").finish_non_exhaustive()
    }
}
