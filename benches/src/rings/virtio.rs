// SPDX-License-Identifier: MIT OR Apache-2.0
//! virtio-drivers on one side and virtio-queue on the other, with a request in one descriptor or, as a disk
//! has them, in three: header, data, status.
//!
//! Neither side suppresses notifications, because that only makes them slower, and nobody notifies: the
//! device polls.
#![allow(unsafe_code, reason = "both crates are told where memory is by unsafe means")]

use std::hint::black_box;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Error, Hal, PhysAddr};
use virtio_queue::{DescriptorChain, Queue as DeviceQueue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

use super::queue::{DEPTH, Queue};

const PAGE: usize = 4096;
const MEMORY: usize = 4 << 20;
/// Rings come first, buffers here.
const BUFFERS: usize = 1 << 20;
/// A request's buffers: its header, status at [`STATUS`], and a page of data behind.
const BUFFER: usize = 2 * PAGE;
const STATUS: usize = 128;

/// Where the one guest memory is that a driver uses at a time, and what of it rings use.
static BASE: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);

/// A guest whose physical addresses are offsets.
struct Flat;

// SAFETY: memory comes from the one guest memory, which its driver keeps; nothing is handed out twice, and it
// is zero.
unsafe impl Hal for Flat {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let offset = USED.fetch_add(pages * PAGE, Ordering::Relaxed);
        assert!(offset + pages * PAGE <= BUFFERS, "rings are smaller");
        (offset as PhysAddr, at(offset))
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        at(address as usize)
    }

    #[inline(always)]
    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        (buffer.cast::<u8>().addr().get() - BASE.load(Ordering::Relaxed)) as PhysAddr
    }

    #[inline(always)]
    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

fn at(offset: usize) -> NonNull<u8> {
    NonNull::new(std::ptr::with_exposed_provenance_mut(BASE.load(Ordering::Relaxed) + offset))
        .expect("guest memory is not at zero")
}

/// A transport that only remembers where the rings are.
#[derive(Default)]
struct Remember {
    descriptors: PhysAddr,
    driver: PhysAddr,
    device: PhysAddr,
}

impl Transport for Remember {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }
    fn read_device_features(&mut self) -> u64 {
        0
    }
    fn write_driver_features(&mut self, _: u64) {}
    fn max_queue_size(&mut self, _: u16) -> u32 {
        1 << 15
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
    fn queue_set(&mut self, _: u16, _: u32, descriptors: PhysAddr, driver: PhysAddr, device: PhysAddr) {
        *self = Self { descriptors, driver, device };
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
        Err(Error::ConfigSpaceMissing)
    }
    fn write_config_space<T: zerocopy::IntoBytes + zerocopy::Immutable>(
        &mut self,
        _: usize,
        _: T,
    ) -> virtio_drivers::Result<()> {
        Err(Error::ConfigSpaceMissing)
    }
}

/// What a request's words sum up to.
#[inline(always)]
fn total<const N: usize>(request: [u64; N]) -> u64 {
    request.iter().fold(0u64, |sum, word| sum.wrapping_add(*word))
}

/// The driver's end. `SIZE` is the ring's.
pub struct Driver<const SIZE: usize> {
    queue: VirtQueue<Flat, SIZE>,
    base: *mut u8,
    submitted: u64,
    taken: u64,
    _memory: Arc<GuestMemoryMmap>,
}

// SAFETY: the pointer is into memory that the driver keeps, and only the driver uses it.
unsafe impl<const SIZE: usize> Send for Driver<SIZE> {}

/// The device's end.
pub struct Device {
    queue: DeviceQueue,
    memory: Arc<GuestMemoryMmap>,
    sum: u64,
}

impl<const SIZE: usize> Driver<SIZE> {
    /// The buffers of the request at a position: the device answers in order.
    #[inline(always)]
    fn buffers(&self, position: u64) -> *mut u8 {
        self.base.wrapping_add(BUFFERS + (position % DEPTH) as usize * BUFFER)
    }
}

fn make<const SIZE: usize>() -> (Driver<SIZE>, Device) {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY)]).expect("guest memory");
    let memory = Arc::new(memory);
    let base = memory.get_host_address(GuestAddress(0)).expect("it begins at zero");
    BASE.store(base.expose_provenance(), Ordering::Relaxed);
    // Address zero means that there is no memory.
    USED.store(PAGE, Ordering::Relaxed);
    let mut transport = Remember::default();
    let queue = VirtQueue::new(&mut transport, 0, false, false).expect("a queue");
    let size = u16::try_from(SIZE).expect("a ring's size");
    let mut device = DeviceQueue::new(size).expect("a queue");
    device.set_size(size);
    device.try_set_desc_table_address(GuestAddress(transport.descriptors)).expect("an address");
    device.try_set_avail_ring_address(GuestAddress(transport.driver)).expect("an address");
    device.try_set_used_ring_address(GuestAddress(transport.device)).expect("an address");
    device.set_ready(true);
    assert!(device.is_valid(&*memory), "the device finds the rings");
    (
        Driver { queue, base, submitted: 0, taken: 0, _memory: Arc::clone(&memory) },
        Device { queue: device, memory, sum: 0 },
    )
}

