// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whichever conduit the record names.
#![allow(unsafe_code, reason = "conduits trust their kernel")]

#[cfg(target_arch = "x86_64")]
use super::PortIo;
use super::{Conduit, Hypercall, Mmio};
use crate::shared::Shared;
use core::ptr::NonNull;
use tenon_abi::Record;

/// The doorbells of any host: for a kernel that serves more than one conduit.
#[derive(Debug)]
#[non_exhaustive]
pub enum Doorbells {
    /// `out` to ports.
    #[cfg(target_arch = "x86_64")]
    PortIo(PortIo),
    /// Stores to guest-physical addresses.
    Mmio(Mmio),
    /// The processor's hypercall.
    Hypercall(Hypercall),
    /// A device's doorbell and the bind word in its memory.
    Shared(Shared),
}

impl Doorbells {
    /// The doorbells of a record, or `None` if its conduit has none that this processor can ring, or the
    /// kernel does not map them (`map` is that of [`Mmio::of`]). A SHARED conduit comes with its device:
    /// [`crate::shared::attach`] makes it, and [`From`] puts it here.
    ///
    /// # Safety
    ///
    /// Those of [`Mmio::of`], of the processor's `Hypercall::of`, and on x86 of `PortIo::of`.
    #[must_use]
    pub unsafe fn of(record: &Record, map: impl Fn(u64, u64) -> Option<NonNull<u32>>) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller's contract.
        if let Some(ports) = unsafe { PortIo::of(record) } {
            return Some(Self::PortIo(ports));
        }
        // SAFETY: the caller's contract.
        if let Some(memory) = unsafe { Mmio::of(record, map) } {
            return Some(Self::Mmio(memory));
        }
        // SAFETY: the caller's contract.
        unsafe { Hypercall::of(record) }.map(Self::Hypercall)
    }

    fn conduit(&self) -> &dyn Conduit {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::PortIo(ports) => ports,
            Self::Mmio(memory) => memory,
            Self::Hypercall(hypercall) => hypercall,
            Self::Shared(shared) => shared,
        }
    }
}

impl From<Shared> for Doorbells {
    fn from(shared: Shared) -> Self {
        Self::Shared(shared)
    }
}

impl Conduit for Doorbells {
    fn kick(&self, queue: u32) {
        self.conduit().kick(queue);
    }

    fn bind(&self, frame: u32) {
        self.conduit().bind(frame);
    }
}
