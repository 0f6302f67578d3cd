// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a domain is offered.

use crate::error::Error;
pub use crate::error::Setting;
use core::ops::RangeInclusive;
use serde::{Deserialize, Serialize};
use tenon_abi::operation::Limits;
use tenon_abi::{ConduitFlags, ConduitKind, Features, Granule, Granules, VERSION};

/// How the guest reaches this host (DISC-6 to DISC-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conduit {
    /// What kind it is.
    #[serde(with = "kind")]
    pub kind: ConduitKind,
    /// What it can do.
    #[serde(with = "flags")]
    pub flags: ConduitFlags,
    /// Where queue 0 is kicked.
    pub kick_base: u64,
    /// Distance between the doorbells of two queues.
    pub kick_stride: u32,
    /// Where a frame number is handed over.
    pub bind_base: u64,
}

impl Conduit {
    /// A function call inside one process.
    #[must_use]
    pub const fn call(synchronous: bool) -> Self {
        let flags = if synchronous { ConduitFlags::SYNCHRONOUS } else { ConduitFlags::empty() };
        Self { kind: ConduitKind::CALL, flags, kick_base: 0, kick_stride: 0, bind_base: 0 }
    }

    /// Doorbells of a device whose memory both sides share (SHM-2, SHM-3): every kick is one store of
    /// `doorbell` there, and the bind word lies at `bind` of that memory.
    #[must_use]
    pub const fn shared(doorbell: u32, bind: u64) -> Self {
        let [d0, d1, d2, d3] = doorbell.to_le_bytes();
        Self {
            kind: ConduitKind::SHARED,
            flags: ConduitFlags::empty(),
            kick_base: u64::from_le_bytes([d0, d1, d2, d3, 0, 0, 0, 0]),
            kick_stride: 0,
            bind_base: bind,
        }
    }

    /// One x86 port for all kicks, one for bind.
    #[must_use]
    pub const fn port_io(kick: u16, bind: u16) -> Self {
        let [k0, k1] = kick.to_le_bytes();
        let [b0, b1] = bind.to_le_bytes();
        Self {
            kind: ConduitKind::PORT_IO,
            flags: ConduitFlags::SYNCHRONOUS,
            kick_base: u64::from_le_bytes([k0, k1, 0, 0, 0, 0, 0, 0]),
            kick_stride: 0,
            bind_base: u64::from_le_bytes([b0, b1, 0, 0, 0, 0, 0, 0]),
        }
    }

    /// One guest-physical address for all kicks, one for bind.
    #[must_use]
    pub const fn mmio(kick: u64, bind: u64) -> Self {
        Self {
            kind: ConduitKind::MMIO,
            flags: ConduitFlags::SYNCHRONOUS,
            kick_base: kick,
            kick_stride: 0,
            bind_base: bind,
        }
    }

    /// One hypercall function for all kicks, one for bind (DISC-12). `more` flags beside SYNCHRONOUS:
    /// [`ConduitFlags::PRIVILEGED`] where user mode can make them and the attachment refuses those,
    /// [`ConduitFlags::VMMCALL`] where that is the hypercall.
    #[must_use]
    pub const fn hypercall(kick: u32, bind: u32, more: ConduitFlags) -> Self {
        let [k0, k1, k2, k3] = kick.to_le_bytes();
        let [b0, b1, b2, b3] = bind.to_le_bytes();
        Self {
            kind: ConduitKind::HYPERCALL,
            flags: ConduitFlags::SYNCHRONOUS.union(more),
            kick_base: u64::from_le_bytes([k0, k1, k2, k3, 0, 0, 0, 0]),
            kick_stride: 0,
            bind_base: u64::from_le_bytes([b0, b1, b2, b3, 0, 0, 0, 0]),
        }
    }
}

