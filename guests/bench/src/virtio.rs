// SPDX-License-Identifier: MIT OR Apache-2.0
//! A virtio queue of this image's, driven by virtio-drivers: what Tenon's devices are measured beside.
//!
//! Only the queue is virtio's. Where it lies goes to the host by a page and one write to a port, in place of
//! virtio-mmio's registers, and its doorbell is a port too: that is no slower, and the same for both.
#![allow(unsafe_code, reason = "the crate is told where memory is by unsafe means")]

use crate::number;
use crate::platform::out;
use core::ptr::NonNull;
use core::slice;
use tenon_guest::Error;
use tenon_guest_rt as rt;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Error as Trouble, Hal, PhysAddr};

/// Descriptors of a queue: three for each of 32 requests.
const SIZE: usize = 128;
/// Requests that may be under way.
pub(crate) const DEPTH: usize = 32;
/// Bytes of a disk's request.
pub(crate) const BLOCK: usize = 4096;

/// Memory is mapped one to one.
struct Flat;

// SAFETY: pages come from the arena, which hands nothing out twice, and are zero.
unsafe impl Hal for Flat {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let page = rt::alloc_pages(pages, rt::memory::PAGE_SIZE).and_then(NonNull::new);
        let page = page.unwrap_or(NonNull::dangling());
        (page.addr().get() as PhysAddr, page)
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize)).unwrap_or(NonNull::dangling())
    }

    #[inline(always)]
    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr().expose_provenance() as PhysAddr
    }

    #[inline(always)]
    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// Tells the host where the queue is.
struct Tell {
    port: u16,
    flags: u64,
}

impl Transport for Tell {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }
    fn read_device_features(&mut self) -> u64 {
        0
    }
    fn write_driver_features(&mut self, _: u64) {}
    fn max_queue_size(&mut self, _: u16) -> u32 {
        SIZE as u32
    }
    fn notify(&mut self, _: u16) {}
    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::empty()
    }
    fn set_status(&mut self, _: DeviceStatus) {}
    fn set_guest_page_size(&mut self, _: u32) {}
    fn requires_legacy_layout(&self) -> bool {
        false
    }
    fn queue_set(&mut self, _: u16, size: u32, descriptors: PhysAddr, driver: PhysAddr, device: PhysAddr) {
        let Some(page) = rt::alloc_pages(1, rt::memory::PAGE_SIZE) else { return };
        let words = [u64::from(size), descriptors, driver, device, self.flags];
        // SAFETY: the page was just taken from the arena, and the host reads it during the write to the port.
        unsafe { page.cast::<[u64; 5]>().write(words) };
        out(self.port, page.expose_provenance() as u32);
    }
    fn queue_unset(&mut self, _: u16) {}
    fn queue_used(&mut self, _: u16) -> bool {
        false
    }
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }
    fn read_config_generation(&self) -> u32 {
        0
    }
    fn read_config_space<T: zerocopy::FromBytes + zerocopy::IntoBytes>(
        &self,
        _: usize,
    ) -> virtio_drivers::Result<T> {
        Err(Trouble::ConfigSpaceMissing)
    }
    fn write_config_space<T: zerocopy::IntoBytes + zerocopy::Immutable>(
        &mut self,
        _: usize,
        _: T,
    ) -> virtio_drivers::Result<()> {
        Err(Trouble::ConfigSpaceMissing)
    }
}

/// How the two sides tell each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// Not at all: both look.
    Never,
    /// By doorbell and interrupt, with event indices.
    ByIndex,
}

/// The driver's end, with a buffer for each request. Requests are known by their place, and answered in any
/// order.
pub(crate) struct Driver {
    queue: VirtQueue<Flat, SIZE>,
    tells: Tells,
    bell: u16,
    /// What stands before the data: a header of 16 bytes and, 64 behind it, the status; one line each.
    heads: *mut u8,
    data: *mut u8,
    /// The place of the request that a token belongs to.
    places: [u16; SIZE],
}

impl Driver {
    /// A queue. The boot parameters name the ports.
    pub(crate) fn new(tells: Tells, indirect: bool) -> Result<Self, Error> {
        let mut tell = Tell { port: number("virtio") as u16, flags: u64::from(tells == Tells::ByIndex) };
        let queue = VirtQueue::new(&mut tell, 0, indirect, tells == Tells::ByIndex);
        let mut queue = queue.map_err(|_| Error::BadMemory)?;
        queue.set_dev_notify(tells == Tells::ByIndex);
        let page = rt::memory::PAGE_SIZE;
        let heads = rt::alloc_pages(DEPTH * 128 / page, page).ok_or(Error::BadMemory)?;
        let data = rt::alloc_pages(DEPTH * BLOCK / page, page).ok_or(Error::BadMemory)?;
        Ok(Self { queue, tells, bell: number("bell") as u16, heads, data, places: [0; SIZE] })
    }

    /// Asks for a block of the disk, without telling.
    #[inline(always)]
    pub(crate) fn read(&mut self, place: usize, sector: u64) -> Result<(), Error> {
        let (head, data) = self.buffers(place);
        // SAFETY: a place's buffers are its own, are not in use while it is free, and stay where they are.
        let token = unsafe {
            head.cast::<[u64; 2]>().write([0, sector]);
            let header = slice::from_raw_parts(head, 16);
            let data = slice::from_raw_parts_mut(data, BLOCK);
            let status = slice::from_raw_parts_mut(head.add(64), 1);
            self.queue.add(&[header], &mut [data, status])
        };
        let token = token.map_err(|_| Error::BadMemory)?;
        if let Some(known) = self.places.get_mut(usize::from(token)) {
            *known = place as u16;
        }
        Ok(())
    }

    /// Tells the host of what was asked, if it wants to be told.
    #[inline(always)]
    pub(crate) fn tell(&mut self) -> bool {
        let wanted = self.tells == Tells::ByIndex && self.queue.should_notify();
        if wanted {
            out(self.bell, 1);
        }
        wanted
    }

    /// Whether an answer is there.
    #[inline(always)]
    pub(crate) fn is_answered(&self) -> bool {
        self.queue.can_pop()
    }

    /// The place of the next read that was answered.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<Result<usize, Error>> {
        let token = self.queue.peek_used()?;
        let place = usize::from(self.places.get(usize::from(token)).copied().unwrap_or(0));
        let (head, data) = self.buffers(place);
        // SAFETY: these are the buffers that were added with the token, by `places`.
        let popped = unsafe {
            let header = slice::from_raw_parts(head, 16);
            let data = slice::from_raw_parts_mut(data, BLOCK);
            let status = slice::from_raw_parts_mut(head.add(64), 1);
            self.queue.pop_used(token, &[header], &mut [data, status])
        };
        // SAFETY: the status is the driver's again.
        let done = unsafe { head.add(64).read_volatile() } == 0;
        Some(if popped.is_ok() && done { Ok(place) } else { Err(Error::Pending) })
    }

    /// What was read at a place: its first word.
    #[inline(always)]
    pub(crate) fn word(&self, place: usize) -> u64 {
        let (_, data) = self.buffers(place);
        // SAFETY: the place's buffer is the driver's while nothing is under way there.
        unsafe { data.cast::<u64>().read_volatile() }
    }

    #[inline(always)]
    fn buffers(&self, place: usize) -> (*mut u8, *mut u8) {
        let place = place % DEPTH;
        (self.heads.wrapping_add(place * 128), self.data.wrapping_add(place * BLOCK))
    }
}