/// Requests of `C` descriptors. `ITERATE`: the device takes chains by its queue's iterator and then answers
/// them; else one by one.
pub struct Virtio<const C: usize, const SIZE: usize, const ITERATE: bool>;

/// What one chain's request sums up to, and what goes into the used ring.
#[inline(always)]
fn handle<const C: usize>(
    memory: &GuestMemoryMmap,
    mut chain: DescriptorChain<&GuestMemoryMmap>,
) -> (u64, u16, u32) {
    let head = chain.head_index();
    let header = chain.next().expect("a header");
    assert!(!header.is_write_only(), "the header is the driver's");
    if C == 1 {
        assert!(header.len() == 64, "a request");
        let request: [u64; 8] = memory.read_obj(header.addr()).expect("in memory");
        return (total(request), head, 0);
    }
    assert!(header.len() == 16, "a header");
    let request: [u64; 2] = memory.read_obj(header.addr()).expect("in memory");
    let data = chain.next().expect("data");
    assert!(data.is_write_only(), "data for the driver");
    let slice = memory.get_slice(data.addr(), data.len() as usize).expect("in memory");
    black_box(slice.len());
    let status = chain.next().expect("a status");
    assert!(status.is_write_only() && status.len() == 1, "a status for the driver");
    memory.write_obj(0u8, status.addr()).expect("in memory");
    (total(request), head, data.len() + 1)
}

impl<const C: usize, const SIZE: usize, const ITERATE: bool> Queue for Virtio<C, SIZE, ITERATE> {
    type Driver = Driver<SIZE>;
    type Device = Device;
    const WORDS: u64 = if C == 1 { 8 } else { 2 };

    fn make() -> (Driver<SIZE>, Device) {
        make()
    }

    #[inline(always)]
    fn submit(driver: &mut Driver<SIZE>, number: u64) {
        let buffers = driver.buffers(driver.submitted);
        driver.submitted += 1;
        // SAFETY: the buffers lie in memory that the driver keeps, apart from each other, and are the
        // driver's until they are added.
        let added = unsafe {
            if C == 1 {
                let request: [u64; 8] = std::array::from_fn(|word| number + word as u64);
                buffers.cast::<[u64; 8]>().write(request);
                driver.queue.add(&[slice::from_raw_parts(buffers, 64)], &mut [])
            } else {
                buffers.cast::<[u64; 2]>().write([number, number + 1]);
                let header = slice::from_raw_parts(buffers, 16);
                let data = slice::from_raw_parts_mut(buffers.add(PAGE), PAGE);
                let status = slice::from_raw_parts_mut(buffers.add(STATUS), 1);
                driver.queue.add(&[header], &mut [data, status])
            }
        };
        black_box(added.expect("room for a request"));
    }

    #[inline(always)]
    fn reap(driver: &mut Driver<SIZE>) -> bool {
        let Some(token) = driver.queue.peek_used() else { return false };
        let buffers = driver.buffers(driver.taken);
        driver.taken += 1;
        // SAFETY: these are the buffers of the oldest request, which is the one that the device answered.
        unsafe {
            if C == 1 {
                driver.queue.pop_used(token, &[slice::from_raw_parts(buffers, 64)], &mut [])
            } else {
                let header = slice::from_raw_parts(buffers, 16);
                let data = slice::from_raw_parts_mut(buffers.add(PAGE), PAGE);
                let status = slice::from_raw_parts_mut(buffers.add(STATUS), 1);
                let popped = driver.queue.pop_used(token, &[header], &mut [data, status]);
                assert!(buffers.add(STATUS).read_volatile() == 0, "an answer");
                popped
            }
        }
        .expect("an answer");
        true
    }

    #[inline(always)]
    fn serve(device: &mut Device, most: u64) -> u64 {
        let memory = &*device.memory;
        let mut served = 0;
        if ITERATE {
            let mut done = [(0u16, 0u32); DEPTH as usize];
            let mut taken = 0;
            // The places first: a chain that finds none would be lost.
            let chains = device.queue.iter(memory).expect("a ready queue");
            for (place, chain) in done.iter_mut().take(most as usize).zip(chains) {
                let (sum, head, len) = handle::<C>(memory, chain);
                device.sum = device.sum.wrapping_add(sum);
                *place = (head, len);
                taken += 1;
            }
            for (head, len) in &done[..taken] {
                device.queue.add_used(memory, *head, *len).expect("in memory");
            }
            served += taken as u64;
        } else {
            while served < most {
                let Some(chain) = device.queue.pop_descriptor_chain(memory) else { break };
                let (sum, head, len) = handle::<C>(memory, chain);
                device.sum = device.sum.wrapping_add(sum);
                device.queue.add_used(memory, head, len).expect("in memory");
                served += 1;
            }
        }
        served
    }

    fn sum(_: &Driver<SIZE>, device: &Device) -> u64 {
        device.sum
    }
}