/// Types of the wire in a saved state: as their numbers. Unknown bits stay and are found by
/// [`Config::check`].
macro_rules! as_number {
    ($($module:ident: $ty:ty as $int:ty, $get:expr, $set:expr;)*) => { $(
        pub(crate) mod $module {
            #[allow(clippy::wildcard_imports, reason = "the types are named by whoever calls the macro")]
            use super::*;
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            pub(crate) fn serialize<S: Serializer>(value: &$ty, to: S) -> Result<S::Ok, S::Error> {
                let get: fn(&$ty) -> $int = $get;
                get(value).serialize(to)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$ty, D::Error> {
                let set: fn($int) -> $ty = $set;
                <$int>::deserialize(from).map(set)
            }
        }
    )* };
}

as_number! {
    kind: ConduitKind as u16, |kind| kind.0, ConduitKind;
    flags: ConduitFlags as u16, ConduitFlags::bits, ConduitFlags::from_bits_retain;
    features: Features as u64, Features::bits, Features::from_bits_retain;
    granules: Granules as u32, Granules::bits, Granules::from_bits_retain;
}

/// What a domain is offered. The limits are also its quotas: the core allocates by these numbers and never by
/// the guest's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The conduit.
    pub conduit: Conduit,
    /// The newest minor version that is offered (NEG-1).
    pub minor: u16,
    /// Features that are offered, where the services of the domain can serve them.
    #[serde(with = "features")]
    pub features: Features,
    /// Granules that are offered (NEG-3).
    #[serde(with = "granules")]
    pub granules: Granules,
    /// Length of the window in bytes, a multiple of 8.
    pub window_len: u64,
    /// vCPU numbers are below this; vCPU 0 runs from the start.
    pub max_vcpus: u32,
    /// Largest call queue depth.
    pub max_depth: u32,
    /// Largest event ring, in entries.
    pub max_events: u32,
    /// Port numbers are below this.
    pub max_ports: u32,
    /// Direct ports that may be bound at once. Each costs the attachment an interrupt line, and KVM's a file
    /// descriptor.
    pub max_direct: u32,
    /// Largest payload of one call in bytes.
    pub max_payload: u32,
    /// Interrupts that a guest may choose for upcalls and direct ports, as the platform counts them (VCPU-8).
    pub interrupts: RangeInclusive<u32>,
    /// Largest entry and argument of VCPU_START: what the platform's start state can carry (VCPU-5).
    pub max_start: u64,
    /// Where session seeds are drawn from; give every domain another one.
    pub seed: u64,
    /// How memory is given back (MEM-1). `None`: MEMORY is not offered.
    pub balloon: Option<Balloon>,
    /// The host reaches only what the guest handed over or shared (MEM-10). `None`: it reaches all memory,
    /// and CLOSED is not offered.
    pub closed: Option<Sharing>,
    /// How many devices there may be (DEV-2). `None`: DEVICES is not offered.
    pub devices: Option<Devices>,
}

/// Devices that a domain may have, for an attachment that does the actions of [`crate::DeviceAction`], over
/// memory that makes arenas ([`crate::Memory::arena`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    /// Device numbers are below this: 1 to 4096.
    pub max_devices: u32,
    /// Queues that may be open at once in the domain: 1 to 65,536.
    pub max_queues: u32,
}

impl Default for Devices {
    /// 16 devices with 64 queues.
    fn default() -> Self {
        Self { max_devices: 16, max_queues: 64 }
    }
}

impl Devices {
    fn is_sound(self) -> bool {
        (1..=4096).contains(&self.max_devices) && (1..=65_536).contains(&self.max_queues)
    }
}

/// How a guest gives memory back, for an attachment that does the actions of [`crate::MemoryAction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balloon {
    /// The unit of giving in bytes: a power of two from 4 KiB to 2 MiB (MEM-2).
    pub granule: u64,
    /// Bytes that one call does at most: a multiple of `granule`.
    pub max_range: u64,
    /// Separate ranges that may be given at once, at least 64 (MEM-6).
    pub max_ranges: u32,
}

impl Balloon {
    /// With this unit: at most 16 MiB a call, and 1024 ranges.
    #[must_use]
    pub const fn of(granule: u64) -> Self {
        Self { granule, max_range: 16 << 20, max_ranges: 1024 }
    }
}

