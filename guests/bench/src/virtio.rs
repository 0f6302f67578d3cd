// SPDX-License-Identifier: MIT OR Apache-2.0
//! A virtio queue of this image's, driven by virtio-drivers: what Tenon's devices are measured beside.
//!
//! Only the queue is virtio's. Where it lies goes to the host by a page and a line on the serial port, in
//! place of virtio-mmio's registers, and its doorbell is a port: that is no slower, and the same for both.
#![allow(unsafe_code, reason = "the crate is told where memory is by unsafe means")]

use crate::line::line;
use crate::number;
use crate::platform::out;
use core::ptr::NonNull;
use core::slice;
use tenon_guest::Error;
use tenon_guest_rt as rt;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Error as Trouble, Hal, PhysAddr};

/// Descriptors of a queue: three for each of 32 requests, or one for each frame.
const SIZE: usize = 256;
/// Requests of a disk that may be under way.
pub(crate) const DEPTH: usize = 32;
/// Bytes of a disk's request.
pub(crate) const BLOCK: usize = 4096;
/// Bytes of a frame's buffer, and of the header in front of the frame.
const FRAME: usize = 2048;
const HEADER: usize = 12;

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
        // SAFETY: the page was just taken from the arena, and the host reads it when it has the line.
        unsafe { page.cast::<[u64; 5]>().write(words) };
        line("queue", &[page.expose_provenance() as u64]);
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

/// A queue with its doorbell.
struct Ring {
    queue: VirtQueue<Flat, SIZE>,
    tells: Tells,
    bell: u16,
    doorbells: u64,
}

impl Ring {
    /// A queue. A boot parameter names the port of its doorbell.
    fn new(tells: Tells, indirect: bool) -> Result<Self, Error> {
        let by_index = tells == Tells::ByIndex;
        let queue = VirtQueue::new(&mut Tell { flags: by_index.into() }, 0, indirect, by_index);
        let mut queue = queue.map_err(|_| Error::BadMemory)?;
        queue.set_dev_notify(by_index);
        Ok(Self { queue, tells, bell: number("bell") as u16, doorbells: 0 })
    }

    /// Wakes a host that looks without being told, and sleeps between rounds.
    fn wake(&self) {
        if self.tells == Tells::Never {
            out(self.bell, 1);
        }
    }

    /// Tells the host of what was asked, if it wants to be told.
    #[inline(always)]
    fn tell(&mut self) {
        if self.tells == Tells::ByIndex && self.queue.should_notify() {
            self.doorbells += 1;
            out(self.bell, 1);
        }
    }
}

fn memory(bytes: usize) -> Result<*mut u8, Error> {
    let page = rt::memory::PAGE_SIZE;
    rt::alloc_pages(bytes.div_ceil(page), page).ok_or(Error::BadMemory)
}

/// A disk's driver, with a buffer for each request. Requests are known by their place, and answered in any
/// order.
pub(crate) struct Disk {
    ring: Ring,
    /// What stands before the data: a header of 16 bytes and, 64 behind it, the status; one line each.
    heads: *mut u8,
    data: *mut u8,
    /// The place of the request that a token belongs to.
    places: [u16; SIZE],
}

