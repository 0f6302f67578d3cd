// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames to the host. The host counts what has arrived in a page of the guest's, and each frame has its
//! number behind its addresses.
//!
//! Boot parameters beside those of `io`: `bytes` of a frame.

use super::{PORT, VECTOR, Way, both, sleep};
use crate::line::line;
use crate::number;
use crate::platform::{Bench, page, pages};
use crate::time::timed;
use crate::virtio::{self, BLOCK, Tells};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::DeviceKind;
use tenon_guest::device::Arena;
use tenon_guest::net::Sender;
use tenon_guest::{Buffer, Error, Session, Vcpu};

/// Words of Tenon's ring.
const WORDS: u32 = 1 << 14;
/// Where a frame's number stands.
const NUMBER: core::ops::Range<usize> = 14..22;

/// A way for frames.
trait Net {
    /// Sends a frame, without telling; `false`: there is no room now.
    fn send(&mut self, frame: &[u8]) -> Result<bool, Error>;
    /// Tells the host of what was sent.
    fn tell(&mut self) -> Result<(), Error>;
    /// Says that it will sleep until there is room; `false` where there is some.
    fn arm(&mut self, len: usize) -> bool;
    fn wake(&mut self);
    fn doorbells(&self) -> u64;
}

impl Net for virtio::Net {
    #[inline(always)]
    fn send(&mut self, frame: &[u8]) -> Result<bool, Error> {
        Self::send(self, frame)
    }

    #[inline(always)]
    fn tell(&mut self) -> Result<(), Error> {
        Self::tell(self);
        Ok(())
    }

    fn arm(&mut self, _: usize) -> bool {
        !self.is_answered()
    }

    fn wake(&mut self) {
        Self::wake(self);
    }

    fn doorbells(&self) -> u64 {
        Self::doorbells(self)
    }
}

struct Ours<'p> {
    platform: &'p Bench,
    sender: Sender<'p, Bench>,
}

impl Net for Ours<'_> {
    #[inline(always)]
    fn send(&mut self, frame: &[u8]) -> Result<bool, Error> {
        match self.sender.send(frame) {
            Err(Error::Full) => Ok(false),
            sent => sent.map(|()| true),
        }
    }

    #[inline(always)]
    fn tell(&mut self) -> Result<(), Error> {
        self.sender.flush()
    }

    fn arm(&mut self, len: usize) -> bool {
        self.sender.arm(len).unwrap_or(false)
    }

    fn wake(&mut self) {}

    fn doorbells(&self) -> u64 {
        self.platform.kicks()
    }
}

/// Frames between two looks at whether the host is to be told, as a kernel's stack hands them over.
const BURST: u64 = 32;

/// A way for frames, and what of it has arrived.
struct Frames<N> {
    net: N,
    polled: bool,
    frame: [u8; 1536],
    len: usize,
    sent: u64,
    arrived: &'static AtomicU64,
}

impl<N: Net> Way for Frames<N> {
    fn run(&mut self, count: u64) -> Result<u64, Error> {
        let Self { net, polled, frame, len, sent, arrived } = self;
        let (ticks, result) = timed(|| {
            let end = *sent + count;
            while *sent < end {
                if let Some(place) = frame.get_mut(NUMBER) {
                    place.copy_from_slice(&sent.to_le_bytes());
                }
                if net.send(frame.get(..*len).unwrap_or_default())? {
                    *sent += 1;
                    if *sent % BURST == 0 {
                        net.tell()?;
                    }
                    continue;
                }
                net.tell()?;
                if *polled {
                    spin_loop();
                } else {
                    sleep(|| net.arm(*len));
                }
            }
            net.tell()?;
            while arrived.load(Ordering::Acquire) != end {
                spin_loop();
            }
            Ok(())
        });
        result.map(|()| ticks)
    }

    fn wake(&mut self) {
        self.net.wake();
    }

    fn doorbells(&self) -> u64 {
        self.net.doorbells()
    }
}

/// Times both in turns: a round is so many frames of either.
pub(crate) fn times<'p>(
    session: &Session<'p, Bench>,
    vcpu: &Vcpu<'p, Bench>,
    platform: &'p Bench,
) -> Result<(), Error> {
    let (polled, len) = (number("polled") == 1, (number("bytes") as usize).clamp(60, 1514));
    let ([one, other], address) = page()?;
    line("page", &[address]);
    let mut pages = pages(1 << 19)?;
    let arena = Arena::of(&pages);
    let told = Buffer::new(pages.split(BLOCK as u64, session.granule())?);
    let info = vcpu.devices().find(DeviceKind::NET, &told)?.ok_or(Error::NotPresent)?;
    let device = session.open_device(vcpu, &info, 0, arena, None)?;
    let port = if polled { None } else { Some(PORT) };
    if !polled {
        vcpu.bind_direct(PORT, 0, VECTOR)?;
    }
    let sender = device.sender(vcpu, 0, WORDS, port, &mut pages)?;
    let tells = if polled { Tells::Never } else { Tells::ByIndex };
    let theirs = virtio::Net::new(tells)?;
    // To everybody, so that no switch has to know anybody.
    let mut frame = [0x5a; 1536];
    frame.iter_mut().take(6).for_each(|byte| *byte = 0xff);
    let mut ours = Frames { net: Ours { platform, sender }, polled, frame, len, sent: 0, arrived: one };
    both(&mut ours, Some(Frames { net: theirs, polled, frame, len, sent: 0, arrived: other }))
}