/// What a guest of a closed domain may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// Bytes that one call does at most: a multiple of the largest granule (MEM-12).
    pub max_range: u64,
    /// Separate ranges that may be shared at once, at least 16.
    pub max_ranges: u32,
}

impl Balloon {
    fn is_sound(self) -> bool {
        self.granule.is_power_of_two()
            && (4096..=2 << 20).contains(&self.granule)
            && self.max_range != 0
            && self.max_range.is_multiple_of(self.granule)
            && (64..=65_536).contains(&self.max_ranges)
    }
}

impl Sharing {
    fn is_sound(self) -> bool {
        self.max_range != 0
            && self.max_range.is_multiple_of(Granule::K64.size())
            && (16..=65_536).contains(&self.max_ranges)
    }
}

impl Default for Sharing {
    /// At most 16 MiB a call, and 256 ranges.
    fn default() -> Self {
        Self { max_range: 16 << 20, max_ranges: 256 }
    }
}

impl Config {
    /// Modest limits, 64 KiB of window for each vCPU, interrupts 32 to 255. Everything is offered that asks
    /// no more of an attachment than the actions of sessions, events, vCPUs, console and lifecycle: what
    /// does, is set up by a method of its own, as [`Self::with_time`].
    #[must_use]
    pub fn new(conduit: Conduit, max_vcpus: u32, seed: u64) -> Self {
        // One granule for the record, and room for default areas at the largest granule.
        let window_len = u64::from(max_vcpus).saturating_add(1).saturating_mul(Granule::K64.size());
        Self {
            conduit,
            minor: VERSION.minor,
            features: Features::of_minor(1).union(Features::ENTROPY).union(Features::METER),
            granules: Granules::all(),
            window_len,
            max_vcpus,
            max_depth: 256,
            max_events: 4096,
            max_ports: 1024,
            max_direct: 64,
            max_payload: 65_536,
            interrupts: 32..=255,
            max_start: u64::MAX,
            seed,
            balloon: None,
            closed: None,
            devices: None,
        }
    }

    /// Offers clocks, timers and the page that tells the clocks (TIME-1): the attachment starts the clocks
    /// ([`crate::Domain::start_clocks`]), says what time it is to whatever asks, and does
    /// [`crate::TimeAction`]. Where the window is offered, it grows by a granule for the page (PAGE-5).
    #[must_use]
    pub fn with_time(mut self) -> Self {
        self.features |= Features::TIME | Features::PAGES;
        if self.features.contains(Features::WINDOW) {
            self.window_len = self.window_len.saturating_add(Granule::K64.size());
        }
        self
    }

    /// Offers generations and suspension (LIFE-5): for whoever saves and restores the domain by
    /// [`crate::Domain::save`] and [`crate::Domain::restore`], and by nothing else. The attachment does
    /// [`crate::LifecycleAction::Repaired`] and [`crate::LifecycleAction::SuspendReady`].
    #[must_use]
    pub fn with_generation(mut self) -> Self {
        self.features |= Features::GENERATION | Features::PAGES;
        self
    }

    /// Offers a count of the time stolen from each vCPU (VCPU-11), where the domain is given
    /// [`crate::Services::stolen`]. The attachment calls [`crate::Domain::tell_stolen`].
    #[must_use]
    pub fn with_stolen(mut self) -> Self {
        self.features |= Features::STOLEN;
        self
    }

