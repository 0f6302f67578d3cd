// SPDX-License-Identifier: MIT OR Apache-2.0
//! Is Tenon here? ([DISC-1] to [DISC-5])
//!
//! [DISC-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
//! [DISC-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery

use crate::error::Error;
use tenon_abi::discovery::{MAGIC, Session};
use tenon_abi::{ConduitFlags, Features, Record};
use tenon_rings::{Mapping, Site, Words};

/// Where the window lies in guest-physical memory, as CPUID says it ([DISC-4]).
///
/// [DISC-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAt {
    /// Guest-physical address in bytes.
    pub address: u64,
    /// Length in bytes.
    pub len: u64,
}

/// Looks for Tenon's CPUID leaves ([DISC-4]).
///
/// # Errors
///
/// [`Error::NotPresent`] if there are none.
///
/// [DISC-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
#[cfg(target_arch = "x86_64")]
#[allow(
    unsafe_code,
    unused_unsafe,
    reason = "to Rust 1.85 the instruction is unsafe, to newer ones it is not"
)]
pub fn cpuid() -> Result<WindowAt, Error> {
    cpuid_by(|leaf| {
        // SAFETY: every processor of 64 bits has the instruction, and it touches no memory.
        let leaf = unsafe { core::arch::x86_64::__cpuid(leaf) };
        [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]
    })
}

/// As [`cpuid`], for a kernel that has a way of its own to read EAX, EBX, ECX and EDX of a leaf: one that
/// runs in user mode, where a hypervisor may show the processor's leaves instead of its own.
///
/// # Errors
///
/// [`Error::NotPresent`] if there are none.
#[cfg(target_arch = "x86_64")]
pub fn cpuid_by(read: impl Fn(u32) -> [u32; 4]) -> Result<WindowAt, Error> {
    use tenon_abi::discovery::{CPUID_FIRST, CPUID_SIGNATURE, CPUID_STEP, CPUID_TRIES};
    for step in 0..CPUID_TRIES {
        let base = CPUID_FIRST.wrapping_add(step.wrapping_mul(CPUID_STEP));
        let [last, ebx, ecx, edx] = read(base);
        if [ebx, ecx, edx] == CPUID_SIGNATURE && last > base {
            let [address, len, _, _] = read(base.wrapping_add(1));
            return Ok(WindowAt {
                address: u64::from(address).wrapping_shl(12),
                len: u64::from(len).wrapping_shl(12),
            });
        }
    }
    Err(Error::NotPresent)
}

/// A host that was found: its record was read once and checked.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    window: Mapping,
    record: Record,
}

impl Found {
    /// Reads the record at the start of the window.
    ///
    /// # Errors
    ///
    /// [`Error::NotPresent`] if there is no record of Tenon's ([DISC-2]).
    ///
    /// [DISC-2]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
    pub fn at(window: Mapping) -> Result<Self, Error> {
        let mut words = [0u64; 32];
        for (index, word) in words.iter_mut().enumerate() {
            *word = window.load(index, Site::Status).to_le();
        }
        let record: Record = zerocopy::transmute!(words);
        if record.magic.get() != MAGIC || record.size.get() != 256 {
            return Err(Error::NotPresent);
        }
        Ok(Self { window, record })
    }

    /// The record as it was read. What changes at run time is looked up where it is needed.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// What the host offers; bits that this crate does not know are left out.
    #[must_use]
    pub fn features(&self) -> Features {
        Features::from_bits_truncate(self.record.features.get())
    }

    /// What the conduit can do.
    #[must_use]
    pub fn conduit_flags(&self) -> ConduitFlags {
        ConduitFlags::from_bits_truncate(self.record.conduit_flags.get())
    }

    /// The session as it is now ([SES-1]).
    ///
    /// [SES-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    #[must_use]
    pub fn session(&self) -> Session {
        Session::from_word(self.load(core::mem::offset_of!(Record, session), Site::ControlTake))
    }

    /// The window.
    #[must_use]
    pub const fn window(&self) -> Mapping {
        self.window
    }

    /// The same host, with no more of the window than this.
    pub(crate) const fn within(self, window: Mapping) -> Self {
        Self { window, ..self }
    }

    pub(crate) fn load(&self, offset: usize, site: Site) -> u64 {
        self.window.load(offset / 8, site)
    }
}
