// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whichever doorbells the host has: the image is one for all conduits.
#![allow(unsafe_code, reason = "conduits trust their kernel")]

use core::ptr::NonNull;
use tenon_abi::{ConduitFlags, Record};
use tenon_conformance::env::Bell;
use tenon_guest::conduit::{Conduit, Mmio, PortIo, Vmcall};
use tenon_guest::shared::{Attached, Shared};
use tenon_guest_rt as rt;

/// The doorbells, and where they are for user mode to try.
pub(crate) struct Doorbells {
    conduit: Kind,
    kick: u32,
    bind: u32,
    flags: u16,
}

enum Kind {
    Ports(PortIo),
    Memory(Mmio),
    Hypercalls(Vmcall),
    Device(&'static Shared),
}

impl Doorbells {
    /// The doorbells of a record; `None` where this image has no such conduit.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        // SAFETY: the record is the host's, found by CPUID; the image owns all ports, maps addresses one to one, of which nothing but memory is its own,
        // and runs at the level that makes hypercalls.
        let conduit = unsafe {
            PortIo::of(record)
                .map(Kind::Ports)
                .or_else(|| Mmio::of(record, device).map(Kind::Memory))
                .or_else(|| Vmcall::of(record).map(Kind::Hypercalls))?
        };
        let [kick, bind] = [record.kick_base, record.bind_base].map(|place| place.get() as u32);
        Some(Self { conduit, kick, bind, flags: record.conduit_flags.get() })
    }

    /// Those of a host behind a device.
    pub(crate) fn device(attached: &'static Attached) -> Self {
        let [kick, bind] = attached.conduit.places().map(|place| place as u32);
        Self { conduit: Kind::Device(&attached.conduit), kick, bind, flags: 0 }
    }

    fn conduit(&self) -> &dyn Conduit {
        match &self.conduit {
            Kind::Ports(ports) => ports,
            Kind::Memory(memory) => memory,
            Kind::Hypercalls(hypercalls) => hypercalls,
            Kind::Device(shared) => *shared,
        }
    }

    /// See [`tenon_conformance::env::Env::doorbell_from_user_mode`].
    pub(crate) fn ring_from_user_mode(&self, bell: Bell) -> Option<bool> {
        let (place, value) = match bell {
            Bell::Kick(queue) => (self.kick, queue),
            Bell::Bind(frame) => (self.bind, frame),
        };
        let tried = match self.conduit {
            Kind::Ports(_) => rt::user_mode_out(place as u16, value),
            Kind::Memory(_) | Kind::Device(_) if rt::is_native() => return None,
            Kind::Memory(_) | Kind::Device(_) => rt::user_mode_store(place, value),
            Kind::Hypercalls(_) => rt::user_mode_hypercall(self.flags & ConduitFlags::VMMCALL.bits() != 0, place, value),
        };
        Some(tried.is_err())
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

/// Where a device's address is mapped: one to one, behind memory.
fn device(address: u64, len: u64) -> Option<NonNull<u32>> {
    let end = address.checked_add(len)?;
    let is_device = address >= rt::memory_end() && end <= 1 << 32 && address.is_multiple_of(4);
    if is_device { NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize)) } else { None }
}