    /// Checks the limits (DISC-9).
    ///
    /// # Errors
    ///
    /// [`Error::BadConfig`] with the field's name.
    pub fn check(&self) -> Result<(), Error> {
        let (first, last) = (*self.interrupts.start(), *self.interrupts.end());
        let known = Features::of_minor(self.minor);
        let rules = [
            ((1..=VERSION.minor).contains(&self.minor), Setting::Minor),
            (known.contains(self.features), Setting::Features),
            (!self.granules.is_empty() && Granules::all().contains(self.granules), Setting::Granules),
            (self.window_len >= 256 && self.window_len.is_multiple_of(8), Setting::WindowLen),
            ((1..=4096).contains(&self.max_vcpus), Setting::MaxVcpus),
            ((64..=4096).contains(&self.max_depth) && self.max_depth.is_power_of_two(), Setting::MaxDepth),
            (
                (256..=65_536).contains(&self.max_events) && self.max_events.is_power_of_two(),
                Setting::MaxEvents,
            ),
            ((64..=65_536).contains(&self.max_ports), Setting::MaxPorts),
            ((4096..=1 << 20).contains(&self.max_payload), Setting::MaxPayload),
            (self.pages_from().is_some(), Setting::WindowLen),
            (first >= 1 && last.checked_sub(first).is_some_and(|more| more >= 7), Setting::Interrupts),
            (self.balloon.is_none_or(Balloon::is_sound), Setting::Balloon),
            (self.closed.is_none_or(Sharing::is_sound), Setting::Closed),
            (self.devices.is_none_or(Devices::is_sound), Setting::Devices),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, setting)) => Err(Error::BadConfig(*setting)),
            None => Ok(()),
        }
    }

    /// The same, as a host of an older minor version offers it: without what that version does not know
    /// (NEG-1).
    #[must_use]
    pub fn of_minor(mut self, minor: u16) -> Self {
        self.minor = minor;
        self.features = self.features.intersection(Features::of_minor(minor));
        self
    }

    /// The same, whose guest can give memory back: for an attachment that does the actions of
    /// [`crate::MemoryAction`] and says so.
    #[must_use]
    pub fn with_balloon(mut self, balloon: Balloon) -> Self {
        self.features |= Features::MEMORY;
        self.balloon = Some(balloon);
        self
    }

    /// The same of a closed domain: for memory that refuses what was neither handed over nor shared.
    #[must_use]
    pub fn with_sharing(mut self, sharing: Sharing) -> Self {
        self.features |= Features::CLOSED;
        self.closed = Some(sharing);
        self
    }

    /// The same, with devices, where the minor version knows them: for an attachment that does the actions of
    /// [`crate::DeviceAction`].
    #[must_use]
    pub fn with_devices(mut self, devices: Devices) -> Self {
        let wanted = Features::DEVICES | Features::BLOCK | Features::NET;
        self.features |= wanted.intersection(Features::of_minor(self.minor));
        self.devices = Some(devices);
        self
    }

    /// The doorbells: how many are of vCPUs' queues, and how many there are with those of devices' queues
    /// (DISC-7, DEV-8).
    #[cfg(feature = "std")]
    pub(crate) fn doorbells(&self) -> (u32, u32) {
        let of_vcpus = self.max_vcpus.saturating_mul(2);
        (of_vcpus, of_vcpus.saturating_add(self.devices.map_or(0, |devices| devices.max_queues)))
    }

    /// Features that are not configured.
    pub(crate) fn missing(&self) -> Features {
        let mut missing = Features::empty();
        missing.set(Features::MEMORY, self.balloon.is_none());
        missing.set(Features::CLOSED, self.closed.is_none());
        let devices = Features::DEVICES.union(Features::BLOCK).union(Features::NET);
        missing.set(devices, self.devices.is_none());
        missing
    }

    /// Whether a guest may choose this interrupt (VCPU-8).
    #[must_use]
    pub fn has_interrupt(&self, number: u32) -> bool {
        self.interrupts.contains(&number)
    }

    /// What arguments are held against (CALL-11).
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_ports: self.max_ports,
            max_vcpus: self.max_vcpus,
            interrupts: [*self.interrupts.start(), *self.interrupts.end()],
            max_start: self.max_start,
        }
    }

    /// The smallest granule offered: what counts before negotiation (GEN-4).
    #[must_use]
    pub fn smallest_granule(&self) -> Granule {
        Granule::from_shift(self.granules.bits().trailing_zeros()).unwrap_or(Granule::K4)
    }
}
