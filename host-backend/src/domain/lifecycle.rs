// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder asks about its guest's end.

use crate::crash::CrashRecord;
use crate::domain::Domain;
use crate::memory::Memory;

impl<M: Memory> Domain<M> {
    /// The last crash record, if the guest left one (LIFE-4).
    #[must_use]
    pub const fn crash_record(&self) -> Option<&CrashRecord> {
        self.families.lifecycle.crash.as_ref()
    }
}
