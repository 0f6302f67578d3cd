// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long things may take (REP-11, REP-12).

use std::time::Duration;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One case; also a boot up to its first case.
    pub case: Duration,
    /// All cases on one host, without its boots.
    pub host: Duration,
}

impl Limits {
    /// 5 s a case, 180 s a host, times `scale`. `None` where that is no duration.
    #[must_use]
    pub fn scaled(scale: f64) -> Option<Self> {
        let positive =
            |seconds: f64| Duration::try_from_secs_f64(seconds * scale).ok().filter(|d| !d.is_zero());
        Some(Self { case: positive(5.0)?, host: positive(180.0)? })
    }

    /// What these limits are scaled by.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.case.as_secs_f64() / 5.0
    }

    /// What a second run has: twice the time. Its seconds are those of a quiet machine.
    #[must_use]
    pub const fn doubled(&self) -> Self {
        Self { case: self.case.saturating_mul(2), host: self.host.saturating_mul(2) }
    }
}
