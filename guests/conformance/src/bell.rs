// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whichever doorbells the host has: the image is one for all conduits.
#![allow(unsafe_code, reason = "conduits trust their kernel")]

use core::ptr::NonNull;
#[cfg(target_arch = "x86_64")]
use tenon_abi::ConduitFlags;
use tenon_abi::Record;
use tenon_conformance::env::Bell;
use tenon_guest::conduit::{Conduit, Doorbells as Own};
use tenon_guest::shared::{Attached, Shared};
use tenon_guest_rt as rt;

/// The doorbells, and where they are for user mode to try.
pub(crate) struct Doorbells {
    conduit: Kind,
    /// Where user mode tries to kick and to bind.
    places: [u64; 2],
    #[cfg(target_arch = "x86_64")]
    flags: u16,
}

enum Kind {
    Own(Own),
    Device(&'static Shared),
}

impl Doorbells {
    /// The doorbells of a record; `None` where this image has no such conduit.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        // SAFETY: the record is the host's, found by the platform's means; the image owns all ports, maps as
        // devices what is nobody's memory, and runs at the level that makes hypercalls.
        let conduit = Kind::Own(unsafe { Own::of(record, device) }?);
        Some(Self {
            conduit,
            places: [record.kick_base.get(), record.bind_base.get()],
            #[cfg(target_arch = "x86_64")]
            flags: record.conduit_flags.get(),
        })
    }

    /// Those of a host behind a device.
    pub(crate) fn device(attached: &'static Attached) -> Self {
        Self {
            conduit: Kind::Device(&attached.conduit),
            places: attached.conduit.places().map(|place| place as u64),
            #[cfg(target_arch = "x86_64")]
            flags: 0,
        }
    }

    fn conduit(&self) -> &dyn Conduit {
        match &self.conduit {
            Kind::Own(own) => own,
            Kind::Device(shared) => *shared,
        }
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

/// Where a device's address is mapped.
fn device(address: u64, len: u64) -> Option<NonNull<u32>> {
    NonNull::new(rt::map(address, len, rt::MapAs::Device).filter(|_| address.is_multiple_of(4))?.cast())
}

impl Doorbells {
    /// See [`tenon_conformance::env::Env::doorbell_from_user_mode`].
    pub(crate) fn ring_from_user_mode(&self, bell: Bell) -> Option<bool> {
        let [kick, bind] = self.places;
        let (place, value) = match bell {
            Bell::Kick(queue) => (kick, queue),
            Bell::Bind(frame) => (bind, frame),
        };
        self.try_in_user_mode(place, value)
    }

    #[cfg(target_arch = "x86_64")]
    fn try_in_user_mode(&self, place: u64, value: u32) -> Option<bool> {
        let tried = match self.conduit {
            Kind::Own(Own::PortIo(_)) => rt::user_mode_out(place as u16, value),
            Kind::Own(Own::Hypercall(_)) => {
                let is_vmmcall = self.flags & ConduitFlags::VMMCALL.bits() != 0;
                rt::user_mode_hypercall(is_vmmcall, place as u32, value)
            }
            _ if rt::is_native() => return None,
            _ => rt::user_mode_store(place as u32, value),
        };
        Some(tried.is_err())
    }

    #[cfg(target_arch = "aarch64")]
    fn try_in_user_mode(&self, place: u64, value: u32) -> Option<bool> {
        let tried = match self.conduit {
            Kind::Own(Own::Hypercall(_)) => rt::user_mode_hypercall(place as u32, value),
            _ => rt::user_mode_store(place, value),
        };
        Some(tried.is_err())
    }

    /// The run time maps nothing here, so that it has no way to close anything to user mode.
    #[cfg(target_arch = "riscv64")]
    fn try_in_user_mode(&self, _: u64, _: u32) -> Option<bool> {
        None
    }
}
