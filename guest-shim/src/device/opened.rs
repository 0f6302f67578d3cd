// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device that is open ([DEV-6], [DEV-12], [DEV-13]).
//!
//! [DEV-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
//! [DEV-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
//! [DEV-13]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices

use super::info::{Arena, Info};
use super::life::{Life, port_or_none};
use crate::calls::Calls;
use crate::error::Error;
use crate::memory::Buffer;
use crate::platform::Platform;
use crate::session::Session;
use core::fmt;
use core::mem::offset_of;
use tenon_abi::device::Named;
use tenon_abi::discovery::Session as WireSession;
use tenon_abi::{Granule, Op, Record, Status, Submission};
use tenon_rings::{Words, planted};

impl<'p, P: Platform> Session<'p, P> {
    /// Opens a device, as `info` tells of it, with features of it and the memory that it may touch
    /// ([DEV-6]). The port, if there is one, is raised when the device changes.
    ///
    /// # Errors
    ///
    /// As [`crate::Vcpu::call`]: EXISTS if it is open, REMOVED if it is not that device any more.
    ///
    /// [DEV-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    pub fn open_device(
        &self,
        calls: &dyn Calls,
        info: &Info,
        features: u64,
        arena: Arena,
        port: Option<u32>,
    ) -> Result<Device<'p, P>, Error> {
        let index = if planted!("incarnation-left-out") { 0 } else { info.incarnation };
        let name = Named { device: info.device, index };
        let args = [name.to_word(), features, arena.address, arena.len, port_or_none(port), 0];
        let record = self.found().record();
        let word = self.found().window().slice(offset_of!(Record, session) / 8, 1);
        let word = word.ok_or(Error::NotPresent)?;
        calls.call_with(Submission::new(Op::DEVICE_OPEN, args))?;
        Ok(Device {
            platform: self.platform(),
            info: *info,
            features,
            granule: self.granule(),
            first_doorbell: record.max_vcpus.get().saturating_mul(2),
            life: Life { word, session: WireSession { number: self.number(), seed: self.seed() } },
        })
    }
}

/// A device that is open. It hands out its queues, and owns no memory: dropped, it stays open.
pub struct Device<'p, P> {
    platform: &'p P,
    info: Info,
    features: u64,
    granule: Granule,
    first_doorbell: u32,
    life: Life,
}

impl<'p, P: Platform> Device<'p, P> {
    pub(crate) const fn platform(&self) -> &'p P {
        self.platform
    }
}

impl<P> Device<'_, P> {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.info.device
    }

    /// What was told of it before it was opened.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// The features that were chosen.
    #[must_use]
    pub const fn features(&self) -> u64 {
        self.features
    }

    pub(crate) const fn granule(&self) -> Granule {
        self.granule
    }

    pub(crate) const fn first_doorbell(&self) -> u32 {
        self.first_doorbell
    }

    pub(crate) const fn life(&self) -> Life {
        self.life
    }

    pub(crate) const fn seed(&self) -> u32 {
        self.life.session.seed
    }

    /// Whether the session in which it was opened has ended, and the device is closed with it ([SES-7]).
    ///
    /// [SES-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.life.is_over()
    }

    /// What is told of it now: to be looked at when a port says that it changed ([DEV-7]).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with REMOVED when the host has taken it away, or has another device of this number;
    /// as [`super::Devices::query`].
    ///
    /// [DEV-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    pub fn query(&self, calls: &dyn Calls, buffer: &Buffer) -> Result<Info, Error> {
        let info = match Info::ask(calls, self.info.device, buffer) {
            Err(Error::Refused(Status::NOT_FOUND)) => Err(Error::Refused(Status::REMOVED)),
            told => told,
        }?;
        let other = info.incarnation != self.info.incarnation || info.kind != self.info.kind;
        if (info.is_removed() || other) && !planted!("removed-ignored") {
            return Err(Error::Refused(Status::REMOVED));
        }
        Ok(info)
    }

    /// Closes it, and the queues that are open with it ([DEV-12]): nothing of its arena is touched any more.
    ///
    /// # Errors
    ///
    /// [`Error::Pending`] while the host has not closed it: call this again. As [`crate::Vcpu::call`].
    ///
    /// [DEV-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    pub fn close(&mut self, calls: &dyn Calls) -> Result<(), Error> {
        if self.is_over() {
            return Ok(());
        }
        let args = [u64::from(self.info.device), 0, 0, 0, 0, 0];
        match calls.call_with(Submission::new(Op::DEVICE_CLOSE, args)) {
            _ if self.is_over() => Ok(()),
            // An earlier call that was not waited for has done it.
            Ok(_) | Err(Error::Refused(Status::NOT_FOUND)) => Ok(()),
            Err(Error::Refused(Status::BAD_STATE)) => Err(Error::Pending),
            Err(error) => Err(error),
        }
    }
}

impl<P> fmt::Debug for Device<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("number", &self.info.device).finish_non_exhaustive()
    }
}
