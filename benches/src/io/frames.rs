// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames from a guest to its host: Tenon's ring beside virtio's queue. The host copies each frame out and
//! looks at its number.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

use tenon_devices::net::{Gone, Interface, Port};
use tenon_host::device::Attached;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use super::guest::{Arrived, Found, Guest, Plan, Theirs};
use crate::call::Trouble;

/// The number of a frame: behind the addresses and the type.
#[must_use]
pub fn number(frame: &[u8]) -> Option<u64> {
    frame.get(14..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Takes frames and forgets them.
struct Sink {
    /// Nothing ever comes out of it.
    quiet: UnixStream,
    memory: Arc<OnceLock<Arc<GuestMemoryMmap>>>,
    arrived: Arc<Arrived>,
    count: u64,
    told: u64,
}

impl Port for Sink {
    fn fd(&self) -> BorrowedFd<'_> {
        self.quiet.as_fd()
    }

    fn send(&mut self, frame: &[u8]) -> Result<bool, Gone> {
        if number(frame) != Some(self.count) {
            return Err(Gone(format!("frame {} is not the next one", self.count)));
        }
        self.count += 1;
        Ok(true)
    }

    fn receive(&mut self, _: &mut [u8]) -> Result<Option<usize>, Gone> {
        Ok(None)
    }

    fn flush(&mut self) -> Result<(), Gone> {
        if self.told != self.count
            && let (Some(memory), Some(page)) = (self.memory.get(), self.arrived.page())
        {
            self.told = self.count;
            let told = memory.store(self.count, GuestAddress(page), std::sync::atomic::Ordering::Release);
            told.map_err(|why| Gone(why.to_string()))?;
        }
        Ok(())
    }
}

/// Measures both in turns, with frames of so many bytes.
///
/// # Errors
///
/// [`Trouble`].
pub fn frames(plan: Plan, bytes: u32) -> Result<Found, Trouble> {
    let broken = |why: String| Trouble::Broken(why);
    let (quiet, _other) = UnixStream::pair().map_err(|why| broken(format!("no socket: {why}")))?;
    let (memory, arrived) = (Arc::new(OnceLock::new()), Arc::new(Arrived::default()));
    let sink = Sink { quiet, memory: Arc::clone(&memory), arrived: Arc::clone(&arrived), count: 0, told: 0 };
    let interface = Interface::new(sink, [2, 0, 0, 0, 0, 1]).with_waiter(plan.waiter());
    let (device, queues, _control) = interface.start().map_err(|why| broken(why.to_string()))?;
    let guest = Guest::new(Attached::new(device, queues))?;
    let _ = memory.set(guest.memory());
    guest.run(plan, &format!("bench=frames bytes={bytes}"), Theirs::Sink(arrived))
}
