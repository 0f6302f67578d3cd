// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whichever doorbells the host has: the image is one for all conduits.
#![allow(unsafe_code, reason = "conduits trust their kernel")]

use core::ptr::NonNull;
use tenon_abi::Record;
use tenon_conformance::env::Bell;
#[cfg(not(target_arch = "x86_64"))]
use tenon_guest::conduit::Hypercall;
use tenon_guest::conduit::{Conduit, Mmio};
#[cfg(target_arch = "x86_64")]
use tenon_guest::conduit::{PortIo, Vmcall};
use tenon_guest::shared::{Attached, Shared};
use tenon_guest_rt as rt;

/// The doorbells, and where they are for user mode to try.
pub(crate) struct Doorbells {
    conduit: Kind,
    #[cfg(target_arch = "x86_64")]
    places: user_mode::Places,
}

enum Kind {
    Memory(Mmio),
    Device(&'static Shared),
    #[cfg(target_arch = "x86_64")]
    Ports(PortIo),
    #[cfg(target_arch = "x86_64")]
    Hypercalls(Vmcall),
    #[cfg(not(target_arch = "x86_64"))]
    Hypercalls(Hypercall),
}

impl Doorbells {
    /// The doorbells of a record; `None` where this image has no such conduit.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        // SAFETY: the record is the host's, found by the platform's means; the image owns all ports, maps as devices what is nobody's memory, and
        // runs at the level that makes hypercalls.
        #[cfg(target_arch = "x86_64")]
        let conduit = unsafe {
            PortIo::of(record)
                .map(Kind::Ports)
                .or_else(|| Mmio::of(record, device).map(Kind::Memory))
                .or_else(|| Vmcall::of(record).map(Kind::Hypercalls))?
        };
        // SAFETY: as above.
        #[cfg(not(target_arch = "x86_64"))]
        let conduit = unsafe {
            Mmio::of(record, device)
                .map(Kind::Memory)
                .or_else(|| Hypercall::of(record).map(Kind::Hypercalls))?
        };
        Some(Self {
            conduit,
            #[cfg(target_arch = "x86_64")]
            places: user_mode::Places::of(record),
        })
    }

    /// Those of a host behind a device.
    pub(crate) fn device(attached: &'static Attached) -> Self {
        Self {
            conduit: Kind::Device(&attached.conduit),
            #[cfg(target_arch = "x86_64")]
            places: user_mode::Places::device(attached),
        }
    }

    fn conduit(&self) -> &dyn Conduit {
        match &self.conduit {
            Kind::Memory(memory) => memory,
            Kind::Device(shared) => *shared,
            #[cfg(target_arch = "x86_64")]
            Kind::Ports(ports) => ports,
            Kind::Hypercalls(hypercalls) => hypercalls,
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

#[cfg(target_arch = "x86_64")]
mod user_mode {
    use super::{Attached, Bell, Doorbells, Kind, Record};
    use tenon_abi::ConduitFlags;
    use tenon_guest_rt as rt;

    /// Where the doorbells are.
    pub(super) struct Places {
        kick: u32,
        bind: u32,
        flags: u16,
    }

    impl Places {
        pub(super) fn of(record: &Record) -> Self {
            let [kick, bind] = [record.kick_base, record.bind_base].map(|place| place.get() as u32);
            Self { kick, bind, flags: record.conduit_flags.get() }
        }

        pub(super) fn device(attached: &Attached) -> Self {
            let [kick, bind] = attached.conduit.places().map(|place| place as u32);
            Self { kick, bind, flags: 0 }
        }
    }

    impl Doorbells {
        /// See [`tenon_conformance::env::Env::doorbell_from_user_mode`].
        pub(crate) fn ring_from_user_mode(&self, bell: Bell) -> Option<bool> {
            let (place, value) = match bell {
                Bell::Kick(queue) => (self.places.kick, queue),
                Bell::Bind(frame) => (self.places.bind, frame),
            };
            let tried = match self.conduit {
                Kind::Ports(_) => rt::user_mode_out(place as u16, value),
                Kind::Memory(_) | Kind::Device(_) if rt::is_native() => return None,
                Kind::Memory(_) | Kind::Device(_) => rt::user_mode_store(place, value),
                Kind::Hypercalls(_) => {
                    let is_vmmcall = self.places.flags & ConduitFlags::VMMCALL.bits() != 0;
                    rt::user_mode_hypercall(is_vmmcall, place, value)
                }
            };
            Some(tried.is_err())
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Doorbells {
    /// The run time has no user mode here.
    pub(crate) fn ring_from_user_mode(&self, _: Bell) -> Option<bool> {
        None
    }
}