impl Disk {
    pub(crate) fn new(tells: Tells, indirect: bool) -> Result<Self, Error> {
        let (heads, data) = (memory(DEPTH * 128)?, memory(DEPTH * BLOCK)?);
        Ok(Self { ring: Ring::new(tells, indirect)?, heads, data, places: [0; SIZE] })
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
            self.ring.queue.add(&[header], &mut [data, status])
        };
        let token = token.map_err(|_| Error::BadMemory)?;
        if let Some(known) = self.places.get_mut(usize::from(token)) {
            *known = place as u16;
        }
        Ok(())
    }

    pub(crate) fn wake(&self) {
        self.ring.wake();
    }

    #[inline(always)]
    pub(crate) fn tell(&mut self) {
        self.ring.tell();
    }

    pub(crate) const fn doorbells(&self) -> u64 {
        self.ring.doorbells
    }

    /// Whether an answer is there.
    #[inline(always)]
    pub(crate) fn is_answered(&self) -> bool {
        self.ring.queue.can_pop()
    }

    /// The place of the next read that was answered.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<Result<usize, Error>> {
        let token = self.ring.queue.peek_used()?;
        let place = usize::from(self.places.get(usize::from(token)).copied().unwrap_or(0));
        let (head, data) = self.buffers(place);
        // SAFETY: these are the buffers that were added with the token, by `places`.
        let popped = unsafe {
            let header = slice::from_raw_parts(head, 16);
            let data = slice::from_raw_parts_mut(data, BLOCK);
            let status = slice::from_raw_parts_mut(head.add(64), 1);
            self.ring.queue.pop_used(token, &[header], &mut [data, status])
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

/// A network interface's driver that sends: header and frame in one descriptor, which is as good as it gets.
pub(crate) struct Net {
    ring: Ring,
    buffers: *mut u8,
    /// Places whose buffers are free, and how many.
    free: [u16; SIZE],
    left: usize,
    /// The place and the length of what a token belongs to.
    sent: [(u16, u16); SIZE],
}

impl Net {
    pub(crate) fn new(tells: Tells) -> Result<Self, Error> {
        let buffers = memory(SIZE * FRAME)?;
        let mut free = [0; SIZE];
        for (number, place) in (0..).zip(&mut free) {
            *place = number;
        }
        Ok(Self { ring: Ring::new(tells, false)?, buffers, free, left: SIZE, sent: [(0, 0); SIZE] })
    }

    /// Writes a frame into a buffer and adds it, without telling; `false`: all buffers are with the host.
    #[inline(always)]
    pub(crate) fn send(&mut self, frame: &[u8]) -> Result<bool, Error> {
        if self.left == 0 && !self.reap()? {
            return Ok(false);
        }
        let place = self.left.checked_sub(1).and_then(|last| self.free.get(last).copied());
        let place = place.ok_or(Error::Pending)?;
        let buffer = self.buffers.wrapping_add(usize::from(place) * FRAME);
        if frame.len() > FRAME - HEADER {
            return Err(Error::TooLong);
        }
        let len = HEADER + frame.len();
        // SAFETY: the place is free, so its buffer is the driver's alone, and it is long enough.
        let token = unsafe {
            buffer.cast::<[u8; HEADER]>().write([0; HEADER]);
            buffer.add(HEADER).copy_from_nonoverlapping(frame.as_ptr(), frame.len());
            self.ring.queue.add(&[slice::from_raw_parts(buffer, len)], &mut [])
        };
        let token = token.map_err(|_| Error::BadMemory)?;
        *self.sent.get_mut(usize::from(token)).ok_or(Error::BadMemory)? = (place, len as u16);
        self.left -= 1;
        Ok(true)
    }

    /// Takes back what the host is done with; whether that was anything.
    pub(crate) fn reap(&mut self) -> Result<bool, Error> {
        let before = self.left;
        while let Some(token) = self.ring.queue.peek_used() {
            let (place, len) = *self.sent.get(usize::from(token)).ok_or(Error::BadMemory)?;
            let buffer = self.buffers.wrapping_add(usize::from(place) * FRAME);
            // SAFETY: this is the buffer that was added with the token.
            let popped = unsafe {
                self.ring.queue.pop_used(token, &[slice::from_raw_parts(buffer, len.into())], &mut [])
            };
            popped.map_err(|_| Error::Pending)?;
            *self.free.get_mut(self.left).ok_or(Error::Pending)? = place;
            self.left += 1;
        }
        Ok(self.left > before)
    }

    /// Whether the host is done with something.
    pub(crate) fn is_answered(&self) -> bool {
        self.ring.queue.can_pop()
    }

    pub(crate) fn wake(&self) {
        self.ring.wake();
    }

    #[inline(always)]
    pub(crate) fn tell(&mut self) {
        self.ring.tell();
    }

    pub(crate) const fn doorbells(&self) -> u64 {
        self.ring.doorbells
    }
}
