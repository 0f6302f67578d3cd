// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device's end of a virtio queue, by virtio-queue: a disk in memory, or a network that counts.
//!
//! The guest tells where the queue is by a page (`guests/bench/src/virtio.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tenon_host::kvm::Line;
use virtio_queue::{DescriptorChain, Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use vmm_sys_util::eventfd::EventFd;

use super::{BLOCK, Tally};

/// What a device does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads blocks of the disk.
    Disk,
    /// Takes frames.
    Sink,
}

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
    disk: Arc<Vec<u8>>,
    frame: [u8; 2048],
}

impl Device {
    /// Over the queue that the guest told of; `None` where there is none.
    pub fn new(told: Told, memory: Arc<GuestMemoryMmap>, kind: Kind, disk: Arc<Vec<u8>>) -> Option<Self> {
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
        Some(Self { queue, memory, by_index: told.by_index, kind, disk, frame: [0; 2048] })
    }

    /// Serves until `end`. Where the two sides tell each other, it sleeps on `kick` and raises `line`.
    pub fn run(&mut self, kick: &EventFd, line: &Line, tally: &Tally, end: &AtomicBool) {
        while !end.load(Ordering::Relaxed) {
            if !self.by_index {
                if self.serve(tally) == 0 {
                    std::hint::spin_loop();
                }
                continue;
            }
            // As its documentation says: off, serve, on, look again.
            loop {
                let _ = self.queue.disable_notification(&*self.memory);
                let served = self.serve(tally);
                if served > 0 && self.queue.needs_notification(&*self.memory).unwrap_or(true) {
                    line.raise();
                    tally.bells.fetch_add(1, Ordering::Relaxed);
                }
                if !self.queue.enable_notification(&*self.memory).unwrap_or(false) {
                    break;
                }
            }
            if kick.read().is_err() {
                break;
            }
            tally.kicks.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Serves what is there.
    fn serve(&mut self, tally: &Tally) -> u64 {
        let mut served = 0;
        let memory = Arc::clone(&self.memory);
        while let Some(chain) = self.queue.pop_descriptor_chain(&*memory) {
            let head = chain.head_index();
            let len = match self.kind {
                Kind::Disk => self.read(chain),
                Kind::Sink => self.take(chain, &tally.bytes),
            };
            // A chain that makes no sense is answered with nothing written: the guest sees no status.
            let _ = self.queue.add_used(&*memory, head, len.unwrap_or(0));
            served += 1;
        }
        tally.requests.fetch_add(served, Ordering::Relaxed);
        served
    }

    fn read(&self, mut chain: DescriptorChain<&GuestMemoryMmap>) -> Option<u32> {
        let header = chain.next().filter(|header| header.len() == 16)?;
        let [_, sector]: [u64; 2] = self.memory.read_obj(header.addr()).ok()?;
        let data = chain.next().filter(|data| data.is_write_only())?;
        let status = chain.next().filter(|status| status.is_write_only())?;
        let at = usize::try_from(sector).ok()?.checked_mul(512)?;
        let len = usize::try_from(data.len()).ok()?;
        let block = self.disk.get(at..at.checked_add(len)?)?;
        self.memory.write_slice(block, data.addr()).ok()?;
        self.memory.write_obj(0u8, status.addr()).ok()?;
        debug_assert_eq!(len, BLOCK);
        data.len().checked_add(1)
    }

    fn take(&mut self, mut chain: DescriptorChain<&GuestMemoryMmap>, bytes: &AtomicU64) -> Option<u32> {
        let header = chain.next().filter(|header| header.len() == 12)?;
        let _: [u8; 12] = self.memory.read_obj(header.addr()).ok()?;
        let data = chain.next()?;
        let frame = self.frame.get_mut(..usize::try_from(data.len()).ok()?)?;
        self.memory.read_slice(frame, data.addr()).ok()?;
        std::hint::black_box(&frame);
        bytes.fetch_add(data.len().into(), Ordering::Relaxed);
        Some(0)
    }
}
