// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host tells of a device, and the memory that one may touch.

use crate::calls::Calls;
use crate::error::Error;
use crate::memory::{Buffer, Pages};
use tenon_abi::{DeviceFlags, DeviceInfo, DeviceKind, Op, Submission};
use tenon_rings::planted;
use zerocopy::FromBytes;

/// How many devices and open queues there can be ([`super::Devices::limits`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Numbers of devices are below this.
    pub devices: u32,
    /// Queues that may be open in the domain at once.
    pub queues: u32,
}

/// What is known of a device: a copy, checked ([DEV-4]).
///
/// [DEV-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its number.
    pub device: u32,
    /// What it is.
    pub kind: DeviceKind,
    /// How it is.
    pub flags: DeviceFlags,
    /// Which device of this number it is.
    pub incarnation: u32,
    /// Indices of its queues are below this.
    pub max_queues: u32,
    /// Grows whenever what is told becomes another.
    pub change: u64,
    /// Features that may be chosen when it is opened.
    pub features: u64,
    /// What names it, for as long as the embedder says.
    pub identity: [u64; 2],
    /// Largest size of a queue: slots, or words of a data ring.
    pub max_depth: u32,
    /// What its kind tells: see [`crate::block::Info`] and [`crate::net::Info`].
    pub own: [u64; 8],
}

impl Info {
    /// Asks the host.
    pub(super) fn ask(calls: &dyn Calls, device: u32, buffer: &Buffer) -> Result<Self, Error> {
        const LEN: usize = size_of::<DeviceInfo>();
        let len = u64::try_from(LEN).map_err(|_| Error::TooLong)?;
        if buffer.len() < LEN {
            return Err(Error::BadMemory);
        }
        let args = [u64::from(device), buffer.address(), len, 0, 0, 0];
        let told = calls.call_with(Submission::new(Op::DEVICE_QUERY, args))?;
        // The host's number: what it did not write is not its answer.
        if told < len && !planted!("device-info-stale") {
            return Err(Error::NoMatch);
        }
        let mut bytes = [0; LEN];
        if !buffer.read(0, &mut bytes) {
            return Err(Error::BadMemory);
        }
        let told = DeviceInfo::read_from_bytes(&bytes).map_err(|_| Error::BadMemory)?;
        Self::checked(device, &told).ok_or(Error::NoMatch)
    }

    /// Of what the host wrote; `None` where it contradicts the text.
    fn checked(device: u32, told: &DeviceInfo) -> Option<Self> {
        let (max_queues, max_depth) = (told.max_queues.get(), told.max_depth.get());
        let reserved = u64::from(told.reserved0.get()) | told.reserved1.get();
        let flags = DeviceFlags::from_bits(told.flags.get());
        let holds = max_queues != 0 && max_depth != 0 && reserved == 0 && flags.is_some();
        (holds || planted!("device-info-believed")).then(|| Self {
            device,
            kind: DeviceKind(told.kind.get()),
            flags: flags.unwrap_or(DeviceFlags::empty()),
            incarnation: told.incarnation.get(),
            max_queues,
            change: told.change.get(),
            features: told.features.get(),
            identity: told.identity.map(|word| word.get()),
            max_depth,
            own: told.own.map(|word| word.get()),
        })
    }

    /// Whether the host has taken the device away ([DEV-13]): whoever has it open closes it.
    ///
    /// [DEV-13]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    #[must_use]
    pub const fn is_removed(&self) -> bool {
        self.flags.contains(DeviceFlags::REMOVED)
    }

    /// Whether it can be opened.
    pub(super) const fn is_free(&self) -> bool {
        !self.is_removed() && !self.flags.contains(DeviceFlags::OPEN)
    }

    /// The words that the kind tells, as their structure.
    pub(crate) fn own<T: FromBytes>(&self) -> Option<T> {
        let bytes = self.own.map(u64::to_le_bytes);
        T::read_from_bytes(bytes.as_flattened()).ok()
    }
}

/// The memory that a device may touch: whole granules of region 0 ([DEV-6]).
///
/// A kernel that trusts its host names all of its memory, and then any buffer will do.
///
/// [DEV-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arena {
    /// Where it begins in region 0.
    pub address: u64,
    /// Its length in bytes.
    pub len: u64,
}

impl Arena {
    /// All of these pages. They may be split afterwards: an arena is a permission, and owns nothing.
    #[must_use]
    pub fn of(pages: &Pages) -> Self {
        Self { address: pages.address(), len: u64::try_from(pages.mapping().byte_len()).unwrap_or(0) }
    }
}
