// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices: what there is, opening and closing ([DEV-1] to [DEV-14]). [`crate::block`] and [`crate::net`]
//! are what a kernel does with one.
//!
//! 1. [`Devices::find`], or [`Devices::query`] for each number below [`Devices::limits`], says what there is.
//! 2. [`Session::open_device`](crate::Session::open_device) opens one, with the memory that it may touch.
//! 3. [`Device::block`], [`Device::sender`] and [`Device::receiver`] open its queues.
//! 4. When a port says that the device changed, [`Device::query`] tells how it is now. One that was removed
//!    answers REMOVED from then on: the kernel closes it.
//!
//! ```
//! use tenon_abi::DeviceKind;
//! use tenon_guest::block::{Block, Io};
//! use tenon_guest::device::Arena;
//! use tenon_guest::{Buffer, Error, Pages, Platform, Session, Vcpu};
//!
//! /// Reads the first block of the first disk. `pages` are whole granules.
//! fn first_block<P: Platform>(
//!     session: &Session<'_, P>,
//!     vcpu: &Vcpu<'_, P>,
//!     pages: &mut Pages,
//!     out: &mut [u8; 512],
//! ) -> Result<(), Error> {
//!     let arena = Arena::of(pages);
//!     let buffer = Buffer::new(pages.split(4096, session.granule())?);
//!     let disk = vcpu.devices().find(DeviceKind::BLOCK, &buffer)?.ok_or(Error::NotPresent)?;
//!     let mut device = session.open_device(vcpu, &disk, 0, arena, None)?;
//!     let mut block: Block<'_, P> = device.block(vcpu, 0, None, pages)?;
//!     // The buffer belongs to the request until it is over.
//!     let token = block.submit(Io::Read { offset: 0, into: buffer }).map_err(|(error, _)| error)?;
//!     let done = block.wait(token)?;
//!     done.result.map_err(Error::Refused)?;
//!     let read = done.payload.is_some_and(|buffer| buffer.read(0, out));
//!     block.close(vcpu)?;
//!     device.close(vcpu)?;
//!     if read { Ok(()) } else { Err(Error::BadMemory) }
//! }
//! ```
//!
//! [DEV-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
//! [DEV-14]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices

mod info;
mod life;
mod opened;
mod queue;

pub use info::{Arena, Info, Limits};
pub use opened::Device;
pub(crate) use queue::{Kick, Queue, Wanted};

use crate::calls::Calls;
use crate::error::Error;
use crate::memory::Buffer;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::call::unpack;
use tenon_abi::{DeviceKind, Op, Status, Submission};

/// Numbers that [`Devices::find`] asks for at most, whatever the host says that there are.
const FIND_MOST: u32 = 4096;

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// The devices that the host gives.
    #[must_use]
    pub const fn devices(&self) -> Devices<'_> {
        Devices::over(self)
    }
}

/// The devices that the host gives.
#[derive(Clone, Copy)]
pub struct Devices<'v> {
    calls: &'v dyn Calls,
}

impl<'v> Devices<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// How many devices and open queues there can be ([DEV-2]).
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]; [`Error::NoMatch`] where the host says none.
    ///
    /// [DEV-2]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    pub fn limits(&self) -> Result<Limits, Error> {
        let told = self.calls.call_with(Submission::new(Op::DEVICE_LIMITS, [0; 6]))?;
        let (devices, queues) = unpack(told);
        if devices == 0 || queues == 0 {
            return Err(Error::NoMatch);
        }
        Ok(Limits { devices, queues })
    }

    /// Has a port raised whenever a device comes, goes or changes ([DEV-3]). Look at all of them once
    /// afterwards.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: NOT_FOUND if the port is not bound.
    ///
    /// [DEV-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    pub fn watch(&self, port: u32) -> Result<(), Error> {
        let watch = Submission::new(Op::DEVICE_WATCH, [u64::from(port), 0, 0, 0, 0, 0]);
        self.calls.call_with(watch).map(|_| ())
    }

    /// What is known of a device ([DEV-4]). The buffer has at least 128 bytes, of which the host writes the
    /// front.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: NOT_FOUND if there is no device of that number; [`Error::NoMatch`] where the host
    /// contradicts itself, and [`Error::BadMemory`] where the buffer is too short.
    ///
    /// [DEV-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    pub fn query(&self, device: u32, buffer: &Buffer) -> Result<Info, Error> {
        Info::ask(self.calls, device, buffer)
    }

    /// The first device of a kind that is neither removed nor open, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Self::limits`] and [`Self::query`].
    pub fn find(&self, kind: DeviceKind, buffer: &Buffer) -> Result<Option<Info>, Error> {
        let devices = self.limits()?.devices.min(FIND_MOST);
        for device in 0..devices {
            match self.query(device, buffer) {
                Ok(info) if info.kind == kind && info.is_free() => return Ok(Some(info)),
                // One that contradicts itself is left alone (DEV-14).
                Ok(_) | Err(Error::Refused(Status::NOT_FOUND) | Error::NoMatch) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Devices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices").finish_non_exhaustive()
    }
}
