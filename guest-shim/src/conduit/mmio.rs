// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stores to guest-physical addresses.
#![allow(unsafe_code, reason = "a doorbell is a store to a device")]

use super::{Conduit, store_doorbell};
use core::ptr::NonNull;
use tenon_abi::{ConduitKind, Record};

/// A store to a device's address, behind the fence that the ordering table asks for.
#[derive(Clone, Copy, Debug)]
pub struct Mmio {
    kick: usize,
    stride: u32,
    /// With a stride, how many doorbells were mapped.
    queues: u32,
    bind: usize,
}

impl Mmio {
    /// The doorbells of a record, or `None` if its conduit is another or the kernel does not map them. `map`
    /// gets a guest-physical address and a length in bytes, and answers where that is mapped as device
    /// memory; it refuses what the kernel uses otherwise, whatever the record says.
    ///
    /// # Safety
    ///
    /// What `map` answers stays mapped for as long as the conduit is used, and is no memory of anybody's.
    #[must_use]
    pub unsafe fn of(record: &Record, map: impl Fn(u64, u64) -> Option<NonNull<u32>>) -> Option<Self> {
        if record.conduit.get() != ConduitKind::MMIO.0 {
            return None;
        }
        let (stride, queues) = (record.kick_stride.get(), record.max_vcpus.get().checked_mul(2)?);
        let distance = u64::from(stride).checked_mul(u64::from(queues.checked_sub(1)?))?;
        let kick = map(record.kick_base.get(), distance.checked_add(4)?)?;
        let bind = map(record.bind_base.get(), 4)?;
        let expose = |pointer: NonNull<u32>| pointer.as_ptr().expose_provenance();
        Some(Self { kick: expose(kick), stride, queues, bind: expose(bind) })
    }

    #[inline(always)]
    fn store(address: usize, value: u32) {
        let doorbell = core::ptr::with_exposed_provenance_mut::<u32>(address);
        // SAFETY: `of` was promised that a doorbell is mapped there, and `kick` stays among those that were.
        unsafe { store_doorbell(doorbell, value) };
    }
}

impl Conduit for Mmio {
    #[inline(always)]
    fn kick(&self, queue: u32) {
        // With a stride the doorbell of a queue that cannot be there is not mapped either.
        let distance = self.stride.checked_mul(queue).filter(|_| self.stride == 0 || queue < self.queues);
        if let Some(distance) = distance.and_then(|distance| usize::try_from(distance).ok()) {
            Self::store(self.kick.wrapping_add(distance), queue);
        }
    }

    #[inline(always)]
    fn bind(&self, frame: u32) {
        Self::store(self.bind, frame);
    }
}
