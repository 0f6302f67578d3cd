// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device's end of a virtio queue, by virtio-queue: a disk in memory, or a network that counts.
//!
//! The guest tells where the queue is by a page (`guests/bench/src/virtio.rs`).

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tenon_host::kvm::Line;
use tenon_rings::Waiter;
use virtio_queue::{DescriptorChain, Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use vmm_sys_util::eventfd::EventFd;

use super::BLOCK;
use super::frames::number;
use super::guest::Arrived;

/// What a device does with a request.
#[derive(Debug)]
pub enum Kind {
    /// Reads blocks of the disk.
    Disk(Arc<Vec<u8>>),
    /// Takes frames, and counts them in the page's second word.
    Sink(Arc<Arrived>, u64),
}

/// Chains that are answered together.
const BATCH: usize = 64;
/// How many milliseconds it sleeps at most: where nobody tells, the guest rings when a round begins, and not
/// when a round was held up.
const NAP: i32 = 20;

/// What the guest said of its queue.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    size: u16,
    descriptors: u64,
    driver: u64,
    device: u64,
    by_index: bool,
}

impl Told {
    /// What stands in the guest's page.
    pub fn read(memory: &GuestMemoryMmap, page: u64) -> Option<Self> {
        let words: [u64; 5] = memory.read_obj(GuestAddress(page)).ok()?;
        let [size, descriptors, driver, device, flags] = words;
        Some(Self { size: u16::try_from(size).ok()?, descriptors, driver, device, by_index: flags == 1 })
    }
}

/// The device.
pub struct Device {
    queue: Queue,
    memory: Arc<GuestMemoryMmap>,
    by_index: bool,
    kind: Kind,
    iterates: bool,
    frame: [u8; 2048],
}

impl Device {
    /// Over the queue that the guest told of; `None` where there is none. It takes chains by the queue's
    /// iterator, or one by one.
    pub fn new(told: Told, memory: Arc<GuestMemoryMmap>, kind: Kind, iterates: bool) -> Option<Self> {
        let mut queue = Queue::new(told.size).ok()?;
        queue.set_size(told.size);
        queue.try_set_desc_table_address(GuestAddress(told.descriptors)).ok()?;
        queue.try_set_avail_ring_address(GuestAddress(told.driver)).ok()?;
        queue.try_set_used_ring_address(GuestAddress(told.device)).ok()?;
        queue.set_event_idx(told.by_index);
        queue.set_ready(true);
        if !queue.is_valid(&*memory) {
            return None;
        }
        Some(Self { queue, memory, by_index: told.by_index, kind, iterates, frame: [0; 2048] })
    }

    /// Serves until `end`, and sleeps on `kick` where nothing comes. Where the two sides tell each other, it
    /// raises `line`.
    pub fn run(&mut self, mut waiter: Waiter, (kick, line): (&EventFd, &Line), end: &AtomicBool) {
        while !end.load(Ordering::Relaxed) {
            let _ = self.queue.disable_notification(&*self.memory);
            let nap = || {
                nap(kick);
            };
            waiter.wait(self, 1, |this| this.round(line), Self::rest, nap);
        }
    }

    /// One look.
    fn round(&mut self, line: &Line) -> Option<()> {
        if self.serve() == 0 {
            return None;
        }
        if self.by_index && self.queue.needs_notification(&*self.memory).unwrap_or(true) {
            line.raise();
        }
        Some(())
    }

    /// Asks for a kick; `true`: nothing has come meanwhile.
    fn rest(&mut self) -> bool {
        !self.by_index || !self.queue.enable_notification(&*self.memory).unwrap_or(false)
    }

    /// Serves what is there; how much.
    fn serve(&mut self) -> usize {
        let memory = Arc::clone(&self.memory);
        let served = if self.iterates { self.serve_all(&memory) } else { self.serve_each(&memory) };
        if served > 0
            && let Kind::Sink(arrived, count) = &self.kind
            && let Some(page) = arrived.page()
        {
            // It is a page of the guest's memory: the guest said so.
            let _ = memory.store(*count, GuestAddress(page + 8), Ordering::Release);
        }
        served
    }

    /// Takes and answers one chain after the other.
    fn serve_each(&mut self, memory: &GuestMemoryMmap) -> usize {
        let mut served = 0;
        while let Some(chain) = self.queue.pop_descriptor_chain(memory) {
            let (head, len) = self.kind.handle(memory, &mut self.frame, chain);
            let _ = self.queue.add_used(memory, head, len);
            served += 1;
        }
        served
    }

    /// Takes all chains that one look at the driver's index finds, and then answers them.
    fn serve_all(&mut self, memory: &GuestMemoryMmap) -> usize {
        let mut done = [(0, 0); BATCH];
        let mut served = 0;
        let Ok(chains) = self.queue.iter(memory) else { return 0 };
        // In this order: no chain is taken for which there is no place.
        for (place, chain) in done.iter_mut().zip(chains) {
            *place = self.kind.handle(memory, &mut self.frame, chain);
            served += 1;
        }
        for (head, len) in done.iter().take(served) {
            let _ = self.queue.add_used(memory, *head, *len);
        }
        served
    }
}

impl Kind {
    /// Does what a chain asks for: its head, and what was written. A chain that makes no sense is answered
    /// with nothing written: the guest sees no status, or its frame is not counted.
    #[inline(always)]
    fn handle(
        &mut self,
        memory: &GuestMemoryMmap,
        frame: &mut [u8],
        chain: DescriptorChain<&GuestMemoryMmap>,
    ) -> (u16, u32) {
        let head = chain.head_index();
        let len = match self {
            Self::Disk(disk) => read(memory, disk, chain),
            Self::Sink(_, count) => take(memory, frame, count, chain),
        };
        (head, len.unwrap_or(0))
    }
}

/// Sleeps until it was kicked, or a while.
#[allow(unsafe_code, reason = "there is no other way to wait for an eventfd for a while")]
fn nap(kick: &EventFd) {
    let mut waits = libc::pollfd { fd: kick.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: there is one entry, and it is this function's own.
    unsafe { libc::poll(&raw mut waits, 1, NAP) };
    // Nothing is in it where the time is over.
    let _ = kick.read();
}

fn read(memory: &GuestMemoryMmap, disk: &[u8], mut chain: DescriptorChain<&GuestMemoryMmap>) -> Option<u32> {
    let header = chain.next().filter(|header| header.len() == 16)?;
    let [_, sector]: [u64; 2] = memory.read_obj(header.addr()).ok()?;
    let data = chain.next().filter(|data| data.is_write_only())?;
    let status = chain.next().filter(|status| status.is_write_only())?;
    let at = usize::try_from(sector).ok()?.checked_mul(512)?;
    let len = usize::try_from(data.len()).ok()?;
    let block = disk.get(at..at.checked_add(len)?)?;
    memory.write_slice(block, data.addr()).ok()?;
    memory.write_obj(0u8, status.addr()).ok()?;
    debug_assert_eq!(len, BLOCK);
    data.len().checked_add(1)
}

fn take(
    memory: &GuestMemoryMmap,
    frame: &mut [u8],
    count: &mut u64,
    mut chain: DescriptorChain<&GuestMemoryMmap>,
) -> Option<u32> {
    let data = chain.next()?;
    let record = frame.get_mut(..usize::try_from(data.len()).ok()?)?;
    memory.read_slice(record, data.addr()).ok()?;
    if number(record.get(12..)?) == Some(*count) {
        *count += 1;
    }
    Some(0)
}
