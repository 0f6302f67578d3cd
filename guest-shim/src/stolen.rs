// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time that the host took from a vCPU ([VCPU-11], [VCPU-12]).
//!
//! [VCPU-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#vcpus
//! [VCPU-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#vcpus

use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::vcpu::host;
use tenon_rings::{Mapping, Site, Words, planted};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// The count of the time stolen from this vCPU. Without the feature STOLEN it stands at zero.
    #[must_use]
    pub fn stolen(&self) -> Stolen<'_> {
        let mut stolen = Stolen { host: &self.host, last: 0 };
        stolen.since_last();
        stolen
    }
}

/// A count of nanoseconds in which a vCPU could have run and its host ran something else. A kernel asks for
/// the difference at its tick, and takes it from what it charges to the thread that seemed to run.
pub struct Stolen<'v> {
    host: &'v Mapping,
    last: u64,
}

impl Stolen<'_> {
    /// Nanoseconds that were stolen since this was asked last, or since this was made. The host's word is as
    /// old as the vCPU's last call ([VCPU-12]). A host that lets its word fall has stolen nothing meanwhile.
    ///
    /// [VCPU-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#vcpus
    pub fn since_last(&mut self) -> u64 {
        let now = self.host.load(usize::try_from(host::STOLEN / 8).unwrap_or(usize::MAX), Site::Status);
        if planted!("stolen-believed-backwards") {
            return now.wrapping_sub(core::mem::replace(&mut self.last, now));
        }
        let more = now.saturating_sub(self.last);
        self.last = self.last.max(now);
        more
    }
}

impl fmt::Debug for Stolen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stolen").field("last", &self.last).finish_non_exhaustive()
    }
}
