// SPDX-License-Identifier: MIT OR Apache-2.0
//! The network interface, as smoltcp sees it.

use crate::platform::{Kernel, memory};
use crate::rest::NET;
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use tenon_abi::NetFeatures;
use tenon_guest::device::Device;
use tenon_guest::net::{Receiver, Sender};
use tenon_guest::{Error, Pages, Vcpu};

/// Bytes in front of a packet.
const ETHERNET: usize = 14;
/// Words of a ring, if the device has no reason for more: some hundred frames of the usual length.
const WORDS: u32 = 1 << 16;
/// Frames that are taken in one round, so that others get their turn.
const ROUND: u32 = 256;

/// Bytes of an arena for this.
pub(crate) const ARENA: usize = (4 << 20) + (64 << 10);

pub(crate) struct Nic<'v> {
    receiver: Receiver<'v, Kernel>,
    sender: Sender<'v, Kernel>,
    mtu: usize,
    incoming: &'static mut [u8],
    outgoing: Outgoing,
    /// Frames that may still be taken in this round.
    left: u32,
}

/// A frame for which there is no room yet.
struct Outgoing {
    frame: &'static mut [u8],
    len: usize,
}

impl<'v> Nic<'v> {
    pub(crate) fn open(
        device: &Device<'v, Kernel>,
        vcpu: &Vcpu<'_, Kernel>,
        pages: &mut Pages,
    ) -> Result<Self, Error> {
        let info = device.info().net()?;
        let words = |to_host| info.least_words(NetFeatures::empty(), to_host).max(WORDS);
        let sender = device.sender(vcpu, 0, words(true), Some(NET), pages)?;
        let receiver = device.receiver(vcpu, 0, words(false), Some(NET), pages)?;
        let frame = usize::try_from(info.longest_frame(false)).map_err(|_| Error::TooLong)?;
        let outgoing = Outgoing { frame: memory(frame)?, len: 0 };
        Ok(Self { receiver, sender, mtu: info.mtu as usize, incoming: memory(frame)?, outgoing, left: 0 })
    }

    /// Frames may be taken again.
    pub(crate) fn begin(&mut self) {
        self.left = ROUND;
    }

    /// Publishes what was sent.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.outgoing.push(&mut self.sender)?;
        self.sender.flush()
    }

    /// Asks for an event when a frame comes or can go; `true`: none has or can.
    pub(crate) fn arm(&mut self) -> Result<bool, Error> {
        if self.left == 0 {
            return Ok(false);
        }
        if self.outgoing.len > 0 && !self.sender.arm(self.outgoing.len)? {
            return Ok(false);
        }
        self.receiver.arm()
    }
}

impl Outgoing {
    /// Sends the frame that waits, if there is room now; whether none waits any more.
    fn push(&mut self, sender: &mut Sender<'_, Kernel>) -> Result<bool, Error> {
        if self.len == 0 {
            return Ok(true);
        }
        match sender.send(self.frame.get(..self.len).unwrap_or_default()) {
            Err(Error::Full) => Ok(false),
            Ok(()) | Err(Error::TooLong) => {
                self.len = 0;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}

/// A frame that came.
pub(crate) struct Came<'a>(&'a [u8]);

impl phy::RxToken for Came<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame.
pub(crate) struct Goes<'a, 'v>(&'a mut Outgoing, &'a mut Sender<'v, Kernel>);

impl phy::TxToken for Goes<'_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self(outgoing, sender) = self;
        // smoltcp knows how long a frame may be.
        let len = len.min(outgoing.frame.len());
        let result = f(outgoing.frame.get_mut(..len).unwrap_or_default());
        outgoing.len = len;
        // A ring that is broken is found so by the next flush.
        let _ = outgoing.push(sender);
        result
    }
}

impl<'v> phy::Device for Nic<'v> {
    type RxToken<'a>
        = Came<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Goes<'a, 'v>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Came<'_>, Goes<'_, 'v>)> {
        // Whatever comes may want an answer.
        if self.left == 0 || self.outgoing.push(&mut self.sender) != Ok(true) {
            return None;
        }
        let incoming = &mut *self.incoming;
        // A copy: the host may change the ring at any time.
        let len = self.receiver.receive(|_, frame| frame.copy_into(incoming).map_or(0, |frame| frame.len()));
        let len = len.ok()?;
        self.left -= 1;
        Some((Came(self.incoming.get(..len)?), Goes(&mut self.outgoing, &mut self.sender)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Goes<'_, 'v>> {
        let is_free = self.outgoing.push(&mut self.sender) == Ok(true);
        is_free.then_some(Goes(&mut self.outgoing, &mut self.sender))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET;
        capabilities
    }
}
