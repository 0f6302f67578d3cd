// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time stolen from the vCPUs of a machine under test: as much as its cases ask for (REP-5).

use crate::guest::CPUS;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenon_host::Services;

/// A count for each vCPU.
#[derive(Clone, Debug)]
pub struct Stolen(Arc<[AtomicU64]>);

impl Stolen {
    /// Counts that begin anywhere.
    #[must_use]
    pub fn new() -> Self {
        Self((0..u64::from(CPUS)).map(|vcpu| AtomicU64::new(1_000_000 * (vcpu + 1) + 7)).collect())
    }

    /// The services, with these counts.
    #[must_use]
    pub fn counted(&self, mut services: Services) -> Services {
        let counts = Arc::clone(&self.0);
        services.stolen = Some(Box::new(move |vcpu| {
            Some(counts.get(usize::try_from(vcpu).ok()?)?.load(Ordering::Relaxed))
        }));
        services
    }

    /// This vCPU could have run for so many nanoseconds more.
    pub fn steal(&self, vcpu: u32, nanoseconds: u64) {
        if let Some(count) = usize::try_from(vcpu).ok().and_then(|vcpu| self.0.get(vcpu)) {
            count.fetch_add(nanoseconds, Ordering::Relaxed);
        }
    }
}

impl Default for Stolen {
    fn default() -> Self {
        Self::new()
    }
}
